//! Write: a content becomes a file, unless it would overwrite what this session has not seen.

use std::sync::Arc;

use towline_base::{Code, Failure, limits};
use towline_proto::files::write::{Complete, Done, How, Reply, Request, call, parse};
use towline_proto::files::{Tag, TagKind};

use super::guard::Seen;
use super::words::{self, Deed};
use super::{Files, Scope, ToolLine, nonce};
use crate::action::Write;
use crate::answer::{self, Answer, Body, Written};

/// Files of a name that are told to the host at once.
const CANDIDATES: usize = 8;

impl Files {
    /// Writes a file whole, or adds to it.
    pub(crate) async fn write(&self, line: &impl ToolLine, scope: &Scope<'_>, write: &Write) -> Result<Answer, Failure> {
        words::check_path("file_path", &write.file_path)?;
        check_size(write.content.len())?;
        let _turn = self.turn(scope, &write.file_path).await;
        let how = if write.append { How::Append } else { How::Any };
        let before = self.cached(scope, &write.file_path).filter(|_| !write.append);
        let (known, complete) = self.known(scope, &write.file_path);
        let mut request =
            Request { path: write.file_path.as_bytes().to_vec(), how, content: write.content.clone(), nonce: nonce(), known, complete };
        let mut reply = self.put(line, &request, &write.file_path).await?;
        if let Reply::Ask { real } = &reply {
            request.known = self.seen(scope, real).map(|seen| (seen.real, seen.tag)).into_iter().collect();
            request.complete = Complete::All;
            reply = self.put(line, &request, &write.file_path).await?;
        }
        let Reply::Done(done) = reply else { return Err(Failure::new(Code::Protocol, "The host asked twice.")) };
        let mut notes = words::lost(&done.lost);
        let read = self.seen(scope, &done.real).is_some();
        if done.created && read {
            notes.push("The file had been deleted since this session read it; it was made anew.".to_owned());
        } else if !done.created && !read && !write.append {
            notes.push("This session had not read the file that it has overwritten.".to_owned());
        }
        // Where the old content is not known here, the new one is shown as it is.
        let before = before.filter(|_| !done.created).map(|content| content.bytes).unwrap_or_default();
        let content: Arc<[u8]> = write.content.as_slice().into();
        scope.witness.diff(&before, &content);
        self.after_write(scope, write, &done, content);
        let how = if write.append { answer::How::Append } else { answer::How::Write };
        Ok(Answer { body: Body::Written(written(&done, &write.file_path, how, String::new())), notes })
    }

    /// One round trip.
    pub(super) async fn put(&self, line: &impl ToolLine, request: &Request, given: &str) -> Result<Reply, Failure> {
        let reply = line.call(call(request)).await?;
        parse(reply.status, &reply.body).map_err(|error| words::reply_failure(Deed::Write, &error, given))
    }

    /// What the host must know to refuse a write over what changed: files that the path may lead to.
    fn known(&self, scope: &Scope<'_>, given: &str) -> (Vec<(Vec<u8>, Tag)>, Complete) {
        let path = words::absolute(&self.cwd(scope), given);
        self.with_guard(scope, |guard| {
            let (seen, more) = guard.candidates(&path, CANDIDATES);
            let complete = match (guard.is_empty(), more) {
                (true, _) => Complete::All,
                (false, true) => Complete::More,
                (false, false) => Complete::SameName,
            };
            (seen.into_iter().map(|seen| (seen.real, seen.tag)).collect(), complete)
        })
    }

    fn after_write(&self, scope: &Scope<'_>, write: &Write, done: &Done, content: Arc<[u8]>) {
        self.stand(scope, &done.cwd);
        let path = words::absolute(&done.cwd, &write.file_path);
        if !write.append || done.created {
            self.wrote(scope, &done.real, path, done.kind, content);
            return;
        }
        self.forget(scope, &done.real);
        // Only if it was read before is it known now.
        if let Some(tag) = &done.tag {
            self.record(scope, Seen { real: done.real.clone(), path, tag: tag.clone() });
        }
    }

    /// Remembers a content that this session has given a file.
    pub(super) fn wrote(&self, scope: &Scope<'_>, real: &[u8], path: Vec<u8>, kind: TagKind, content: Arc<[u8]>) {
        let tag = Tag::of(kind, &content);
        self.keep(scope, real, &path, tag.clone(), content);
        self.record(scope, Seen { real: real.to_vec(), path, tag });
    }
}

/// Refuses a content that is too large to be written in one call.
pub(super) fn check_size(bytes: usize) -> Result<(), Failure> {
    if bytes <= limits::WRITE_BYTES {
        return Ok(());
    }
    let text = format!(
        "content: {} is more than one call takes ({}). Write it in parts with append, or upload it.",
        words::size(bytes as u64),
        words::size(limits::WRITE_BYTES as u64)
    );
    Err(Failure::new(Code::TooLarge, text).hint(""))
}

/// The answer for a file that was written.
pub(super) fn written(done: &Done, given: &str, how: answer::How, changed: String) -> Written {
    let path = words::shown(&words::absolute(&done.cwd, given));
    let through_link = done.linked.then(|| format!("{path} -> {}", words::shown(&done.real)));
    Written { path, created: done.created, bytes: done.size, how, changed, through_link }
}

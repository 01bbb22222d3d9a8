//! Edit and `MultiEdit`: a known content travels as a splice; a changed one comes back in the same round trip.

use std::sync::Arc;

use towline_base::{Code, Failure, limits};
use towline_proto::files::read::Found;
use towline_proto::files::splice::{self, Outcome};
use towline_proto::files::write::{Complete, Done, How, Reply, Request};
use towline_proto::files::{Tag, TagKind};

use super::plan::{self, Plan};
use super::read::whole_request;
use super::words::{self, Deed};
use super::write::{check_size, written};
use super::{Files, Scope, ToolLine, nonce};
use crate::action::Edit;
use crate::answer::{self, Answer, Body};

/// Pieces that one request carries; each costs the host three processes.
const PIECES: usize = 24;
/// How often an edit is tried on a file that changes all the time.
const ATTEMPTS: usize = 4;

/// A content that an edit is computed from.
struct Base {
    bytes: Arc<[u8]>,
    tag: Tag,
    /// Whether it is from this call, and no older.
    fresh: bool,
}

impl Files {
    /// Replaces text in a file, all of the edits or none.
    pub(crate) async fn edit(&self, line: &impl ToolLine, scope: &Scope<'_>, edit: &Edit) -> Result<Answer, Failure> {
        words::check_path("file_path", &edit.file_path)?;
        plan::check(edit)?;
        let _turn = self.turn(scope, &edit.file_path).await;
        if plan::creates(edit) {
            return self.create(line, scope, edit).await;
        }
        let mut base = match self.cached(scope, &edit.file_path) {
            Some(content) => Base { bytes: content.bytes, tag: content.tag, fresh: false },
            None => self.base(line, scope, edit).await?,
        };
        for _ in 0..ATTEMPTS {
            let plan = match plan::plan(&base.bytes, edit) {
                Ok(plan) => plan,
                Err(failure) if base.fresh => return Err(failure),
                // What is known may be old; an error must be about what is there.
                Err(_) => {
                    base = self.base(line, scope, edit).await?;
                    plan::plan(&base.bytes, edit)?
                }
            };
            match self.splice(line, scope, edit, &base, plan).await? {
                Ok(answer) => return Ok(answer),
                Err(current) => base = current,
            }
        }
        Err(words::unsteady())
    }

    /// Makes a file from an edit whose first text to replace is empty.
    async fn create(&self, line: &impl ToolLine, scope: &Scope<'_>, edit: &Edit) -> Result<Answer, Failure> {
        let plan = plan::plan(b"", edit)?;
        check_size(plan.content.len())?;
        let path = edit.file_path.as_bytes().to_vec();
        let request =
            Request { path, how: How::Blank, content: plan.content.clone(), nonce: nonce(), known: Vec::new(), complete: Complete::All };
        let Reply::Done(done) = self.put(line, &request, &edit.file_path).await? else {
            return Err(Failure::new(Code::Protocol, "The host asked what it may not ask."));
        };
        let notes = words::lost(&done.lost);
        self.stand(scope, &done.cwd);
        let content: Arc<[u8]> = plan.content.as_slice().into();
        scope.witness.diff(&Arc::default(), &content);
        self.wrote(scope, &done.real, words::absolute(&done.cwd, &edit.file_path), done.kind, content);
        let how = answer::How::Edit { places: plan.places, all: false, rebased: false };
        Ok(Answer { body: Body::Written(written(&done, &edit.file_path, how, plan.changed)), notes })
    }

    /// Fetches the content that is there now: one round trip.
    async fn base(&self, line: &impl ToolLine, scope: &Scope<'_>, edit: &Edit) -> Result<Base, Failure> {
        let mut reply = self.fetch(line, &whole_request(&edit.file_path)).await?;
        self.stand(scope, &reply.cwd);
        match reply.files.remove(0).found {
            Found::Whole(bytes) => Ok(Base { tag: Tag::of(reply.kind, &bytes), bytes: bytes.into(), fresh: true }),
            Found::Error(word) => Err(words::failure(Deed::Read, &word, &edit.file_path, &reply.cwd)),
            Found::TooLarge { size, .. } => Err(words::too_large_to_edit(Some(size))),
            Found::Again => Err(words::unsteady()),
            Found::Window { .. } | Found::PastEnd { .. } | Found::LeftOut { .. } => {
                Err(Failure::new(Code::Protocol, "The host sent a part of the file."))
            }
        }
    }

    /// Applies a plan to the content that it was computed from; if another is there, that comes back.
    async fn splice(
        &self,
        line: &impl ToolLine,
        scope: &Scope<'_>,
        edit: &Edit,
        base: &Base,
        plan: Plan,
    ) -> Result<Result<Answer, Base>, Failure> {
        check_size(plan.content.len())?;
        let kind = base.tag.kind().unwrap_or(TagKind::Sha256);
        let request = splice::Request {
            path: edit.file_path.as_bytes().to_vec(),
            before: base.tag.clone(),
            after: Tag::of(kind, &plan.content),
            nonce: nonce(),
            max: limits::WRITE_BYTES as u64,
            splices: plan.splices.at_most(PIECES, &base.bytes),
        };
        let reply = line.call(splice::call(&request)).await?;
        let reply = splice::parse(reply.status, &reply.body).map_err(|error| words::reply_failure(Deed::Write, &error, &edit.file_path))?;
        self.stand(scope, &reply.cwd);
        let (size, lost) = match reply.outcome {
            Outcome::Done { size, lost } => (size, lost),
            Outcome::Changed { current: None } => return Err(words::too_large_to_edit(None)),
            Outcome::Changed { current: Some(current) } => {
                return Ok(Err(Base { tag: Tag::of(kind, &current), bytes: current.into(), fresh: true }));
            }
        };
        let rebased = self.seen(scope, &reply.real).is_some_and(|seen| seen.tag.kind() == Some(kind) && seen.tag != base.tag);
        let path = words::absolute(&reply.cwd, &edit.file_path);
        let content: Arc<[u8]> = plan.content.as_slice().into();
        scope.witness.diff(&base.bytes, &content);
        self.wrote(scope, &reply.real, path, kind, content);
        let notes = words::lost(&lost);
        let done = Done { cwd: reply.cwd, real: reply.real, linked: reply.linked, created: false, size, kind, lost, tag: None };
        let all = edit.edits.iter().any(|one| one.all);
        let how = answer::How::Edit { places: plan.places, all, rebased };
        Ok(Ok(Answer { body: Body::Written(written(&done, &edit.file_path, how, plan.changed)), notes }))
    }
}

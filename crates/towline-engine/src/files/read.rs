//! Read and `MultiRead`: windows of files, any number in one round trip.

use std::sync::Arc;

use towline_base::{Code, Failure, limits, visible};
use towline_proto::files::Tag;
use towline_proto::files::read::{FileReply, FileRequest, Found, Reply, Request, Window, call, parse};

use super::guard::Seen;
use super::kinds::{Kind, kind};
use super::words::{self, Deed};
use super::{Files, Scope, ToolLine, nonce};
use crate::action::ReadWindow;
use crate::answer::{Answer, Body, FileContent, FileFailure, FileView};

/// Room for what stands beside contents in a reply.
const REPLY_ROOM: u64 = 64 * 1024;
/// How often a file that changes all the time is tried alone.
const ATTEMPTS: usize = 3;
/// Largest content of one file in a reply.
const LARGEST: u64 = limits::REPLY_BYTES as u64 - REPLY_ROOM;

impl Files {
    /// Shows windows of files, in their order; each may have failed by itself.
    pub(crate) async fn read(&self, line: &impl ToolLine, scope: &Scope<'_>, windows: &[ReadWindow]) -> Result<Answer, Failure> {
        for window in windows {
            words::check_path("file_path", &window.file_path)?;
        }
        let budget = if windows.len() > 1 { limits::MULTI_READ_BYTES as u64 } else { LARGEST };
        let request = request(windows.iter().map(file_request).collect(), budget);
        let reply = self.fetch(line, &request).await?;
        let mut notes = Vec::new();
        let mut views = Vec::new();
        for (window, file) in windows.iter().zip(&reply.files) {
            self.learn(scope, &reply, &window.file_path, file);
            views.push(view(&reply, window, file, &mut notes).map_err(|failure| FileFailure { path: window.file_path.clone(), failure }));
        }
        self.stand(scope, &reply.cwd);
        Ok(Answer { body: Body::Files(views), notes })
    }

    /// One round trip, and one more for each file that changed just then; the reply has as many files as the request.
    pub(super) async fn fetch(&self, line: &impl ToolLine, request: &Request) -> Result<Reply, Failure> {
        let mut reply = self.fetch_once(line, request).await?;
        for (file, asked) in reply.files.iter_mut().zip(&request.files) {
            for _ in 0..ATTEMPTS {
                if file.found != Found::Again {
                    break;
                }
                let alone = Request { nonce: nonce(), files: vec![asked.clone()], ..request.clone() };
                *file = self.fetch_once(line, &alone).await?.files.remove(0);
            }
        }
        Ok(reply)
    }

    async fn fetch_once(&self, line: &impl ToolLine, request: &Request) -> Result<Reply, Failure> {
        let reply = line.call(call(request)).await?;
        let reply = parse(&request.nonce, reply.status, &reply.body).map_err(|error| words::reply_failure(Deed::Read, &error, ""))?;
        if reply.files.len() == request.files.len() {
            Ok(reply)
        } else {
            Err(Failure::new(Code::Protocol, "The host answered for another number of files."))
        }
    }

    /// Remembers what was read, and its content if it is whole.
    fn learn(&self, scope: &Scope<'_>, reply: &Reply, given: &str, file: &FileReply) {
        let path = words::absolute(&reply.cwd, given);
        let tag = match &file.found {
            Found::Whole(bytes) => {
                let tag = Tag::of(reply.kind, bytes);
                let content: Arc<[u8]> = bytes.as_slice().into();
                self.keep(scope, &file.real, &path, tag.clone(), content);
                Some(tag)
            }
            Found::Window { tag, .. } => tag.clone(),
            Found::Error(_) | Found::PastEnd { .. } | Found::TooLarge { .. } | Found::LeftOut { .. } | Found::Again => None,
        };
        if let Some(tag) = tag {
            self.record(scope, Seen { real: file.real.clone(), path, tag });
        }
    }
}

/// The request for whole files of any size that can be edited.
pub(super) fn whole_request(path: &str) -> Request {
    request(vec![FileRequest { path: path.as_bytes().to_vec(), window: None, max: limits::WRITE_BYTES as u64 }], LARGEST)
}

fn request(files: Vec<FileRequest>, budget: u64) -> Request {
    Request {
        nonce: nonce(),
        budget,
        small: limits::SMALL_FILE_BYTES as u64,
        image: limits::IMAGE_BYTES as u64,
        counted: limits::COUNTED_BYTES,
        files,
    }
}

fn file_request(window: &ReadWindow) -> FileRequest {
    let lines = (window.offset.is_some() || window.limit.is_some())
        .then(|| Window { first: window.offset.unwrap_or(1).max(1), lines: window.limit });
    FileRequest { path: window.file_path.as_bytes().to_vec(), window: lines, max: allowed(window) }
}

fn allowed(window: &ReadWindow) -> u64 {
    if window.allow_large { LARGEST } else { limits::READ_BYTES as u64 }
}

/// What is shown of a file.
fn view(reply: &Reply, window: &ReadWindow, file: &FileReply, notes: &mut Vec<String>) -> Result<FileView, Failure> {
    let given = &window.file_path;
    let path = words::shown(&words::absolute(&reply.cwd, given));
    let content = match &file.found {
        Found::Error(word) => return Err(words::failure(Deed::Read, word, given, &reply.cwd)),
        Found::TooLarge { size, window: lines } => return Err(words::too_large(*size, *lines, allowed(window))),
        Found::LeftOut { size } => {
            let text = format!(
                "Left out: the files before it filled this answer ({} in all). Its content ({}) can be read in another call.",
                words::size(limits::MULTI_READ_BYTES as u64),
                words::size(*size)
            );
            return Err(Failure::new(Code::TooLarge, text).hint(""));
        }
        Found::Again => return Err(words::unsteady()),
        Found::PastEnd { newlines, .. } => FileContent::PastEnd { offset: window.offset.unwrap_or(1), total_lines: newlines + 1 },
        Found::Whole(bytes) => whole(bytes, window, &path)?,
        Found::Window { first, newlines, size, bytes, .. } => {
            let seen = count(bytes);
            if newlines.is_none() {
                notes.push(format!("{path} is {}; its lines were not counted.", words::size(*size)));
            }
            let total = newlines.map_or(first + seen, |newlines| newlines + 1);
            let whole = bytes.len() as u64 == *size && window.limit.is_none_or(|limit| limit >= total);
            text(bytes, *first, total, whole, &path)?
        }
    };
    Ok(FileView { path, content })
}

/// What is shown of a file of which all bytes are known: all, or the window that was asked for.
fn whole(bytes: &[u8], window: &ReadWindow, path: &str) -> Result<FileContent, Failure> {
    if bytes.is_empty() {
        return Ok(FileContent::Empty);
    }
    if let Kind::Image(mime) = kind(bytes) {
        return Ok(FileContent::Image { mime, bytes: bytes.to_vec() });
    }
    let total = count(bytes) + 1;
    let first = window.offset.unwrap_or(1).max(1);
    if first > total {
        return Ok(FileContent::PastEnd { offset: first, total_lines: total });
    }
    let start = after_lines(bytes, first - 1);
    let end = window.limit.map_or(bytes.len(), |limit| start + after_lines(&bytes[start..], limit));
    let reaches_end = window.limit.is_none_or(|limit| limit > total - first);
    // What the file is does not depend on the window.
    text(bytes, 1, total, true, path)?;
    text(&bytes[start..end], first, total, first == 1 && reaches_end, path)
}

fn text(bytes: &[u8], first_line: u64, total_lines: u64, whole: bool, path: &str) -> Result<FileContent, Failure> {
    match kind(bytes) {
        Kind::Text | Kind::Image(_) => {}
        Kind::Utf16 => {
            let text = "This tool cannot read UTF-16 text. Convert it first, for example with `iconv -f utf-16 -t utf-8` in Bash.";
            return Err(Failure::new(Code::NotText, text).hint(""));
        }
        Kind::Binary => return Err(binary(path)),
    }
    let not_utf8 = std::str::from_utf8(bytes).is_err();
    Ok(FileContent::Text { first_line, bytes: with_newlines(bytes), total_lines, whole, not_utf8 })
}

fn binary(path: &str) -> Failure {
    let name = path.rsplit('/').next().unwrap_or_default();
    let extension = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map(|(_, extension)| format!(".{extension} "));
    let text = format!(
        "This tool cannot read binary files. The file appears to be a binary {}file. Please use appropriate tools for binary file analysis.",
        visible::to_text(extension.unwrap_or_default().as_bytes()).0
    );
    Failure::new(Code::NotText, text).hint("")
}

fn count(bytes: &[u8]) -> u64 {
    bytes.split(|byte| *byte == b'\n').count() as u64 - 1
}

/// How many bytes the first so many lines take.
fn after_lines(bytes: &[u8], lines: u64) -> usize {
    let Some(last) = lines.checked_sub(1).and_then(|last| usize::try_from(last).ok()) else { return 0 };
    let newlines = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    newlines.map(|(at, _)| at + 1).nth(last).unwrap_or(bytes.len())
}

/// CR LF as LF.
fn with_newlines(bytes: &[u8]) -> Vec<u8> {
    let next = bytes.iter().skip(1).map(Some).chain([None]);
    bytes.iter().zip(next).filter(|(byte, next)| !(**byte == b'\r' && *next == Some(&b'\n'))).map(|(byte, _)| *byte).collect()
}

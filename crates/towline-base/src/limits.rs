//! Every bound of towline, with its reason. A cut that one of them makes is always told.

use std::time::Duration;

/// Longest name of a host, in bytes: DNS ends there.
pub const HOST_NAME_BYTES: usize = 255;
/// Longest name of a session, in bytes: it is a directory name and shown in every answer.
pub const SESSION_NAME_BYTES: usize = 64;
/// How long a Bash call waits if the agent does not say: the native tool's default.
pub const BASH_WAIT: Duration = Duration::from_secs(120);
/// How long any call waits at the most: Codex gives up at 300 s.
pub const LONGEST_WAIT: Duration = Duration::from_secs(290);
/// How long connecting may take in all: authentication may need a person's touch.
pub const CONNECT: Duration = Duration::from_secs(60);
/// Silence on a line after which it counts as dead while a call waits.
pub const SILENCE: Duration = Duration::from_secs(9);
/// How often a waiting line is asked for a sign of life.
pub const HEARTBEAT: Duration = Duration::from_secs(3);
/// How often an idle line is asked: noticed within 30 s.
pub const IDLE_HEARTBEAT: Duration = Duration::from_secs(15);
/// Silence on an idle line after which it counts as dead.
pub const IDLE_SILENCE: Duration = Duration::from_secs(28);
/// First pause before connecting again after a link was lost: a waiting call should hardly notice a blip.
pub const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause before connecting again: below sshd's MaxStartups and PerSourcePenalties with room for others.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Characters of output in one answer: what clients show a model without cutting.
pub const ANSWER_CHARACTERS: usize = 30_000;
/// Largest frame that the host may send, in bytes of payload: a larger one is a broken or hostile host.
pub const FRAME_BYTES: usize = 64 * 1024;
/// Largest reply to one request, in bytes: bounds what a hostile host can make towline hold.
pub const REPLY_BYTES: usize = 24 * 1024 * 1024;
/// Largest command, in bytes.
pub const COMMAND_BYTES: usize = 4 * 1024 * 1024;
/// Largest file that Read shows whole, in bytes: the native tool's limit.
pub const READ_BYTES: usize = 256 * 1024;
/// Largest file content that Write and Edit take, in bytes.
pub const WRITE_BYTES: usize = 16 * 1024 * 1024;
/// Longest message from a client, in bytes: a whole file for Write with JSON's escapes fits.
pub const MESSAGE_BYTES: usize = 32 * 1024 * 1024;
/// Calls that may be in work at one time in one server: bounds memory and the host's processes.
pub const CALLS_IN_WORK: usize = 64;
/// Bytes of file contents kept in memory so that an Edit travels as a splice.
pub const CONTENT_CACHE_BYTES: usize = 3 * 1024 * 1024;
/// Largest picture that Read returns, in bytes: in base64 it is what models take as one image.
pub const IMAGE_BYTES: usize = 3_750_000;
/// Bytes of contents in one MultiRead: what is beyond is told for each file.
pub const MULTI_READ_BYTES: usize = 1024 * 1024;
/// A file up to this size travels whole even if a window was asked for, so that an Edit of it needs one round trip.
pub const SMALL_FILE_BYTES: usize = 16 * 1024;
/// Lines are counted in files up to this size: counting more takes seconds.
pub const COUNTED_BYTES: u64 = 1024 * 1024 * 1024;
/// Entries of a directory that List describes.
pub const LIST_ENTRIES: usize = 2_000;
/// Files of which a session remembers that it read them.
pub const GUARD_FILES: usize = 2_000;

//! Every bound of towline, with its reason. A cut that one of them makes is always told.

use std::time::Duration;

/// A bound as the reference shows it.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Its name in this module.
    pub name: &'static str,
    /// Writes its value: a number, or a time with its unit.
    pub value: fn() -> String,
    /// What it bounds, and why there.
    pub meaning: &'static str,
}

macro_rules! limits {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $value:expr;)+) => {
        $($(#[doc = $doc])+ pub const $name: $type = $value;)+

        /// Every bound, in the order of the table; the generated docs are read from it.
        pub const ALL: &[Limit] = &[$(Limit { name: stringify!($name), value: || format!("{:?}", $name), meaning: concat!($($doc),+) },)+];
    };
}

limits! {
    /// Longest name of a host, in bytes: DNS ends there.
    HOST_NAME_BYTES: usize = 255;
    /// Longest name of a session, in bytes: it is a directory name and shown in every answer.
    SESSION_NAME_BYTES: usize = 64;
    /// Longest name of a secret, in bytes: it is a variable's name.
    SECRET_NAME_BYTES: usize = 64;
    /// Longest secret, in bytes: a private key or a certificate chain fits.
    SECRET_BYTES: usize = 64 * 1024;
    /// How long a program may take to say a secret: a password manager may ask for a touch first.
    SECRET_WAIT: Duration = Duration::from_secs(30);
    /// Secrets in use that are remembered, so that answers can be searched for them.
    KNOWN_SECRETS: usize = 64;
    /// How long a Bash call waits if the agent does not say: the native tool's default.
    BASH_WAIT: Duration = Duration::from_secs(120);
    /// How long any call waits at the most: Codex gives up at 300 s.
    LONGEST_WAIT: Duration = Duration::from_secs(290);
    /// How long a person may think about a question: within what clients wait for a call.
    PERSON_WAIT: Duration = Duration::from_secs(240);
    /// How long connecting may take in all: authentication may need a person's touch.
    CONNECT: Duration = Duration::from_secs(60);
    /// Silence on a line after which it counts as dead while a call waits.
    SILENCE: Duration = Duration::from_secs(9);
    /// How often a waiting line is asked for a sign of life.
    HEARTBEAT: Duration = Duration::from_secs(3);
    /// How often an idle line is asked: noticed within 30 s.
    IDLE_HEARTBEAT: Duration = Duration::from_secs(15);
    /// Silence on an idle line after which it counts as dead.
    IDLE_SILENCE: Duration = Duration::from_secs(28);
    /// First pause before connecting again after a link was lost: a waiting call should hardly notice a blip.
    FIRST_PAUSE: Duration = Duration::from_millis(100);
    /// Longest pause before connecting again after an attempt that reached no sshd: a waiting call goes on within a second of the link.
    UNREACHED_PAUSE: Duration = Duration::from_millis(800);
    /// Longest pause before connecting again: below sshd's MaxStartups and PerSourcePenalties with room for others.
    LONGEST_PAUSE: Duration = Duration::from_secs(5);
    /// Characters of output in one answer: what clients show a model without cutting.
    ANSWER_CHARACTERS: usize = 30_000;
    /// Bytes of requests that are sent in one piece if they are there in the same moment: a packet or two of ssh.
    SENT_TOGETHER: usize = 16 * 1024;
    /// Largest frame that the host may send, in bytes of payload: a larger one is a broken or hostile host.
    FRAME_BYTES: usize = 64 * 1024;
    /// Largest reply to one request, in bytes: bounds what a hostile host can make towline hold.
    REPLY_BYTES: usize = 24 * 1024 * 1024;
    /// Largest command, in bytes.
    COMMAND_BYTES: usize = 4 * 1024 * 1024;
    /// Largest file that Read shows whole, in bytes: the native tool's limit.
    READ_BYTES: usize = 256 * 1024;
    /// Largest file content that Write and Edit take, in bytes.
    WRITE_BYTES: usize = 16 * 1024 * 1024;
    /// Longest message from a client, in bytes: a whole file for Write with JSON's escapes fits.
    MESSAGE_BYTES: usize = 32 * 1024 * 1024;
    /// Calls that may be in work at one time in one server: bounds memory and the host's processes.
    CALLS_IN_WORK: usize = 64;
    /// Outcomes of a host whose answers are on their way to the client; beyond, the oldest is announced once more.
    UNTOLD_ANSWERS: usize = 256;
    /// Bytes of file contents kept in memory so that an Edit travels as a splice.
    CONTENT_CACHE_BYTES: usize = 3 * 1024 * 1024;
    /// Largest picture that Read returns, in bytes: in base64 it is what models take as one image.
    IMAGE_BYTES: usize = 3_750_000;
    /// Bytes of contents in one MultiRead: what is beyond is told for each file.
    MULTI_READ_BYTES: usize = 1024 * 1024;
    /// A file up to this size travels whole even if a window was asked for, so that an Edit of it needs one round trip.
    SMALL_FILE_BYTES: usize = 16 * 1024;
    /// Lines are counted in files up to this size: counting more takes seconds.
    COUNTED_BYTES: u64 = 1024 * 1024 * 1024;
    /// Entries of a directory that List describes.
    LIST_ENTRIES: usize = 2_000;
    /// Files of which a session remembers that it read them.
    GUARD_FILES: usize = 2_000;
    /// Shortest secret that is taken out of answers, in bytes: shorter ones stand in too many texts by chance.
    REDACTED_BYTES: usize = 8;
    /// Shortest part of a secret that is taken out where an excerpt is cut, in bytes: less gives nothing away that helps.
    REDACTED_PART_BYTES: usize = 4;
    /// Size at which a file of the audit journal is closed, in bytes: some ten thousand actions, which are looked through in a second.
    AUDIT_FILE_BYTES: u64 = 16 * 1024 * 1024;
    /// Closed files of the audit journal that are kept: a gigabyte in all.
    AUDIT_FILES: u64 = 64;
    /// How long a call waits for the journal's lock: another process holds it for microseconds.
    AUDIT_LOCK_WAIT: Duration = Duration::from_secs(5);
    /// Characters of a parameter that the journal keeps; of a longer one the beginning and the digest of the whole.
    AUDIT_TEXT_CHARACTERS: usize = 8_000;
    /// Longest settings file, in bytes: a thousand hosts.
    SETTINGS_BYTES: usize = 1024 * 1024;
    /// Days for which the host keeps an outcome that was read: long enough to look again the next morning.
    KEEP_READ_DAYS: u32 = 1;
    /// Days for which the host keeps an outcome that nobody read: a week away from the desk.
    KEEP_UNREAD_DAYS: u32 = 7;
    /// Outcomes that the host keeps at most: a list of more helps nobody.
    KEEP_OUTCOMES: u32 = 2_000;
    /// KiB of output that the host keeps at most, of all executions of one user: what is over and was read makes room for what runs; beyond
    /// it only the ends of what is printed are kept.
    KEEP_OUTPUT_KIB: u32 = 512 * 1024;
    /// KiB of output that the host keeps at most of one execution: the first half of it and the newest, what lies between is dropped and counted.
    KEEP_EXECUTION_KIB: u32 = 32 * 1024;
    /// Time without a command after which `towline clean HOST` ends a session: a conversation that pauses for less keeps its shell.
    CLEAN_IDLE: Duration = Duration::from_secs(3600);
    /// Transcripts that are kept on this machine at most; the one that was quiet for longest goes first.
    TRANSCRIPTS: usize = 200;
    /// Size at which a transcript is moved aside, in bytes; as much again is kept of what was before.
    TRANSCRIPT_BYTES: u64 = 4 * 1024 * 1024;
    /// Lines of a terminal's scrollback that one answer shows if the agent does not say.
    SCROLLBACK_READ: u32 = 200;
    /// Rows of a terminal's scrollback that one look takes in at most: more does not fit into an answer.
    SCROLLBACK_READ_MOST: u32 = 5_000;
    /// Terminals of a user at a time: each is a process and a screen in memory.
    MOST_TERMINALS: usize = 32;
    /// Widest terminal, in columns.
    TERMINAL_COLUMNS: u16 = 500;
    /// Highest terminal, in rows.
    TERMINAL_ROWS: u16 = 200;
    /// Bytes that one TerminalSend types at most: more is a file.
    TYPED_BYTES: usize = 1024 * 1024;
    /// Hours after which a terminal whose program ended is closed: long enough to read it the next morning.
    DEAD_TERMINAL_HOURS: u32 = 24;
    /// Hours without input and output after which a terminal is closed: a week.
    IDLE_TERMINAL_HOURS: u32 = 168;
    /// Days after which a session without a command ends.
    IDLE_SESSION_DAYS: u32 = 7;
    /// Lines that a terminal keeps when they scroll off its screen: a long build's whole output, some tens of MB at the worst.
    SCROLLBACK_LINES: usize = 50_000;
}

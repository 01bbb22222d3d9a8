//! What a settings file says: the one table of its keys, from which the parser, the reference page and the check are made.
//!
//! Holds to: every key is strict about its type and its neighbours; each value knows where in the file it stands. Leaves out: what
//! the values mean together (`mean`, `rules`).

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

/// A key as the reference shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) meaning: &'static str,
    pub(crate) example: &'static str,
}

macro_rules! table {
    ($(#[doc = $head:literal])+ $name:ident { $($(#[doc = $doc:literal])+ $field:ident: $type:ty, $example:literal;)+ }) => {
        $(#[doc = $head])+
        #[derive(Clone, Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $name { $($(#[doc = $doc])+ pub(crate) $field: Option<Spanned<$type>>,)+ }

        impl $name {
            /// Its keys, in the order of the table.
            pub(crate) const KEYS: &'static [Key] = &[$(Key { name: stringify!($field), meaning: concat!($($doc),+), example: $example },)+];
        }
    };
}

table! {
    /// The whole file.
    File {
        /// The host that tools work on where they name none.
        default_host: String, "\"dev\"";
        /// The tools that `towline mcp` offers (as `--tools`).
        tools: String, "\"coding\"";
        /// The directory for what towline keeps on this machine.
        state_dir: String, "\"~/.local/state/towline\"";
        /// Whether transcripts are kept on this machine.
        transcripts: bool, "false";
        /// The programs to use.
        programs: Programs, "{ ssh = \"/usr/bin/ssh\" }";
        /// Secrets by name, and where each comes from. No value of one stands in this file.
        secrets: BTreeMap<String, Secret>, "{ DEPLOY_PW = { command = [\"pass\", \"show\", \"deploy\"] } }";
        /// What holds for every host that says nothing else.
        defaults: Host, "{ cwd = \"/srv\" }";
        /// Groups of hosts, by name: the same keys, and `hosts`.
        groups: BTreeMap<String, Host>, "{ web = { hosts = [\"web-*\"] } }";
        /// Hosts, by the name that tools and commands use.
        hosts: BTreeMap<String, Host>, "{ dev = { ssh = \"dev.example.com\" } }";
        /// The rules for every host that says nothing else.
        policy: Policy, "{ mode = \"read-only\" }";
        /// The rules for hosts that neither `hosts` nor `groups` names.
        other_hosts: Policy, "{ mode = \"read-only\" }";
        /// The journal of what was done.
        audit: Audit, "{ sync = true }";
    }
}

table! {
    /// The programs to use.
    Programs {
        /// The program to start as ssh.
        ssh: String, "\"/usr/bin/ssh\"";
        /// The program to start as tmux.
        tmux: String, "\"/usr/bin/tmux\"";
    }
}

table! {
    /// Where a secret comes from: one of these.
    Secret {
        /// What this program writes to standard output. Its words are the program and its arguments; no shell reads them.
        command: Vec<String>, "[\"pass\", \"show\", \"deploy\"]";
        /// A variable of towline's environment; the programs that towline starts do not get it.
        env: String, "\"DEPLOY_PW\"";
        /// A file of the user's own that nobody else may read (0600).
        file: String, "\"~/.config/towline/deploy-pw\"";
        /// The desktop's or the system's keyring.
        keyring: Keyring, "{ service = \"towline\", user = \"deploy\" }";
    }
}

table! {
    /// How a host is reached, and what holds there.
    Host {
        /// Only in a group: its hosts; `*` stands for any characters, `?` for one.
        hosts: Vec<String>, "[\"web-*\", \"db\"]";
        /// The name that ssh knows it by; the name in this file if not said.
        ssh: String, "\"dev.example.com\"";
        /// The user to log in as, other than ssh's own settings say.
        user: String, "\"deploy\"";
        /// The port, other than ssh's own settings say.
        port: u16, "2222";
        /// The key file, other than ssh's own settings say.
        identity_file: String, "\"~/.ssh/id_work\"";
        /// The jump host, other than ssh's own settings say.
        jump: String, "\"bastion\"";
        /// The secret that is the account's password.
        password: String, "\"DEPLOY_PW\"";
        /// The secrets that are the passphrases of key files, by their paths.
        passphrases: BTreeMap<String, String>, "{ \"~/.ssh/id_work\" = \"KEY_PW\" }";
        /// The secret that says one-time codes: fetched anew for each question.
        one_time_code: String, "\"OTP\"";
        /// The secret that sudo asks for; `password` if not said.
        sudo_password: String, "\"DEPLOY_PW\"";
        /// Let the host use the user's ssh agent, over a connection of its own.
        forward_agent: bool, "true";
        /// The key files that Connect may load into the user's ssh agent (`add_keys`), by the names that it may say.
        agent_keys: BTreeMap<String, String>, "{ work = \"~/.ssh/id_work\" }";
        /// The directory that the conversation's session begins in.
        cwd: String, "\"/srv/app\"";
        /// `auto`, or `none` for what has no shell, such as a network device: nothing is sent there but what goes to a terminal.
        shell: Shell, "\"none\"";
        /// Variables of every command.
        env: BTreeMap<String, String>, "{ TZ = \"UTC\" }";
        /// What is kept there of executions and sessions, and for how long.
        keep: Keep, "{ idle_days = 2 }";
        /// What may be done there.
        policy: Policy, "{ mode = \"read-only\" }";
    }
}

table! {
    /// What is kept on a host of executions and sessions, and for how long. The strictest of several towlines of one user decides.
    Keep {
        /// Days for an outcome that was read; 0 lets it go with the next look.
        read_days: u32, "1";
        /// Days for an outcome that nobody read.
        unread_days: u32, "7";
        /// Outcomes at the most.
        outcomes: u32, "2000";
        /// Megabytes of output at the most, of all executions.
        output_mb: u32, "512";
        /// Megabytes of output at the most, of one execution: half of it from the beginning, half from the end.
        execution_mb: u32, "32";
        /// Days after which a session without a command ends.
        idle_days: u32, "7";
    }
}

table! {
    /// What may be done. Of several rules the strictest decides.
    Policy {
        /// `all`, or `read-only`: no commands, no changes, no forwards.
        mode: Mode, "\"read-only\"";
        /// Only these tools: names, families, `coding`, `all`.
        tools: Vec<String>, "[\"files\", \"search\"]";
        /// Not these tools.
        without: Vec<String>, "[\"Write\"]";
        /// These tools only after the person was asked.
        ask: Vec<String>, "[\"Bash\"]";
        /// File tools show only what lies in these directories. Bash is not bound by it.
        read: Vec<String>, "[\"/srv/app\", \"/var/log\"]";
        /// File tools change only what lies in these directories. Bash is not bound by it.
        write: Vec<String>, "[\"/srv/app\"]";
        /// File tools touch nothing in these directories. Adds up with what lies farther away.
        never: Vec<String>, "[\"/srv/app/keys\"]";
        /// Acting as root through towline.
        sudo: Verdict, "\"ask\"";
        /// Forwards.
        forwards: Verdict, "\"refuse\"";
        /// The user's ssh agent on the host, and keys that are loaded into it.
        forward_agent: Verdict, "\"allow\"";
        /// A password in a tool's parameters: to log in with, or typed into a terminal that asks for one.
        password: Verdict, "\"refuse\"";
        /// The secrets that commands and terminals there may be given.
        secrets: Vec<String>, "[\"DEPLOY_TOKEN\"]";
        /// Patterns that catch accidents in the text of commands. They are no lock. Add up with what lies farther away.
        guards: Vec<Guard>, "[{ pattern = 'rm\\s+-rf\\s+/', then = \"refuse\" }]";
    }
}

table! {
    /// The journal of what was done.
    Audit {
        /// What becomes of an action whose record cannot be written: `refuse`, or `go-on`.
        on_failure: OnFailure, "\"go-on\"";
        /// Force each line to the disk before the action begins.
        sync: bool, "true";
        /// Megabytes after which a file is closed and the next begun.
        file_mb: u64, "16";
        /// Closed files that are kept.
        files: u64, "64";
    }
}

table! {
    /// A project's own file `.towline.toml`: it can only tighten.
    Project {
        /// More rules for every host.
        policy: Policy, "{ mode = \"read-only\" }";
        /// More rules for hosts by name.
        hosts: BTreeMap<String, ProjectHost>, "{ prod = { policy = { without = [\"Bash\"] } } }";
    }
}

table! {
    /// A host in a project's own file.
    ProjectHost {
        /// More rules for it.
        policy: Policy, "{ mode = \"read-only\" }";
    }
}

/// An entry of the keyring.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Keyring {
    /// The service that it is kept for.
    pub(crate) service: String,
    /// The user that it is kept for.
    pub(crate) user: String,
}

/// A pattern that catches accidents.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Guard {
    /// A regular expression, looked for anywhere in the command.
    pub(crate) pattern: Spanned<String>,
    /// What is made of it.
    pub(crate) then: Then,
    /// What the reader is told.
    pub(crate) say: Option<String>,
}

/// What a guard can make of a command.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Then {
    Ask,
    Refuse,
}

/// How far actions may go.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    All,
    ReadOnly,
}

/// What a rule says.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    Allow,
    Ask,
    Refuse,
}

/// Whether there is a shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Shell {
    Auto,
    None,
}

/// What becomes of an action whose record cannot be written.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OnFailure {
    Refuse,
    GoOn,
}

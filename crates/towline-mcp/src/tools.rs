//! The one table of tools: name, title, description, annotations, schema, toolsets, and the way to the engine's call.
//!
//! Holds to: everything else (the list, the dispatch, the docs, the tests) is read from here; the list is the same bytes
//! each time. Leaves out: what the parameters are (`wire`) and what they mean to the engine (`convert`).

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use towline_base::{Code, Failure, HostAlias, SessionName};
use towline_engine::{Action, Call};

use crate::convert::IntoAction;
use crate::{arguments, schema, wire};

/// A family of tools, by which a set can be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Commands and what became of them.
    Shell,
    /// Reading and writing files.
    Files,
    /// Finding files and text.
    Search,
    /// Hosts and connections.
    Hosts,
    /// Terminals.
    Terminals,
}

impl Family {
    /// All of them.
    pub const ALL: &'static [Family] = &[Family::Shell, Family::Files, Family::Search, Family::Hosts, Family::Terminals];

    /// Its name in `--tools`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Family::Shell => "shell",
            Family::Files => "files",
            Family::Search => "search",
            Family::Hosts => "hosts",
            Family::Terminals => "terminals",
        }
    }
}

/// What a client may assume of a tool; the four annotations of MCP.
#[expect(clippy::struct_excessive_bools, reason = "the protocol has these four flags")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hints {
    /// Changes nothing.
    pub read_only: bool,
    /// May destroy something.
    pub destructive: bool,
    /// The same call again changes nothing more.
    pub idempotent: bool,
    /// May reach anything, not only the host's own things.
    pub open_world: bool,
}

const LOOKS: Hints = Hints { read_only: true, destructive: false, idempotent: true, open_world: false };
const ACTS: Hints = Hints { read_only: false, destructive: true, idempotent: false, open_world: true };
const WRITES: Hints = Hints { read_only: false, destructive: true, idempotent: false, open_world: false };
const STOPS: Hints = Hints { read_only: false, destructive: true, idempotent: true, open_world: false };
const OPENS: Hints = Hints { read_only: false, destructive: false, idempotent: true, open_world: true };

/// Which of the common parameters a tool has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Neither.
    Nowhere,
    /// `host`.
    Host,
    /// `host` and `session`.
    Session,
}

/// How a tool's schema has the parameter `host`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostParameter {
    /// Each call names a host.
    Required,
    /// There is a default host.
    Optional,
    /// The server works on one host only.
    Absent,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// The name that agents know.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// For models.
    pub description: &'static str,
    /// Its family.
    pub family: Family,
    /// Whether it is in the set `coding`.
    pub coding: bool,
    /// Its annotations.
    pub hints: Hints,
    place: Place,
    own_schema: fn() -> Map<String, Value>,
    convert: fn(&'static str, Map<String, Value>) -> Result<Action, Failure>,
}

impl HostParameter {
    /// What is so with a server's only and default host.
    #[must_use]
    pub fn of(pinned: Option<&HostAlias>, default: Option<&HostAlias>) -> Self {
        match (pinned, default) {
            (Some(_), _) => Self::Absent,
            (None, Some(_)) => Self::Optional,
            (None, None) => Self::Required,
        }
    }
}

/// Builds the parts of a row that depend on its wire type.
const fn row<T: JsonSchema + DeserializeOwned + IntoAction>(
    name: &'static str,
    title: &'static str,
    (family, coding, hints, place): (Family, bool, Hints, Place),
    description: &'static str,
) -> Tool {
    Tool { name, title, description, family, coding, hints, place, own_schema: schema::of::<T>, convert: convert::<T> }
}

fn convert<T: DeserializeOwned + IntoAction>(tool: &'static str, arguments: Map<String, Value>) -> Result<Action, Failure> {
    let wire: T = serde_json::from_value(Value::Object(arguments))
        .map_err(|error| Failure::new(Code::BadInput, format!("{tool}: the parameters do not fit: {error}")))?;
    wire.action().map_err(|failure| Failure { text: format!("{tool}: {}", failure.text), ..failure })
}

/// All tools, in the order in which they are listed.
pub const ALL: &[Tool] = &[
    row::<wire::Bash>(
        "Bash",
        "Run a command",
        (Family::Shell, true, ACTS, Place::Session),
        "Run a command on the host. cwd, exports, functions and venvs persist in the session. The last line tells exit status, time, cwd, id. Longer than timeout: it goes on, see JobOutput.",
    ),
    row::<wire::Jobs>(
        "Jobs",
        "List jobs",
        (Family::Shell, false, LOOKS, Place::Host),
        "List the host's commands that run or whose outcome was not read yet.",
    ),
    row::<wire::JobOutput>(
        "JobOutput",
        "Read a job's output",
        (Family::Shell, true, LOOKS, Place::Host),
        "Output and state of a Bash command by id: running, ended, or cut short in its answer. Works after a lost link too.",
    ),
    row::<wire::JobStop>(
        "JobStop",
        "Stop a job",
        (Family::Shell, true, STOPS, Place::Host),
        "End a command and all its processes on the host.",
    ),
    row::<wire::Read>(
        "Read",
        "Read a file",
        (Family::Files, true, LOOKS, Place::Session),
        "Read a file on the host, lines numbered as by cat -n; images are shown.",
    ),
    row::<wire::MultiRead>(
        "MultiRead",
        "Read several files",
        (Family::Files, true, LOOKS, Place::Session),
        "Read several files in one round trip.",
    ),
    row::<wire::Write>(
        "Write",
        "Write a file",
        (Family::Files, true, WRITES, Place::Session),
        "Write a file on the host whole, atomically; parents are made.",
    ),
    row::<wire::Edit>(
        "Edit",
        "Edit a file",
        (Family::Files, true, WRITES, Place::Session),
        "Replace exact text in a file; it must be unique unless replace_all.",
    ),
    row::<wire::MultiEdit>(
        "MultiEdit",
        "Edit a file in several places",
        (Family::Files, true, WRITES, Place::Session),
        "Several replacements in one file, in sequence, all or none.",
    ),
    row::<wire::Stat>(
        "Stat",
        "What paths are",
        (Family::Files, false, LOOKS, Place::Session),
        "Kind, size, mode, owner, mtime of paths, or why not.",
    ),
    row::<wire::List>("List", "List a directory", (Family::Files, false, LOOKS, Place::Session), "List a directory."),
    row::<wire::Glob>(
        "Glob",
        "Find files",
        (Family::Search, true, LOOKS, Place::Session),
        "Find files by name pattern such as src/**/*.rs, oldest change first.",
    ),
    row::<wire::Grep>(
        "Grep",
        "Search in files",
        (Family::Search, true, LOOKS, Place::Session),
        "Search file contents with a regular expression (ripgrep syntax).",
    ),
    row::<wire::Hosts>(
        "Hosts",
        "Known hosts",
        (Family::Hosts, true, LOOKS, Place::Nowhere),
        "Hosts that are configured or connected, and their sessions; needs no network.",
    ),
    row::<wire::Connect>(
        "Connect",
        "Connect to a host",
        (Family::Hosts, false, OPENS, Place::Session),
        "Connect and tell what the host is: OS, shell, tools, cwd, warnings. Not needed first: every tool connects by itself.",
    ),
    row::<wire::Disconnect>(
        "Disconnect",
        "Disconnect",
        (Family::Hosts, false, STOPS, Place::Session),
        "Let go of a host or session. Commands go on unless end.",
    ),
    row::<wire::TerminalOpen>(
        "TerminalOpen",
        "Open a terminal",
        (Family::Terminals, false, OPENS, Place::Host),
        "Open a real terminal for what needs one: vim, top, a REPL, a password prompt, a device without a shell. A person can attach to it. For commands use Bash.",
    ),
    row::<wire::TerminalSend>(
        "TerminalSend",
        "Type into a terminal",
        (Family::Terminals, false, ACTS, Place::Host),
        "Type text, then press keys, then Enter; answers what changed. wait: prompt waits for the shell command's end and tells its status.",
    ),
    row::<wire::TerminalRead>(
        "TerminalRead",
        "Look at a terminal",
        (Family::Terminals, false, LOOKS, Place::Host),
        "Show a terminal's screen, what changed since the last look, or its scrollback; waits for a pattern, quiet or the prompt if told.",
    ),
    row::<wire::TerminalClose>(
        "TerminalClose",
        "Close a terminal",
        (Family::Terminals, false, STOPS, Place::Host),
        "End a terminal and hang up what runs in it.",
    ),
];

/// Which tools a server offers.
#[derive(Clone, Debug)]
pub struct Selection(Vec<Tool>);

impl Selection {
    /// All of them.
    #[must_use]
    pub fn all() -> Self {
        Self(ALL.to_vec())
    }

    /// Those that a person named: `all`, `coding`, families and tools, separated by commas.
    ///
    /// # Errors
    /// If a word is none of these.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let words: Vec<&str> = text.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
        let names = |tool: &Tool, word: &str| {
            word == "all" || (word == "coding" && tool.coding) || word == tool.family.name() || word.eq_ignore_ascii_case(tool.name)
        };
        if let Some(stranger) = words.iter().find(|word| !ALL.iter().any(|tool| names(tool, word))) {
            let families: Vec<_> = Family::ALL.iter().map(|family| family.name()).collect();
            return Err(Failure::new(Code::BadInput, format!("--tools: {stranger:?} is no set, family or tool"))
                .hint(format!("Sets: all, coding. Families: {}. Or a tool's name, or several with commas.", families.join(", "))));
        }
        if words.is_empty() {
            return Err(Failure::new(Code::BadInput, "--tools: no set was named").hint("Say all or coding."));
        }
        Ok(Self(ALL.iter().filter(|tool| words.iter().any(|word| names(tool, word))).copied().collect()))
    }

    /// The tools, in the table's order.
    pub fn iter(&self) -> impl Iterator<Item = &Tool> {
        self.0.iter()
    }

    /// The tool of that name.
    ///
    /// # Errors
    /// If it is not offered; the hint names those that are.
    pub fn find(&self, name: &str) -> Result<&Tool, Failure> {
        self.0.iter().find(|tool| tool.name == name).ok_or_else(|| {
            let names: Vec<_> = self.0.iter().map(|tool| tool.name).collect();
            let shown: String = name.chars().take(60).collect();
            Failure::new(Code::Unknown, format!("there is no tool {shown:?}")).hint(format!("The tools are: {}.", names.join(", ")))
        })
    }
}

/// Parameters of native tools that mean nothing here: tool, name, why.
const ABSENT: &[(&str, &str, &str)] = &[
    ("Read", "pages", "towline does not read PDF files. Turn it into text on the host, for example with pdftotext, and read that."),
    ("Bash", "dangerouslyDisableSandbox", "There is no sandbox: a command runs on the host with the account's own rights."),
];

impl Tool {
    /// Refuses a native parameter that is not here, unless it says nothing.
    fn refuse_absent(&self, given: &mut Map<String, Value>) -> Result<(), Failure> {
        for (_, name, why) in ABSENT.iter().filter(|(tool, ..)| *tool == self.name) {
            match given.shift_remove(*name) {
                None | Some(Value::Null | Value::Bool(false)) => {}
                Some(Value::String(text)) if text.is_empty() => {}
                Some(_) => {
                    let text = format!("{}: parameter {name:?} is not supported", self.name);
                    return Err(Failure::new(Code::BadInput, text).hint(*why));
                }
            }
        }
        Ok(())
    }

    /// Its input schema.
    #[must_use]
    pub fn schema(&self, host: HostParameter) -> Map<String, Value> {
        let mut schema = (self.own_schema)();
        let own = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        let mut required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut properties = Map::new();
        if self.place != Place::Nowhere && host != HostParameter::Absent {
            properties.insert("host".to_owned(), self.common("ssh alias or user@name[:port]"));
            if host == HostParameter::Required {
                required.insert(0, Value::from("host"));
            }
        }
        properties.extend(own);
        if self.place == Place::Session {
            properties.insert("session".to_owned(), self.common("Shell to use (default: this conversation's)"));
        }
        schema.insert("properties".to_owned(), Value::Object(properties));
        schema.shift_remove("required");
        if !required.is_empty() {
            schema.insert("required".to_owned(), Value::Array(required));
        }
        let closed = schema.shift_remove("additionalProperties").unwrap_or(Value::Bool(false));
        schema.insert("additionalProperties".to_owned(), closed);
        schema
    }

    /// The schema of a parameter that many tools share: it is described once, where a model looks first.
    fn common(&self, description: &str) -> Value {
        match self.name {
            "Bash" | "Connect" => json!({"type": "string", "description": description}),
            _ => json!({"type": "string"}),
        }
    }

    /// The engine's call that these arguments ask for, on the only host or, where they name none, on the default one.
    ///
    /// # Errors
    /// `bad_input` or `bad_host`, with the parameter's name.
    pub fn call(&self, mut given: Map<String, Value>, pinned: Option<&HostAlias>, default: Option<&HostAlias>) -> Result<Call, Failure> {
        if let (Some(pin), Some(Value::String(name))) = (pinned, given.get("host")) {
            if name != pin.as_str() {
                let text = format!("{}: this server works on {pin} only; parameter \"host\" must be left out", self.name);
                return Err(Failure::new(Code::BadInput, text));
            }
            given.shift_remove("host");
        }
        self.refuse_absent(&mut given)?;
        let mut checked = arguments::check(self.name, &self.schema(HostParameter::of(pinned, default)), given)?;
        let host = match (checked.shift_remove("host"), pinned) {
            (Some(Value::String(name)), _) => Some(HostAlias::parse(&name)?),
            (_, pin) => pin.or(default).filter(|_| self.place != Place::Nowhere).cloned(),
        };
        let as_root = checked.shift_remove("sudo") == Some(Value::Bool(true));
        let host = if as_root { host.map(|host| host.as_root()) } else { host };
        let session = match checked.shift_remove("session") {
            Some(Value::String(name)) => Some(SessionName::parse(&name)?),
            _ => None,
        };
        Ok(Call { host, session, action: (self.convert)(self.name, checked)? })
    }
}

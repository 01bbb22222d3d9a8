//! From what was said (flags, environment) to what it means: settings, engine, runtime, logging.

use std::ffi::OsString;
use std::path::PathBuf;

use tokio_util::sync::CancellationToken;
use towline_base::env::{self, Variable};
use towline_base::redact::{Cut, Redactor};
use towline_base::{Code, Failure, HostAlias, SecretName, SessionName, limits, visible};
use towline_engine::{Access, Action, Call, Context, Engine, Reader, Rules, Settings, Wallet, Way};
use towline_mcp::{Conversation, Origin};

use crate::cli::Common;
use crate::config::{self, Config};
use crate::printer::Printer;
use crate::transcript::{keep, record};

/// Diagnostics go to stderr, without secrets; what is shown is said by `TOWLINE_LOG`.
pub(crate) fn logging(redactor: &Redactor) {
    let redactor = redactor.clone();
    let filter = text(Variable::Log).unwrap_or_else(|| "warn".to_owned());
    let filter = tracing_subscriber::EnvFilter::try_new(&filter).unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(move || Log(redactor.clone())).with_ansi(false).init();
}

/// Writes diagnostics: each comes whole, in one write.
struct Log(Redactor);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        crate::printer::log(&self.0.bytes(bytes, Cut::NOWHERE))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The runtime of a command. One thread: what a call waits for is the host, and a call that passes from thread to thread pays for it with every
/// step. What blocks has threads of its own.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.map_err(|error| Failure::new(Code::Local, format!("no event loop can be started: {error}")))
}

fn text(variable: Variable) -> Option<String> {
    env::read(variable).and_then(|value| value.into_string().ok())
}

/// An engine; connects to nothing yet.
pub(crate) fn engine(common: &Common, cwd: Option<String>) -> Result<Engine, Failure> {
    let config = config(common)?;
    let rules = config.rules.clone();
    engine_within(common, &config, cwd, rules)
}

/// What files and environment say.
pub(crate) fn config(common: &Common) -> Result<Config, Failure> {
    let directory = std::env::current_dir().unwrap_or_default();
    Config::load(common.config.as_deref(), &env::read, &directory)
}

/// `towline config check`.
pub(crate) fn check(common: &Common, named: Option<&str>) -> Result<u8, Failure> {
    let config = config(common)?;
    let host = named.map(host).transpose()?;
    let state = state_dir(common.state_dir.clone(), &config, &env::read)?;
    let state_from = if common.state_dir.is_some() {
        "--state-dir"
    } else if env::read(Variable::StateDir).is_some() {
        Variable::StateDir.name()
    } else if config.state_dir().is_some() {
        "the settings"
    } else {
        "built in"
    };
    let from = |variable: Variable, said: bool| match (env::read(variable), said) {
        (Some(_), _) => variable.name(),
        (None, true) => "the settings",
        (None, false) => "built in",
    };
    let ssh_from = from(Variable::Ssh, config.ssh().is_some());
    let tmux_from = from(Variable::Tmux, config.tmux().is_some());
    let tmux = env::read(Variable::Tmux).map(PathBuf::from).or_else(|| config.tmux()).unwrap_or_else(|| PathBuf::from("tmux"));
    let default = config.default_host(&env::read)?.map_or_else(|| "none".to_owned(), |host| host.to_string());
    let general = vec![
        ("state_dir".to_owned(), state.display().to_string(), state_from.to_owned()),
        ("programs.ssh".to_owned(), ssh_program(&config).display().to_string(), ssh_from.to_owned()),
        ("programs.tmux".to_owned(), tmux.display().to_string(), tmux_from.to_owned()),
        ("default_host".to_owned(), default, config.default_host_from(&env::read).to_owned()),
    ];
    let mut text = config::check(&config, host.as_ref(), general)?;
    for name in Wallet::new(config.secrets()?).learn_at_hand() {
        text.extend(["note: ", &too_short(&name), "\n"]);
    }
    Printer::prose(&visible::to_text(text.as_bytes()).0)
}

/// What is said of a secret that stands in too many texts by chance.
fn too_short(name: &SecretName) -> String {
    format!("the secret {name} is shorter than {} characters: it is not taken out of what somebody reads", limits::REDACTED_BYTES)
}

/// The program to start as ssh.
fn ssh_program(config: &Config) -> PathBuf {
    env::read(Variable::Ssh).map(PathBuf::from).or_else(|| config.ssh()).unwrap_or_else(|| PathBuf::from("ssh"))
}

/// An engine that keeps to these rules.
pub(crate) fn engine_within(common: &Common, config: &Config, cwd: Option<String>, rules: Rules) -> Result<Engine, Failure> {
    let state_dir = state_dir(common.state_dir.clone(), config, &env::read)?;
    let kept = config.transcripts(&env::read);
    let wallet = Wallet::with_redactor(config.secrets()?, common.redactor.clone());
    for name in wallet.learn_at_hand() {
        tracing::warn!("{}", too_short(&name));
    }
    let access = Access {
        wallet,
        literal_passwords: config.literal_passwords(),
        // ssh starts this very binary where it has to ask.
        askpass: std::env::current_exe().ok(),
        ..Access::default()
    };
    Ok(Engine::new(Settings {
        ssh: ssh_program(config),
        on_event: kept.then(|| keep::sink(&state_dir)),
        recorder: kept.then(|| record::recorder(&state_dir, common.redactor.clone())).flatten(),
        state_dir,
        cwd,
        ssh_options: ssh_options(common)?,
        rules,
        audit: config.audit(),
        book: config.book(),
        access,
        reach: Way::default(),
        tmux: config.tmux(),
    }))
}

/// The directory for towline's own state.
pub(crate) fn state(common: &Common) -> Result<PathBuf, Failure> {
    state_dir(common.state_dir.clone(), &config(common)?, &env::read)
}

/// The directory for towline's own state: said, or by the XDG rules.
pub(crate) fn state_dir(said: Option<PathBuf>, config: &Config, read: &dyn Fn(Variable) -> Option<OsString>) -> Result<PathBuf, Failure> {
    let named = said.or_else(|| read(Variable::StateDir).map(PathBuf::from)).or_else(|| config.state_dir());
    let xdg = || read(Variable::XdgState).map(PathBuf::from).filter(|dir| dir.is_absolute()).map(|dir| dir.join("towline"));
    let home = || read(Variable::Home).map(|home| PathBuf::from(home).join(".local/state/towline"));
    let found = named.or_else(xdg).or_else(home);
    let dir = found.ok_or_else(|| {
        Failure::new(Code::Local, "there is no place for towline's state: HOME is not set")
            .hint("Give --state-dir or set TOWLINE_STATE_DIR.")
    })?;
    std::path::absolute(&dir).map_err(|error| Failure::new(Code::Local, format!("{}: {error}", dir.display())))
}

/// What ssh is told before `--`, by the person who starts towline.
fn ssh_options(common: &Common) -> Result<Vec<String>, Failure> {
    let Some(file) = &common.ssh_config else { return Ok(Vec::new()) };
    let wrong = |why: &str| Failure::new(Code::BadInput, format!("--ssh-config: {}: {why}", file.display()));
    if !file.is_file() {
        return Err(wrong("there is no such file"));
    }
    // ssh looks for a relative path in its own place.
    let absolute = std::path::absolute(file).map_err(|error| wrong(&error.to_string()))?;
    let path = absolute.into_os_string().into_string().map_err(|_| wrong("the path is not UTF-8"))?;
    Ok(vec!["-F".to_owned(), path])
}

/// Whose conversation a server serves.
pub(crate) fn conversation(session_key: Option<String>) -> Conversation {
    let parent = std::os::unix::process::parent_id();
    Conversation {
        given: session_key.or_else(|| text(Variable::SessionKey)),
        claude: text(Variable::ClaudeSession),
        origin: Origin {
            cwd: std::env::current_dir().map(|dir| dir.to_string_lossy().into_owned()).unwrap_or_default(),
            parent,
            parent_start: started(&std::fs::read_to_string(format!("/proc/{parent}/stat")).unwrap_or_default()).to_owned(),
        },
    }
}

/// When a process began, by its line in `/proc`; empty where there is none.
fn started(stat: &str) -> &str {
    // The second field is a name in parentheses that may hold anything; the 22nd is the start time.
    stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(19)).unwrap_or_default()
}

/// A host's name as a person wrote it.
pub(crate) fn host(name: &str) -> Result<HostAlias, Failure> {
    Ok(HostAlias::parse(name)?)
}

/// A call of the command line.
pub(crate) fn call(host: Option<&HostAlias>, session: Option<&SessionName>, action: Action) -> Call {
    Call { host: host.cloned(), session: session.cloned(), action }
}

/// What surrounds the calls of the command line.
pub(crate) fn context() -> Context {
    context_of(SessionName::parse("cli").expect("three letters are a session's name"))
}

/// The same for one whose conversation has its own session.
pub(crate) fn context_of(own_session: SessionName) -> Context {
    Context {
        own_session,
        client: format!("{}{}", crate::watch::render::OWN_CLIENT, env!("CARGO_PKG_VERSION")),
        cancel: CancellationToken::new(),
        closing: CancellationToken::new(),
        progress: None,
        ask: Some(crate::asking::at_the_terminal()),
        reader: Reader::Person,
        told: towline_engine::told_at_once(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_lies_where_it_was_said_or_by_the_rules() {
        type Case = (&'static str, &'static [(Variable, &'static str)], &'static str);
        let table: [Case; 6] = [
            ("/said", &[(Variable::StateDir, "/env"), (Variable::Home, "/h")], "/said"),
            ("", &[(Variable::StateDir, "/env"), (Variable::Home, "/h")], "/env"),
            ("", &[(Variable::XdgState, "/x"), (Variable::Home, "/h")], "/x/towline"),
            ("", &[(Variable::XdgState, "relative"), (Variable::Home, "/h")], "/h/.local/state/towline"),
            ("", &[(Variable::Home, "/h")], "/h/.local/state/towline"),
            ("", &[], "an error"),
        ];
        for (said, variables, expected) in table {
            let read = |wanted: Variable| variables.iter().find(|(v, _)| *v == wanted).map(|(_, value)| OsString::from(value));
            let said = (!said.is_empty()).then(|| PathBuf::from(said));
            let found = state_dir(said, &Config::default(), &read).map_or_else(|_| "an error".to_owned(), |dir| dir.display().to_string());
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_process_is_told_by_its_start() {
        let stat = "7 (a) b) c) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 99 100";
        assert_eq!(started(stat), "4711");
        assert_eq!(started(""), "");
        assert_eq!(started("7 (x"), "");
    }
}

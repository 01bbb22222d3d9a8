//! The hosts of one engine: which there are, how they are named, connecting and letting go.
//!
//! Holds to: a host's line is made when it is first named and connects when it is first asked. Leaves out: what is done there.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use towline_base::env::{self, Variable};
use towline_base::{Code, Failure, HostAlias, Secret, SessionName};
use towline_proto::Request;
use towline_proto::recovery::Timing;
use towline_transport::{
    Access, AgentForwarding, ConnectOptions, Destination, HostAccess, LiteralPasswords, LocalTransport, SshSettings, SshTransport,
    Transport, Trusted,
};

use crate::action::{Clean, Connect, Disconnect};
use crate::answer::{Answer, Body, Kept, Removed};
use crate::book::{HostBook, HostPlan};
use crate::context::{Settings, Way};
use crate::dial::{Acting, Dialler};
use crate::events::{Event, Events, Kind};
use crate::host::Host;
use crate::keeping;
use crate::lent::Lent;
use crate::line::{LineDriver, News};
use crate::output::body_of;
use crate::terminals::{TerminalPlace, Terminals};

/// Hosts that one engine knows at a time: each is a connection and memory.
const MOST_HOSTS: usize = 64;
/// The name of what an agent typed as a password, where a mark stands for it.
const TYPED: &str = "a typed password";
/// How long closing waits for the hosts to hear what was read: a client that stops towline does not wait.
const CLOSE_WAIT: Duration = Duration::from_millis(250);
/// How long ending a session or a connection may take.
const END_WAIT: Duration = Duration::from_secs(20);

pub(crate) struct Hosts {
    transport: Transport,
    timing: Timing,
    known: Mutex<BTreeMap<HostAlias, Known>>,
    begin_in: Option<String>,
    events: Events,
    access: Access,
    book: HostBook,
    /// The user's ssh_config, or the file that ssh is told to read in its place; with its name for people.
    ssh_config: Option<(String, PathBuf)>,
}

struct Known {
    host: Arc<Host>,
    destination: Destination,
}

impl Hosts {
    pub(crate) fn new(settings: Settings, timing: Timing, events: Events) -> Self {
        let begin_in = settings.cwd.clone();
        let access = settings.access.clone();
        let book = settings.book.clone();
        let ssh_config = config_file(&settings.ssh_options, env::read(Variable::Home).as_deref().map(Path::new));
        let transport = match settings.reach {
            Way::Ssh => {
                let mut ssh = SshSettings::new(settings.ssh, settings.state_dir).with_environment();
                ssh.options = settings.ssh_options;
                ssh.access = settings.access;
                Transport::Ssh(SshTransport::new(ssh))
            }
            Way::Local { home, env } => Transport::Local(LocalTransport::new(home, env)),
        };
        Self { transport, timing, known: Mutex::default(), begin_in, events, access, book, ssh_config }
    }

    /// The host of this name.
    pub(crate) fn get(&self, alias: &HostAlias) -> Result<Arc<Host>, Failure> {
        if let Some(known) = self.lock().get(alias) {
            return Ok(known.host.clone());
        }
        // As root: over the connection of the host as it was named, options included.
        let named = alias.is_root().then(|| self.lock().get(&alias.base()).map(|known| known.destination.clone())).flatten();
        let (destination, plan) = self.place(alias, ConnectOptions::default())?;
        self.add(alias, named.unwrap_or(destination), &plan)
    }

    /// Where a host is and what holds there; what was asked for stands over what the settings say. The secrets that the settings name for
    /// the host are for the account that they mean, and not for one that was asked for.
    fn place(&self, alias: &HostAlias, asked: ConnectOptions) -> Result<(Destination, HostPlan), Failure> {
        let plan = self.book.plan(&alias.base())?;
        let ours = asked.user.is_none();
        let destination = destination(&plan, asked)?;
        if let (Transport::Ssh(ssh), true) = (&self.transport, ours) {
            ssh.grant(&destination, &plan.access);
        }
        Ok((destination, plan))
    }

    /// Keeps a password that an agent gave, where the person has allowed that.
    fn take_password(&self, destination: &Destination, password: &Secret) -> Result<(), Failure> {
        match (self.access.literal_passwords, &self.transport) {
            (LiteralPasswords::Refused, _) => {
                let text =
                    "password: it is not taken from a call, because it then went through the model and its provider; it was not used.";
                let hint = "Ask the user to run `towline auth HOST` in a terminal, to load a key into ssh-agent, or to name a secret for the host in the configuration.";
                Err(Failure::new(Code::Forbidden, text).hint(hint))
            }
            (LiteralPasswords::Taken, Transport::Ssh(ssh)) => {
                ssh.keep_password(destination, password.clone());
                Ok(())
            }
            (LiteralPasswords::Taken, Transport::Local(_)) => Ok(()),
        }
    }

    /// Whether a password that an agent sent may be typed into a terminal: a second guard behind the rules. From then on it is taken
    /// out of all that somebody reads.
    pub(crate) fn take_typed(&self, text: &str) -> LiteralPasswords {
        if self.access.literal_passwords == LiteralPasswords::Taken
            && let Ok(secret) = Secret::new(text.as_bytes().to_vec())
        {
            self.access.wallet.redactor().learn(TYPED, &secret);
        }
        self.access.literal_passwords
    }

    /// Has a person log in at the terminal.
    pub(crate) async fn sign_in(&self, alias: &HostAlias) -> Result<Answer, Failure> {
        let (destination, _) = self.place(alias, ConnectOptions::default())?;
        let Transport::Ssh(ssh) = &self.transport else { return Err(no_ssh()) };
        let text = if ssh.sign_in(&destination).await? {
            format!(
                "Connected to {}. Every towline of yours uses this connection; it ends when it was idle for 12 hours, or by Disconnect with end.",
                alias.base()
            )
        } else {
            format!("There is a connection to {} already; nothing was asked.", alias.base())
        };
        Ok(Answer { body: Body::Text(text), notes: Vec::new() })
    }

    /// Looks at a host's key, and has ssh accept it if a person has compared its fingerprint.
    pub(crate) async fn trust(&self, alias: &HostAlias, accepted: &[String]) -> Result<Answer, Failure> {
        let (destination, _) = self.place(alias, ConnectOptions::default())?;
        let Transport::Ssh(ssh) = &self.transport else { return Err(no_ssh()) };
        let text = match ssh.trust(&destination, accepted, Instant::now() + towline_base::limits::CONNECT).await? {
            Trusted::Already(fingerprint) => {
                format!("The host key of {} is known already: {}.", alias.base(), fingerprint.unwrap_or_default())
            }
            Trusted::Added(fingerprints) => format!("ssh knows the host key of {} from now on: {}.", alias.base(), fingerprints.join(" ")),
        };
        Ok(Answer { body: Body::Text(text), notes: Vec::new() })
    }

    /// Loads keys into the user's agent, by the names that the settings give them for this host; tells what ssh-add said of each.
    pub(crate) async fn add_keys(&self, alias: &HostAlias, names: &[String]) -> Result<Vec<String>, Failure> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let access = self.book.plan(&alias.base())?.access;
        let Transport::Ssh(ssh) = &self.transport else { return Err(no_ssh()) };
        let mut files = Vec::new();
        for name in names {
            files.push((name, access.agent_keys.get(name).ok_or_else(|| no_such_key(name, alias, &access))?));
        }
        let mut notes = Vec::new();
        for (name, file) in files {
            let added = ssh.add_key(file, &access).await?;
            let ended = added.code.map_or_else(|| "it did not end by itself".to_owned(), |code| format!("exit {code}"));
            notes.push(format!("ssh-add of the key {name}: {ended}. {}", added.words).trim_end().to_owned());
        }
        Ok(notes)
    }

    /// The host of this name with options, which is another one with a name of its own; and that name.
    pub(crate) fn with_options(&self, alias: &HostAlias, connect: &Connect) -> Result<(HostAlias, Arc<Host>), Failure> {
        let Connect { user, port, identity_file, jump, agent, .. } = connect.clone();
        let options = ConnectOptions { user, port, identity_file, jump, agent };
        let as_named = options == ConnectOptions::default();
        let (destination, plan) = self.place(alias, options)?;
        if let Some(password) = &connect.password {
            self.take_password(&destination, password)?;
        }
        if as_named {
            return Ok((alias.clone(), self.get(alias)?));
        }
        let same = self
            .lock()
            .iter()
            .find(|(name, known)| known.destination == destination && name.is_root() == alias.is_root())
            .map(|(name, known)| (name.clone(), known.host.clone()));
        if let Some(same) = same {
            return Ok(same);
        }
        let base = alias.base();
        let number = 1 + self.lock().keys().filter(|name| name.as_str().starts_with(&format!("{base}+"))).count();
        let name = HostAlias::parse(&format!("{base}+{number}"))?;
        let name = if alias.is_root() { name.as_root() } else { name };
        let host = self.add(&name, destination, &plan)?;
        Ok((name, host))
    }

    fn add(&self, name: &HostAlias, destination: Destination, plan: &HostPlan) -> Result<Arc<Host>, Failure> {
        let mut known = self.lock();
        if known.len() >= MOST_HOSTS {
            return Err(Failure::new(Code::TooLarge, format!("host: {MOST_HOSTS} hosts are in use already.")).hint("Disconnect from one."));
        }
        let (events, alias) = (self.events.clone(), name.clone());
        let acting = if name.is_root() { Acting::AsRoot } else { Acting::AsOneself };
        let news = move |news| events.write(link_event(&alias, &news));
        let line = LineDriver::start(name.clone(), Dialler::new(self.transport.clone(), destination.clone(), acting), self.timing, news);
        let lent = Lent::of(&self.access.wallet, &destination, plan);
        let begin_in = self.begin_in.clone().or_else(|| plan.cwd.clone());
        let host = Arc::new(Host::new(name.clone(), line, begin_in, plan, lent));
        known.insert(name.clone(), Known { host: host.clone(), destination });
        Ok(host)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<HostAlias, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How a terminal on a host is reached; connects to nothing.
    pub(crate) fn terminal_place(&self, alias: &HostAlias) -> Result<TerminalPlace, Failure> {
        if alias.is_root() {
            let text = format!("host: a terminal is the account's own, and {alias} is root's.");
            return Err(Failure::new(Code::BadInput, text).hint("Open one on the host itself, and let the person answer `sudo -i` there."));
        }
        let host = self.get(alias)?;
        let destination = self.lock().get(alias).map(|known| known.destination.clone());
        let destination = destination.map_or_else(|| Destination::plain(alias.clone()), Ok)?;
        Ok(TerminalPlace { transport: self.transport.clone(), destination, has_a_shell: host.line.hello().is_some() })
    }

    /// What is lent to the commands and terminals of a host.
    pub(crate) fn lent(&self, alias: &HostAlias) -> Result<Lent, Failure> {
        Ok(self.get(alias)?.lent().clone())
    }

    /// What is configured and connected; asks no host.
    pub(crate) fn tell(&self, terminals: &str) -> Answer {
        let mut text = String::new();
        for (name, known) in self.lock().iter() {
            let state = known.host.line.hello().map_or_else(|| "not connected".to_owned(), |hello| format!("connected ({})", hello.node));
            let _ = writeln!(text, "{name}: {state}");
        }
        if text.is_empty() {
            text.push_str("This towline is connected to no host.\n");
        }
        text.push_str(terminals);
        if !self.book.names().is_empty() {
            let names: Vec<&str> = self.book.names().iter().map(HostAlias::as_str).collect();
            let _ = writeln!(text, "In the settings: {}", names.join(", "));
        }
        if let Some((shown, file)) = &self.ssh_config {
            match aliases_in(&std::fs::read_to_string(file).unwrap_or_default()) {
                none if none.is_empty() => drop(writeln!(text, "{shown} names no hosts; user@name[:port] works all the same.")),
                aliases => drop(writeln!(text, "In ssh_config: {}", aliases.join(", "))),
            }
        }
        text.push_str("For the person: towline watch [HOST] [--full|--tmux] shows the calls live.");
        Answer { body: Body::Text(text), notes: Vec::new() }
    }

    /// Lets go of a host; with `end`, also of its session, or of the shared connection if none was named.
    pub(crate) async fn disconnect(
        &self,
        alias: &HostAlias,
        host: &Host,
        named: Option<&SessionName>,
        what: Disconnect,
    ) -> Result<Answer, Failure> {
        let mut text = String::new();
        if let (Some(session), true) = (named, what.end) {
            let body = body_of(host.line.call(Request::End(session.clone()), END_WAIT).await)?;
            let said = match String::from_utf8_lossy(&body).trim() {
                "ended" => "was ended on the host; the outcomes of its executions stay until they expire.",
                "busy" => "will end when its running command is over.",
                _ => "was not there.",
            };
            let _ = write!(text, "Session {session} {said}");
            return Ok(Answer { body: Body::Text(text), notes: Vec::new() });
        }
        let _ = write!(text, "Disconnected from {alias}. Sessions and running commands go on there.");
        if let Some(count) = self.let_go(alias, host, what.end).await? {
            let _ = write!(text, " Shared connections ended: {count}.");
        }
        Ok(Answer { body: Body::Text(text), notes: Vec::new() })
    }

    /// Lets go of a host's line; with `end`, also ends our own connections to it, and tells how many there were.
    async fn let_go(&self, alias: &HostAlias, host: &Host, end: bool) -> Result<Option<usize>, Failure> {
        host.line.release();
        let destination = self.lock().get(alias).map(|known| known.destination.clone());
        let ended = match (&self.transport, destination) {
            (Transport::Ssh(ssh), Some(destination)) if end => Some(ssh.end_master(&destination, Instant::now() + END_WAIT).await?),
            (Transport::Ssh(_) | Transport::Local(_), _) => None,
        };
        self.lock().remove(alias);
        Ok(ended)
    }

    /// Lists or removes what is kept on a host. Where all went, the line over which it was asked has nothing left to stand on, and
    /// goes, too.
    pub(crate) async fn clean(&self, alias: &HostAlias, host: &Host, what: Clean, terminals: &Terminals) -> Result<Answer, Failure> {
        let body = match what {
            Clean::List => {
                let (kept, terminals) = tokio::join!(keeping::list(&host.line), terminals.held(self, alias));
                Body::Kept(Kept { terminals, ..kept? })
            }
            Clean::Finished => Body::Removed(keeping::remove_finished(&host.line, host.keeping).await?),
            Clean::Everything => {
                // First: what they run may have been begun by a command, and is theirs to end.
                let held = terminals.end_all_held(self, alias).await;
                let removed = keeping::remove_everything(&host.line).await?;
                let connections = self.let_go(alias, host, true).await?.unwrap_or_default();
                Body::Removed(Removed { connections, terminals: held.ended, terminals_left: held.left, ..removed })
            }
        };
        Ok(Answer { body, notes: Vec::new() })
    }

    pub(crate) async fn close(&self) {
        let known = std::mem::take(&mut *self.lock());
        // A host that is not connected now is not connected for this: what was read there is announced once more.
        let connected = known.values().filter(|known| known.host.line.hello().is_some());
        let last_words: Vec<_> = connected.filter_map(|known| known.host.acknowledge()).collect();
        let told = async {
            for task in last_words {
                let _ = task.await;
            }
        };
        let _ = tokio::time::timeout(CLOSE_WAIT, told).await;
        drop(known);
        // The lines' tasks end with their last handle; this lets them do it.
        tokio::task::yield_now().await;
    }
}

fn link_event(host: &HostAlias, news: &News) -> Event {
    let text = match news {
        News::Opened => "opened".to_owned(),
        News::Lost(why) => format!("lost: {}", why.chars().take(300).collect::<String>()),
        News::Back(after) => format!("back after {:.1} s", after.as_secs_f64()),
    };
    Event { text, ..Event::new(Kind::Link, host.as_str()) }
}

fn no_such_key(name: &str, alias: &HostAlias, access: &HostAccess) -> Failure {
    let known: Vec<&str> = access.agent_keys.keys().map(String::as_str).collect();
    let known = if known.is_empty() { "it names none".to_owned() } else { format!("it names {}", known.join(", ")) };
    let text = format!("add_keys: {name:?} is no key that the configuration names for {}; {known}. Nothing was loaded.", alias.base());
    Failure::new(Code::BadInput, text).hint("Ask the user to run `ssh-add` in a terminal, or to name the key under `agent_keys`.")
}

/// Tells what a name such as `prod+1` was, where ssh knows no host of that name.
pub(crate) fn of_an_earlier_towline(host: Option<&HostAlias>, failure: Failure) -> Failure {
    let base = host.map(HostAlias::base);
    let numbered = base.as_ref().and_then(|name| name.as_str().rsplit_once('+')).filter(|(_, number)| number.parse::<u32>().is_ok());
    match (numbered, failure.code) {
        (Some((name, _)), Code::Resolve) => failure.hint(format!(
            "A name with + and a number is what Connect returned for {name} with options of its own; this towline has made no such \
             connection. Call Connect for {name} with the same options again: sessions and executions are found there."
        )),
        (Some(_) | None, _) => failure,
    }
}

fn no_ssh() -> Failure {
    Failure::new(Code::Local, "hosts are not reached by ssh here")
}

/// Where a host is and how it is reached: what was asked for stands over what the settings say.
fn destination(plan: &HostPlan, asked: ConnectOptions) -> Result<Destination, Failure> {
    let options = ConnectOptions {
        user: asked.user.or_else(|| plan.user.clone()),
        port: asked.port.or(plan.port),
        identity_file: asked.identity_file.or_else(|| plan.identity_file.clone()),
        jump: asked.jump.or_else(|| plan.jump.clone()),
        agent: if asked.agent == AgentForwarding::On { asked.agent } else { plan.agent },
    };
    Destination::new(plan.ssh.clone(), options)
}

/// The file in which ssh looks for hosts, and its name for people; none where it is told to read none. As with ssh, the last word counts.
fn config_file(ssh_options: &[String], home: Option<&Path>) -> Option<(String, PathBuf)> {
    match ssh_options.iter().zip(ssh_options.iter().skip(1)).rfind(|(option, _)| *option == "-F") {
        Some((_, none)) if none == "none" => None,
        Some((_, file)) => Some((file.clone(), PathBuf::from(file))),
        None => home.map(|home| ("~/.ssh/config".to_owned(), home.join(".ssh/config"))),
    }
}

/// The names without patterns after `Host` in a configuration text; what is included from elsewhere is not followed.
fn aliases_in(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for line in text.lines() {
        let mut words = line.split(|c: char| c.is_whitespace() || c == '=').filter(|word| !word.is_empty());
        if words.next().is_some_and(|word| word.eq_ignore_ascii_case("host")) {
            let plain = |word: &&str| !word.contains(['*', '?', '!', '"']) && HostAlias::parse(word).is_ok();
            names.extend(words.take_while(|word| !word.starts_with('#')).filter(plain).take(200).map(str::to_owned));
        }
    }
    names.truncate(200);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_an_earlier_towline_gave_is_told_apart_from_one_that_does_not_exist() {
        let hint = |name: &str, code: Code| {
            let host = HostAlias::parse(name).expect("a name");
            of_an_earlier_towline(Some(&host), Failure::new(code, "x").hint("plain")).hint.unwrap_or_default()
        };
        for (name, code, expected) in [
            ("prod+1", Code::Resolve, "Call Connect for prod with the same options again"),
            ("me@prod:22+12+root", Code::Resolve, "Call Connect for me@prod:22 with"),
            ("prod+1", Code::Refused, "plain"),
            ("prod", Code::Resolve, "plain"),
            ("prod+x", Code::Resolve, "plain"),
        ] {
            assert!(hint(name, code).contains(expected), "{name}: {}", hint(name, code));
        }
    }

    #[test]
    fn hosts_are_looked_for_where_ssh_does() {
        for (options, home, expected) in [
            (&[][..], Some("/h"), Some(("~/.ssh/config", "/h/.ssh/config"))),
            (&[], None, None),
            (&["-F", "/f"], Some("/h"), Some(("/f", "/f"))),
            (&["-F", "/f"], None, Some(("/f", "/f"))),
            (&["-F", "none"], Some("/h"), None),
            (&["-v", "-F", "/f", "-F", "/g"], Some("/h"), Some(("/g", "/g"))),
        ] {
            let options: Vec<String> = options.iter().map(|word| (*word).to_owned()).collect();
            let found = config_file(&options, home.map(Path::new));
            let expected = expected.map(|(shown, file): (&str, &str)| (shown.to_owned(), PathBuf::from(file)));
            assert_eq!(found, expected, "{options:?}");
        }
    }

    #[test]
    fn aliases_are_the_names_without_patterns() {
        let text = "Host a b*\n  HostName x\nhost=c !d # e\nMatch host f\nHost *\n";
        assert_eq!(aliases_in(text), ["a", "c"]);
    }
}

//! One host as the engine knows it: its line, what was found, what is still to be told of it.
//!
//! Holds to: nothing is asked of a host before a call needs it. Leaves out: the calls.

use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use towline_base::{Code, Failure, Handle, HostAlias, SessionName, limits};
use towline_proto::Request;
use towline_proto::files::{ToolCall, ToolReply};
use towline_proto::outcome::Mark;
use towline_proto::recovery::Finish;
use towline_proto::request::Which;

use towline_transport::AgentForwarding;

use crate::action::{Bash, Connect, OnTimeout, Place, Stderr};
use crate::answer::{Answer, Body, JobLine, State};
use crate::book::Keeping;
use crate::book::{HostPlan, HostShell};
use crate::context::{Context, Reader};
use crate::events::Witness;
use crate::execution;
use crate::files::ToolLine;
use crate::lent::{Asked, Lent};
use crate::line::LineDriver;
use crate::output::{self, body_of, list_of, reply_of};

/// How long a file tool may take on the host.
const TOOL_WAIT: Duration = Duration::from_secs(120);
/// How long a session may take to come up: login files can be slow.
const SESSION_WAIT: Duration = Duration::from_secs(30);
/// How long an answer waits for the news of unread executions that were asked for beside it.
const NEWS_WAIT: Duration = Duration::from_millis(300);

/// When a host is asked to let expire what is old: off the way of the first calls.
const SWEEP_AFTER: Duration = Duration::from_secs(20);
/// How long that may take.
const SWEEP_WAIT: Duration = Duration::from_secs(120);

/// One host.
pub(crate) struct Host {
    pub(crate) alias: HostAlias,
    pub(crate) line: LineDriver,
    /// The executions that an earlier towline left.
    news: tokio::sync::Mutex<News>,
    /// Executions whose outcome was answered and whose host does not know that yet, and whether the answer was written out.
    answered: Mutex<Vec<(Handle, CancellationToken)>>,
    /// Directory that the conversation's session begins in, and whether it was taken there.
    begin_in: Option<String>,
    begun: OnceCell<()>,
    /// Notes of that, until an answer takes them along.
    untold: Mutex<Vec<String>>,
    pub(crate) keeping: Keeping,
    /// Variables of every command, by the user's settings.
    env: Vec<(String, String)>,
    shell: HostShell,
    /// What its commands may be lent.
    lent: Lent,
}

/// What an earlier towline of this conversation left on the host.
enum News {
    NotAsked,
    Asked(JoinHandle<Finish>),
    Told,
}

/// A session of a host, as the file tools see it.
pub(crate) struct InSession<'a> {
    line: &'a LineDriver,
    session: &'a SessionName,
    visited: AtomicBool,
}

impl<'a> InSession<'a> {
    pub(crate) fn new(line: &'a LineDriver, session: &'a SessionName) -> Self {
        Self { line, session, visited: AtomicBool::new(false) }
    }

    /// A note of what a person did in the session meanwhile, if a reply told that one was there.
    pub(crate) async fn visits(&self) -> Option<String> {
        if self.visited.load(Ordering::Relaxed) { output::visits(self.line, self.session).await } else { None }
    }
}

impl ToolLine for InSession<'_> {
    async fn call(&self, call: ToolCall) -> Result<ToolReply, Failure> {
        let finish = self.line.call(Request::Tool(self.session.clone(), call), TOOL_WAIT).await;
        if let Finish::Unknown { trouble, .. } = &finish {
            let why = trouble.as_ref().map_or_else(
                || format!("The host gave no answer within {} s", TOOL_WAIT.as_secs()),
                |_| "The link to the host was lost before the answer came".to_owned(),
            );
            let text = format!("{why}; whether a file was changed is not known, and nothing was sent twice.");
            return Err(Failure::new(Code::LinkLost, text).hint("Read the file to see how it stands."));
        }
        if is_marked(&finish) {
            self.visited.store(true, Ordering::Relaxed);
        }
        reply_of(finish).map(|(status, body)| ToolReply { status, body })
    }
}

impl Host {
    pub(crate) fn new(alias: HostAlias, line: LineDriver, begin_in: Option<String>, plan: &HostPlan, lent: Lent) -> Self {
        Self {
            alias,
            line,
            news: tokio::sync::Mutex::new(News::NotAsked),
            answered: Mutex::new(Vec::new()),
            begin_in,
            begun: OnceCell::new(),
            untold: Mutex::default(),
            keeping: plan.keeping,
            env: plan.env.clone(),
            shell: plan.shell,
            lent,
        }
    }

    /// Whether the host has a shell.
    pub(crate) fn has_shell(&self) -> bool {
        self.shell == HostShell::Auto
    }

    /// Refuses what needs a shell where the settings say that there is none.
    pub(crate) fn needs_shell(&self) -> Result<(), Failure> {
        match self.shell {
            HostShell::Auto => Ok(()),
            HostShell::None => {
                let text = format!("{} has no shell (shell = \"none\" in the settings): nothing was sent to it.", self.alias);
                Err(Failure::new(Code::WrongKind, text).hint("Commands and file tools need a shell; use a terminal there."))
            }
        }
    }

    /// What is lent there.
    pub(crate) fn lent(&self) -> &Lent {
        &self.lent
    }

    /// A command with what it is lent, and the variables of this host.
    pub(crate) async fn lend(&self, bash: Bash) -> Result<Asked, Failure> {
        let asked = self.lent.to(bash).await?;
        Ok(Asked { bash: self.with_own_env(asked.bash), ..asked })
    }

    /// A command with the variables of this host, which its own stand over.
    fn with_own_env(&self, mut bash: Bash) -> Bash {
        let own = self.env.iter().filter(|(name, _)| !bash.env.iter().any(|(given, _)| given == name)).cloned();
        bash.env = own.chain(bash.env.iter().cloned()).collect();
        bash
    }

    /// Takes a new session of the conversation to the directory that towline was started with, once.
    pub(crate) async fn begin(&self, session: &SessionName, context: &Context) -> Result<(), Failure> {
        let Some(directory) = self.begin_in.as_deref().filter(|_| *session == context.own_session) else { return Ok(()) };
        let take = || {
            Box::pin(async {
                let ready = make_ready(&self.line, session).await?;
                // A session that was there before, or is restored, is where its last command left it.
                if !ready.told.starts_with(b"new") {
                    return Ok(());
                }
                let went = go_to(&self.line, session, directory, context).await?;
                if let Ok(mut untold) = self.untold.lock() {
                    untold.extend(went.notes);
                }
                let text =
                    || format!("cwd: {directory:?} (--cwd or the settings) is not a directory that can be entered on {}.", self.alias);
                went.there.map(drop).ok_or_else(|| Failure::new(Code::NotFound, text()))
            })
        };
        self.begun.get_or_try_init(take).await.copied()
    }

    /// What was told to a step that no answer shows, once.
    pub(crate) fn untold(&self) -> Vec<String> {
        self.untold.lock().map(|mut untold| std::mem::take(&mut *untold)).unwrap_or_default()
    }

    /// Lets expire on the host what is old, once, when the first calls are over; only if the host is still connected then.
    fn sweep_later(&self) {
        let line = self.line.downgrade();
        let keeping = self.keeping;
        tokio::spawn(async move {
            tokio::time::sleep(SWEEP_AFTER).await;
            if let Some(line) = line.upgrade().filter(|line| line.hello().is_some()) {
                let _ = line.call(Request::Sweep(keeping), SWEEP_WAIT).await;
            }
        });
    }

    /// Remembers that an execution's outcome was answered; the host is told with a call after the answer was written out. An answer
    /// that never is (the client cancelled, or is gone) leaves its outcome unread.
    pub(crate) fn answered(&self, id: &Handle, told: &CancellationToken) {
        if let Ok(mut answered) = self.answered.lock() {
            if answered.len() >= limits::UNTOLD_ANSWERS {
                answered.remove(0);
            }
            answered.push((id.clone(), told.clone()));
        }
    }

    /// Tells the host what was answered. The task may be left alone: nothing depends on it but what is announced later.
    pub(crate) fn acknowledge(&self) -> Option<JoinHandle<()>> {
        let written = |answered: &mut Vec<(Handle, CancellationToken)>| -> Vec<Handle> {
            answered.extract_if(.., |(_, told)| told.is_cancelled()).map(|(id, _)| id).collect()
        };
        let read = self.answered.lock().map(|mut answered| written(&mut answered)).unwrap_or_default();
        if read.is_empty() {
            return None;
        }
        let line = self.line.clone();
        Some(tokio::spawn(async move {
            let _ = line.call(Request::Ack(read), SESSION_WAIT).await;
        }))
    }

    /// Asks for what an earlier towline of this conversation left running or unread, beside the first call.
    pub(crate) async fn ask_for_news(&self) {
        let mut news = self.news.lock().await;
        if matches!(*news, News::NotAsked) {
            let line = self.line.clone();
            self.sweep_later();
            if self.keeping != Keeping::default() {
                // Nothing waits for it: what begins in this very moment goes by the bounds of before.
                let (line, keeping) = (self.line.clone(), self.keeping);
                tokio::spawn(async move { line.call(Request::Bound(keeping), SESSION_WAIT).await });
            }
            *news = News::Asked(tokio::spawn(async move { line.call(Request::Jobs(Which::Open), SESSION_WAIT).await }));
        }
    }

    /// Waits for what goes on beside the calls: something that still asked the host when its line is let go of would bring it up again,
    /// and log in for that.
    pub(crate) async fn settle(&self) {
        let settled = async {
            if let Some(told) = self.acknowledge() {
                let _ = told.await;
            }
            let mut news = self.news.lock().await;
            if let News::Asked(asked) = &mut *news {
                let _ = asked.await;
                *news = News::Told;
            }
        };
        let _ = tokio::time::timeout(SESSION_WAIT, settled).await;
    }

    /// Notes of what was left, once; what is late or was lost with the link comes with a later answer. `own` is the execution that
    /// the answer itself tells of.
    pub(crate) async fn tell_news(&self, session: &SessionName, own: Option<&Handle>) -> Vec<String> {
        let mut news = self.news.lock().await;
        let News::Asked(asked) = &mut *news else { return Vec::new() };
        match tokio::time::timeout(NEWS_WAIT, asked).await {
            Err(_) => Vec::new(),
            Ok(finish) => {
                let jobs = finish.ok().and_then(|finish| list_of(finish).ok());
                *news = if jobs.is_some() { News::Told } else { News::NotAsked };
                // The list may be as new as the first of this towline's own commands: those are not left from before.
                let left = |job: &JobLine| Some(&job.id) != own && !self.line.has_asked_for(&job.id);
                jobs.map_or_else(Vec::new, |jobs| notes_of(&jobs, session, left))
            }
        }
    }
}

/// What is said of executions that nobody read yet.
fn notes_of(jobs: &[JobLine], session: &SessionName, left: impl Fn(&JobLine) -> bool) -> Vec<String> {
    let mine: Vec<&JobLine> = jobs.iter().filter(|job| job.session == session.as_str() && left(job)).collect();
    if mine.is_empty() {
        return Vec::new();
    }
    let mut text = format!("from before this towline was started, this conversation has {} running or unread on this host:", mine.len());
    for job in mine.iter().take(5) {
        let state = match &job.state {
            State::Exited(status) => format!("exit {status}"),
            State::Killed(signal) => format!("killed {signal}"),
            State::Running => "running".to_owned(),
            State::Queued => "queued".to_owned(),
            State::Lost(why) | State::Unknown(why) => why.clone(),
        };
        let command: String = job.command.chars().take(60).collect();
        let _ = write!(text, " {} ({state}: {command});", job.id);
    }
    text.push_str(" JobOutput reads them.");
    vec![text]
}

/// Connects, makes sure that the session is there, and tells what was found.
pub(crate) async fn connect(host: &Host, session: &SessionName, connect: &Connect, context: &Context) -> Result<Answer, Failure> {
    if connect.cwd.as_deref().is_some_and(|cwd| cwd.contains('\0')) {
        return Err(Failure::new(Code::BadInput, "cwd: it holds a NUL character."));
    }
    let line = &host.line;
    let begun = tokio::time::Instant::now();
    let ready = make_ready(line, session).await?;
    let visited = ready.visited && context.reader == Reader::Agent;
    let ready = String::from_utf8_lossy(&ready.told).into_owned();
    let took = begun.elapsed();
    let (was, cwd) = ready.split_once('\n').unwrap_or(("new", ""));
    let mut cwd = cwd.trim_end_matches('\n').to_owned();
    let facts = body_of(line.call(Request::Facts, SESSION_WAIT).await)?;
    let facts = String::from_utf8_lossy(&facts).into_owned();
    let trip = round_trip(line).await;
    let mut notes = Vec::new();
    if let Some(wanted) = &connect.cwd {
        let went = go_to(line, session, wanted, context).await?;
        notes.extend(went.notes);
        match went.there {
            Some(there) => cwd = there,
            None => {
                notes.push(format!("cwd: {wanted:?} is not a directory that can be entered on {}; the session is in {cwd}.", host.alias));
            }
        }
    }
    notes.extend(logout_note(&facts));
    if connect.agent == AgentForwarding::On {
        notes.push(agent_note(&facts));
    }
    if visited {
        notes.extend(output::visits(line, session).await);
    }
    let hello = line.hello().unwrap_or_default();
    let text =
        describe(&Found { host, session, was, cwd: &cwd, facts: &facts, took, trip, hello: &hello, label: connect.label.as_deref() });
    Ok(Answer { body: Body::Text(text), notes })
}

/// What is to be known before the first command on a host that ends what its users leave running.
fn logout_note(facts: &str) -> Option<String> {
    let ends = facts.lines().any(|line| line.trim_end() == "logout=ends");
    ends.then(|| {
        "this host ends a user's processes when the last connection closes (KillUserProcesses in logind.conf): a command and the session's shell then end with the link. `loginctl enable-linger`, where the account may, lets them go on.".to_owned()
    })
}

/// How the forwarded agent stands, as the host sees it.
fn agent_note(facts: &str) -> String {
    let found = facts.lines().find_map(|line| line.strip_prefix("agent=")).map(str::trim);
    match found {
        None => {
            "the agent was not forwarded: the host allows it not (AllowAgentForwarding), or there is no agent on this machine.".to_owned()
        }
        Some("0") => "the forwarded agent is there and holds no key; load one with ssh-add on this machine.".to_owned(),
        Some("?") => "an agent was forwarded and does not answer (or there is no ssh-add on the host to ask it).".to_owned(),
        Some(count) => format!(
            "the forwarded agent is there and holds {count} key(s). Commands that are sent to this host by this name see it; whoever is root on the host can use it while the connection is up."
        ),
    }
}

/// A session that is there.
struct Ready {
    /// Whether it is `new` or `old`, and its directory on the next line.
    told: Vec<u8>,
    /// A person was in it, and its agent was not told yet.
    visited: bool,
}

/// Makes sure that a session is there.
async fn make_ready(line: &LineDriver, session: &SessionName) -> Result<Ready, Failure> {
    let finish = line.call(Request::Session(session.clone()), SESSION_WAIT + towline_base::limits::CONNECT).await;
    let visited = is_marked(&finish);
    let (status, told) = reply_of(finish)?;
    if status == 0 { Ok(Ready { told, visited }) } else { Err(execution::refused("session")) }
}

/// Whether a reply says that a person was in the session.
fn is_marked(finish: &Finish) -> bool {
    matches!(finish, Finish::Reply { marks, .. } if marks.contains(&Mark::Visited))
}

struct Found<'a> {
    host: &'a Host,
    session: &'a SessionName,
    was: &'a str,
    cwd: &'a str,
    facts: &'a str,
    took: Duration,
    trip: Option<Duration>,
    hello: &'a towline_proto::outcome::Hello,
    label: Option<&'a str>,
}

fn describe(found: &Found<'_>) -> String {
    let field = |name: &str| found.facts.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or("?");
    let tools = |there: bool| -> Vec<&str> {
        let named = found.facts.lines().filter_map(|line| line.strip_prefix("has ")?.split_once('='));
        named.filter(|(_, path)| path.is_empty() != there).map(|(name, _)| name).collect()
    };
    let known = match found.was {
        "old" => "found again",
        "restored" => "restored after its shell was lost",
        _ => "new",
    };
    let label = found.label.map_or_else(String::new, |label| format!(" ({label})"));
    let trip = found.trip.map_or_else(|| "?".to_owned(), |trip| format!("{:.1} ms", trip.as_secs_f64() * 1000.0));
    let mut text =
        format!("Connected to {} as {} in {} ms; a round trip takes {trip}.\n", found.host.alias, field("user"), found.took.as_millis());
    let _ = writeln!(text, "system: {}", field("system"));
    let _ = writeln!(text, "session: {}{label}, {known}, shell {}, in {}", found.session, found.hello.session_shell, found.cwd);
    let _ = writeln!(text, "login shell: {}", field("login_shell"));
    let _ = writeln!(text, "tools: {}", tools(true).join(" "));
    let missing = tools(false);
    if !missing.is_empty() {
        let _ = writeln!(text, "not there: {}", missing.join(" "));
    }
    let _ = writeln!(text, "kept on the host: {}", found.hello.root);
    let _ = write!(
        text,
        "for the person: towline watch {0} [--full|--tmux] shows the calls live; towline attach {0}/{1} types into this session",
        found.host.alias, found.session
    );
    text
}

/// The best of three round trips.
pub(crate) async fn round_trip(line: &LineDriver) -> Option<Duration> {
    let mut best = None;
    for _ in 0..3 {
        let begun = tokio::time::Instant::now();
        if body_of(line.call(Request::Ping, SESSION_WAIT).await).is_ok() {
            let took = begun.elapsed();
            best = Some(best.map_or(took, |best: Duration| best.min(took)));
        }
    }
    best
}

/// What became of a session that was to go to a directory.
struct Went {
    /// Where it is now; `None` if that was no directory.
    there: Option<String>,
    /// What else is to be told of its first command, and is told once.
    notes: Vec<String>,
}

/// Takes a session to a directory. The path travels as a variable, not as shell text.
async fn go_to(line: &LineDriver, session: &SessionName, path: &str, context: &Context) -> Result<Went, Failure> {
    let bash = Bash {
        command: "cd -- \"$TOWLINE_GO\"".to_owned(),
        timeout: None,
        on_timeout: OnTimeout::Background,
        description: None,
        place: Place::Session,
        cwd: None,
        env: vec![("TOWLINE_GO".to_owned(), path.to_owned())],
        env_secrets: Vec::new(),
        stdin: None,
        stderr: Stderr::Merged,
    };
    let answer = execution::bash(line, session, bash.into(), context, &Witness::none()).await?;
    let Body::Execution(execution) = answer.body else { return Ok(Went { there: None, notes: answer.notes }) };
    Ok(Went { there: execution.cwd.filter(|_| execution.state == State::Exited(0)), notes: answer.notes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_ends_what_goes_on_is_told_of() {
        let note = logout_note("user=me\nlogout=ends\nhas rg=\n").unwrap_or_default();
        assert!(note.starts_with("this host ends a user's processes when the last connection closes"), "{note}");
        assert_eq!(logout_note("user=me\nhome=/logout=ends\n"), None);
    }
}

//! Lines, sessions, executions and files: what towline does, free of MCP and of the command line.
//!
//! Holds to: one door, [`Engine::perform`]: policy is asked, the event stream is told, the work is done, the event stream
//! is told again. Leaves out: texts for agents and people; processes (towline-transport starts them).

pub mod action;
pub mod answer;
pub mod audit;
mod book;
mod calls;
mod clean;
pub mod context;
mod dial;
mod door;
pub mod events;
mod execution;
mod facts;
mod files;
mod host;
mod hosts;
mod keeping;
mod lent;
mod line;
mod live;
mod notes;
mod output;
mod sudo;
mod summary;
pub mod terminals;

/// What reads a host's words, for those who try it on a stranger's.
#[doc(hidden)]
pub mod replies {
    pub use crate::keeping::{parse_kept, parse_removed};
    pub use crate::output::parse_jobs;
}

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use towline_base::redact::Redactor;
use towline_base::{Code, Failure, HostAlias, SessionName};
use towline_policy::Permit;

pub use action::{Action, Call};
pub use answer::{Answer, Body};
pub use book::{HostBook, HostPlan, HostShell, Keeping};
pub use calls::{become_command, calls_window};
pub use towline_policy as policy;
pub use towline_policy::{Reach, Rules};
pub use towline_proto::recovery::Timing;
pub use towline_transport::{Access, AgentForwarding, HostAccess, LiteralPasswords, Wallet, askpass};

pub use context::{Ask, Asker, Context, Progress, Reader, Reply, Settings, Way, told_at_once};

use crate::action::{Asks, Connect, Stream};
use crate::answer::State;
use crate::audit::Journal;
use crate::events::{Event, Events, Kind, Witness};
use crate::files::{Files, Scope};
use crate::host::{Host, InSession};
use crate::hosts::Hosts;
use crate::terminals::Terminals;

/// Characters of a label: it stands in each row of the view.
const LABEL_CHARACTERS: usize = 40;

/// Everything that works on hosts; cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    rules: Rules,
    hosts: Hosts,
    files: Files,
    terminals: Terminals,
    events: Events,
    /// The names for people that Connect gave sessions.
    labels: Mutex<HashMap<(HostAlias, SessionName), String>>,
    journal: Journal,
    redactor: Redactor,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine with these settings; connects to nothing yet and reads no file that is not its own.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self::with_timing(settings, line::TIMING)
    }

    /// An engine whose lines go by other times; for tests that cannot wait as long as people do.
    #[must_use]
    pub fn with_timing(settings: Settings, timing: Timing) -> Self {
        let events = Events::new(&settings.state_dir, settings.on_event.clone(), settings.access.wallet.redactor().clone());
        let redactor = settings.access.wallet.redactor().clone();
        let inner = Inner {
            rules: settings.rules.clone(),
            files: Files::new(&settings.state_dir),
            terminals: Terminals::new(&settings.state_dir, settings.tmux.as_deref(), settings.recorder.clone(), redactor.clone()),
            labels: Mutex::default(),
            journal: Journal::new(&settings.state_dir, settings.audit),
            redactor,
            hosts: Hosts::new(settings, timing, events.clone()),
            events,
        };
        Self(Arc::new(inner))
    }

    /// Carries out one call.
    ///
    /// # Errors
    /// When the tool could not do its work; a command that ends with a non-zero status is not an error.
    pub async fn perform(&self, mut call: Call, context: Context) -> Result<Answer, Failure> {
        self.0.see_what_is_asked(&mut call, &context).await;
        let session = call.session.clone().unwrap_or_else(|| context.own_session.clone());
        let context = clean::context(&self.0.redactor, context);
        let witness = self.0.witness(&call, &session, &context);
        let description = if let Action::Bash(bash) = &call.action { bash.description.clone() } else { None };
        witness.begin(&summary::of_action(&call.action), description.as_deref());
        let begun = tokio::time::Instant::now();
        let reader = context.reader;
        let host = call.host.clone();
        let stream = if let Action::JobOutput(job) = &call.action { job.stream } else { Stream::Stdout };
        let done = self.0.through_the_door(call, &session, &context, &witness).await;
        let done = done.map_err(|failure| hosts::of_an_earlier_towline(host.as_ref(), failure));
        let done = clean::done(&self.0.redactor, reader, done);
        witness.end(&summary::of_answer(done.as_ref()), begun.elapsed(), done.as_ref());
        if let (Ok(answer), Some(host)) = (&done, &host) {
            live::heard(&self.0.events, host.as_str(), stream, answer).await;
        }
        done
    }

    /// What each rule says of a call, as far as that can be said without asking the host.
    #[must_use]
    pub fn explain(&self, call: &Call) -> towline_policy::Explanation {
        let facts = facts::Facts::of(&call.action);
        self.0.rules.explain(&facts.seen(call.host.as_ref()), &towline_policy::Places::Unknown)
    }

    /// Waits, for two seconds at most, until those who watch were told all of a command that is over; for a process that ends with it.
    pub async fn told(&self) {
        live::last_look(&self.0.events).await;
    }

    /// Lets go of every line within half a second, and ends nothing on any host.
    pub async fn close(&self) {
        self.0.terminals.close().await;
        self.0.hosts.close().await;
        self.0.events.flush().await;
    }
}

impl Inner {
    /// Who tells the event stream of a call.
    fn witness(&self, call: &Call, session: &SessionName, context: &Context) -> Witness {
        let label = call.host.as_ref().and_then(|host| {
            let mut labels = self.labels.lock().ok()?;
            let key = (host.clone(), session.clone());
            if let Action::Connect(Connect { label: Some(label), .. }) = &call.action {
                labels.insert(key.clone(), label.chars().take(LABEL_CHARACTERS).collect());
            }
            labels.get(&key).cloned()
        });
        let whose = Event {
            call: self.events.next_call(),
            session: session.to_string(),
            label,
            client: context.client.clone(),
            tool: call.action.tool().to_owned(),
            ..Event::new(Kind::Begin, call.host.as_ref().map_or("", HostAlias::as_str))
        };
        Witness::new(self.events.clone(), whose)
    }

    /// Sees what a terminal asks for into which something is to be typed: of a password nothing may be told, not even to the journal.
    async fn see_what_is_asked(&self, call: &mut Call, context: &Context) {
        if let (Some(alias), Action::TerminalSend(send)) = (&call.host, &mut call.action) {
            send.asks = if send.types() { self.terminals.asks(alias, send.name.as_ref(), context).await } else { Asks::Nothing };
        }
    }

    /// The executors: nobody comes here without a permit.
    async fn carry_out(
        &self,
        _permit: &Permit,
        call: Call,
        session: &SessionName,
        context: &Context,
        witness: &Witness,
    ) -> Result<Answer, Failure> {
        if call.action == Action::Hosts {
            return Ok(self.hosts.tell(&self.terminals.tell(&self.hosts).await));
        }
        let Some(alias) = call.host else {
            return Err(Failure::new(Code::BadInput, "host: it is missing."));
        };
        // These need no line: a host may have no shell that could speak its protocol.
        match &call.action {
            Action::TerminalOpen(open) => return self.terminals.open(&self.hosts, &alias, open, context).await,
            Action::TerminalSend(send) => return self.terminals.send(&self.hosts, &alias, send, context).await,
            Action::TerminalRead(read) => return self.terminals.read(&self.hosts, &alias, read, context).await,
            Action::TerminalClose(name) => return self.terminals.end(&self.hosts, &alias, name.as_ref(), context).await,
            Action::SignIn => return self.hosts.sign_in(&alias).await,
            Action::Trust(fingerprints) => return self.hosts.trust(&alias, fingerprints).await,
            Action::Bash(_)
            | Action::Jobs
            | Action::JobOutput(_)
            | Action::JobStop(_)
            | Action::Read(_)
            | Action::MultiRead(_)
            | Action::Write(_)
            | Action::Edit(_)
            | Action::Stat(_)
            | Action::List(_)
            | Action::Glob(_)
            | Action::Grep(_)
            | Action::Hosts
            | Action::Connect(_)
            | Action::Clean(_)
            | Action::Disconnect(_) => {}
        }
        let mut notes = Vec::new();
        let (alias, host) = if let Action::Connect(connect) = &call.action {
            notes = self.hosts.add_keys(&alias, &connect.add_keys).await?;
            self.hosts.with_options(&alias, connect)?
        } else {
            (alias.clone(), self.hosts.get(&alias)?)
        };
        if matches!(call.action, Action::Disconnect(_)) && !host.has_shell() {
            return self.hosts.disconnect(&alias, &host, None, crate::action::Disconnect { end: true }).await;
        }
        host.needs_shell()?;
        if let Action::Clean(what) = call.action {
            return self.hosts.clean(&alias, &host, what, &self.terminals).await;
        }
        if matches!(call.action, Action::Disconnect(_)) {
            host.settle().await;
        } else {
            drop(host.acknowledge());
            host.ask_for_news().await;
        }
        host.begin(session, context).await?;
        notes.extend(host.untold());
        let named = call.session.as_ref();
        let scope = Scope { host: &alias, session, witness };
        let mut done = self.work(&scope, &host, named, call.action, context).await?;
        done.notes.splice(0..0, notes);
        // An answer that itself lists or reads executions needs no note of them.
        if !matches!(done.body, Body::Jobs(_) | Body::JobOutput(_)) {
            let own = if let Body::Execution(execution) = &done.body { Some(&execution.id) } else { None };
            done.notes.extend(host.tell_news(&context.own_session, own).await);
        }
        // Nobody reads the answer of a call that was cancelled meanwhile: its outcome stays unread.
        if let Some(id) = finished(&done.body).filter(|_| !context.cancel.is_cancelled()) {
            host.answered(id, &context.told);
        }
        Ok(done)
    }

    async fn work(
        &self,
        scope: &Scope<'_>,
        host: &Host,
        named: Option<&SessionName>,
        action: Action,
        context: &Context,
    ) -> Result<Answer, Failure> {
        let line = &host.line;
        let Scope { host: alias, session, witness } = *scope;
        let tools = InSession::new(line, session);
        let work = async {
            match action {
                Action::Bash(bash) => execution::bash(line, session, host.lend(bash).await?, context, witness).await,
                Action::Jobs => output::jobs(line).await.map(|jobs| Answer { body: Body::Jobs(jobs), notes: Vec::new() }),
                Action::JobOutput(job) => output::output(line, job).await,
                Action::JobStop(job) => output::stop(line, job).await,
                Action::Read(window) => self.files.read(&tools, scope, std::slice::from_ref(&window)).await,
                Action::MultiRead(windows) => self.files.read(&tools, scope, &windows).await,
                Action::Write(write) => self.files.write(&tools, scope, &write).await,
                Action::Edit(edit) => self.files.edit(&tools, scope, &edit).await,
                Action::Stat(paths) => self.files.stat(&tools, scope, &paths).await,
                Action::List(list) => self.files.list(&tools, scope, &list).await,
                Action::Glob(glob) => files::search::glob(&tools, &glob).await,
                Action::Grep(grep) => files::search::grep(&tools, &grep).await,
                Action::Connect(connect) => {
                    let mut answer = host::connect(host, session, &connect, context).await?;
                    if let (Body::Text(text), Some(command)) = (&mut answer.body, self.terminals.attach_command(alias).await) {
                        text.extend(["\na person watches its terminals with:\n    ", &command]);
                    }
                    Ok(answer)
                }
                Action::Hosts
                | Action::SignIn
                | Action::Trust(_)
                | Action::TerminalOpen(_)
                | Action::TerminalSend(_)
                | Action::TerminalRead(_)
                | Action::TerminalClose(_) => Err(Failure::new(Code::Internal, "a line was asked for what needs none")),
                Action::Clean(what) => self.hosts.clean(alias, host, what, &self.terminals).await,
                Action::Disconnect(disconnect) => self.hosts.disconnect(alias, host, named, disconnect).await,
            }
        };
        tokio::pin!(work);
        // Bash attends to both by itself, since what it started on the host has to be ended, or to go on.
        let mut done = tokio::select! {
            done = &mut work => done,
            () = patience(context) => {
                match tokio::time::timeout(Duration::from_secs(15), &mut work).await {
                    Ok(done) => done,
                    Err(_) => Err(Failure::new(Code::Cancelled, "The call was given up.")),
                }
            }
        };
        if let (Ok(answer), Reader::Agent) = (&mut done, context.reader) {
            answer.notes.extend(tools.visits().await);
        }
        done
    }
}

/// Ends when nobody wants the call any more.
async fn patience(context: &Context) {
    tokio::select! {
        () = context.cancel.cancelled() => {}
        () = context.closing.cancelled() => {}
    }
}

/// The execution whose outcome this answer tells, if it is over.
fn finished(body: &Body) -> Option<&towline_base::Handle> {
    let over = |state: &State| matches!(state, State::Exited(_) | State::Killed(_) | State::Lost(_));
    match body {
        Body::Execution(execution) if over(&execution.state) => Some(&execution.id),
        Body::JobOutput(slice) if over(&slice.state) => Some(&slice.id),
        Body::Stopped(stopped) if over(&stopped.state) => Some(&stopped.id),
        Body::Execution(_)
        | Body::JobOutput(_)
        | Body::Stopped(_)
        | Body::Jobs(_)
        | Body::Files(_)
        | Body::Written(_)
        | Body::Stats(_)
        | Body::Listing(_)
        | Body::Found(_)
        | Body::Terminal(_)
        | Body::Text(_)
        | Body::Kept(_)
        | Body::Removed(_) => None,
    }
}

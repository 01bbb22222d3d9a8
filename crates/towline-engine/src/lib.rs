//! Lines, sessions, executions and files: what towline does, free of MCP and of the command line.
//!
//! Holds to: one door, [`Engine::perform`]: policy is asked, the event stream is told, the work is done, the event stream
//! is told again. Leaves out: texts for agents and people; processes (towline-transport starts them).

pub mod action;
pub mod answer;
pub mod context;
mod dial;
pub mod events;
mod execution;
mod files;
mod host;
mod hosts;
mod line;
mod notes;
mod output;
mod summary;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use towline_base::{Code, Failure, HostAlias, SessionName};
use towline_policy::Permit;

pub use action::{Action, Call};
pub use answer::{Answer, Body};
pub use towline_policy::{Reach, Rules};
pub use towline_proto::recovery::Timing;

pub use context::{Context, Progress, Settings, Way};

use crate::answer::State;
use crate::events::{Caller, Events};
use crate::files::{Files, Scope};
use crate::host::{Host, InSession};
use crate::hosts::Hosts;

/// Everything that works on hosts; cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    rules: Rules,
    hosts: Hosts,
    files: Files,
    events: Events,
    calls: AtomicU64,
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
        let inner = Inner {
            rules: settings.rules,
            files: Files::new(&settings.state_dir),
            events: Events::new(&settings.state_dir),
            calls: AtomicU64::new(1),
            hosts: Hosts::new(settings, timing),
        };
        Self(Arc::new(inner))
    }

    /// Carries out one call.
    ///
    /// # Errors
    /// When the tool could not do its work; a command that ends with a non-zero status is not an error.
    pub async fn perform(&self, call: Call, context: Context) -> Result<Answer, Failure> {
        let session = call.session.clone().unwrap_or_else(|| context.own_session.clone());
        let caller = Caller {
            call: self.0.calls.fetch_add(1, Ordering::Relaxed),
            host: call.host.as_ref().map_or_else(String::new, ToString::to_string),
            session: session.to_string(),
            client: context.client.clone(),
            tool: call.action.tool(),
        };
        self.0.events.write(&caller.begin(&summary::of_action(&call.action)));
        let begun = tokio::time::Instant::now();
        let action = towline_policy::Action { tool: call.action.tool(), effect: call.action.effect(), host: call.host.as_ref() };
        let done = match towline_policy::decide(self.0.rules, &action) {
            Ok(permit) => self.0.carry_out(&permit, call, &session, &context).await,
            Err(refusal) => Err(refusal),
        };
        let text = summary::of_answer(done.as_ref());
        self.0.events.write(&caller.end(&text, begun.elapsed(), done.is_err()));
        done
    }

    /// Lets go of every line within half a second, and ends nothing on any host.
    pub async fn close(&self) {
        self.0.hosts.close().await;
    }
}

impl Inner {
    /// The executors: nobody comes here without a permit.
    async fn carry_out(&self, _permit: &Permit, call: Call, session: &SessionName, context: &Context) -> Result<Answer, Failure> {
        if call.action == Action::Hosts {
            return Ok(self.hosts.tell());
        }
        let Some(alias) = call.host else {
            return Err(Failure::new(Code::BadInput, "host: it is missing."));
        };
        let (alias, host) = if let Action::Connect(connect) = &call.action {
            self.hosts.with_options(&alias, connect)?
        } else {
            (alias.clone(), self.hosts.get(&alias)?)
        };
        drop(host.acknowledge());
        host.ask_for_news().await;
        host.begin(session, context).await?;
        let named = call.session.as_ref();
        let mut done = self.work(&alias, &host, session, named, call.action, context).await?;
        // An answer that itself lists or reads executions needs no note of them.
        if !matches!(done.body, Body::Jobs(_) | Body::JobOutput(_)) {
            let own = if let Body::Execution(execution) = &done.body { Some(&execution.id) } else { None };
            done.notes.extend(host.tell_news(&context.own_session, own).await);
        }
        if let Some(id) = finished(&done.body) {
            host.answered(id);
        }
        Ok(done)
    }

    async fn work(
        &self,
        alias: &HostAlias,
        host: &Host,
        session: &SessionName,
        named: Option<&SessionName>,
        action: Action,
        context: &Context,
    ) -> Result<Answer, Failure> {
        let line = &host.line;
        let scope = Scope { host: alias, session };
        let tools = InSession { line, session };
        let work = async {
            match action {
                Action::Bash(bash) => execution::bash(line, session, bash, context).await,
                Action::Jobs => output::jobs(line).await.map(|jobs| Answer { body: Body::Jobs(jobs), notes: Vec::new() }),
                Action::JobOutput(job) => output::output(line, job).await,
                Action::JobStop(job) => output::stop(line, job).await,
                Action::Read(window) => self.files.read(&tools, &scope, std::slice::from_ref(&window)).await,
                Action::MultiRead(windows) => self.files.read(&tools, &scope, &windows).await,
                Action::Write(write) => self.files.write(&tools, &scope, &write).await,
                Action::Edit(edit) => self.files.edit(&tools, &scope, &edit).await,
                Action::Stat(paths) => self.files.stat(&tools, &scope, &paths).await,
                Action::List(list) => self.files.list(&tools, &scope, &list).await,
                Action::Glob(glob) => files::search::glob(&tools, &glob).await,
                Action::Grep(grep) => files::search::grep(&tools, &grep).await,
                Action::Hosts => Ok(self.hosts.tell()),
                Action::Connect(connect) => host::connect(host, session, &connect, context).await,
                Action::Disconnect(disconnect) => self.hosts.disconnect(alias, host, named, disconnect).await,
            }
        };
        tokio::pin!(work);
        // Bash attends to both by itself, since what it started on the host has to be ended, or to go on.
        tokio::select! {
            done = &mut work => done,
            () = patience(context) => {
                match tokio::time::timeout(Duration::from_secs(15), &mut work).await {
                    Ok(done) => done,
                    Err(_) => Err(Failure::new(Code::Cancelled, "The call was given up.")),
                }
            }
        }
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
        | Body::Text(_) => None,
    }
}

/// The directory of an engine's state, for what else is kept there.
#[must_use]
pub fn events_file(state_dir: &Path) -> std::path::PathBuf {
    state_dir.join("events.jsonl")
}

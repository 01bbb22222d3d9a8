//! `towline attach`: a person types into the agent's own shell session, line by line over the lane.
//!
//! Holds to: each line is an execution of that session like any other, recorded, shown in the view, and told to the agent with its
//! next call there; Ctrl-C ends the running command, Ctrl-D leaves and ends nothing. Leaves out: programs that need a
//! terminal.

use std::path::Path;

use rustyline::error::ReadlineError;
use tokio::signal::unix::{Signal, SignalKind, signal};
use towline_base::{Code, Failure, Handle, HostAlias, SessionName};
use towline_engine::action::{self, Action, Connect, JobOutput, JobStop, OnTimeout, Place, Stream, WaitFor};
use towline_engine::answer::State;
use towline_engine::events::Event;
use towline_engine::{Answer, Body};
use towline_mcp::Work;

use crate::printer::{self, Printer};
use crate::run::{self, End};
use crate::setup;
use crate::watch::stream::Stream as Events;

/// What is shown with each of these commands in the view.
const WHO: &str = "typed by a person";

type Editor = rustyline::Editor<(), rustyline::history::MemHistory>;

/// Takes lines until the person leaves.
pub(crate) async fn command<W: Work>(work: &W, state_dir: &Path, target: &str) -> Result<u8, Failure> {
    let (host, session) = parse(target)?;
    let session = match session {
        Some(session) => session,
        None => newest(state_dir, &host)?,
    };
    let person = Person { work, host, session };
    let mut cwd = person.arrive().await?;
    let config = rustyline::Config::builder().auto_add_history(true).build();
    let mut editor: Editor =
        rustyline::Editor::with_history(config, rustyline::history::MemHistory::new()).map_err(|error| local(&error))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| Failure::new(Code::Local, error.to_string()))?;
    loop {
        let prompt = format!("{}/{} {cwd} $ ", person.host, person.session);
        let asked = tokio::task::spawn_blocking(move || {
            let line = read(&mut editor, &prompt);
            (editor, line)
        });
        let (back, line) = asked.await.map_err(|error| Failure::new(Code::Internal, error.to_string()))?;
        editor = back;
        match line {
            Ok(line) if line.trim().is_empty() => {}
            Ok(line) => match person.run(line, &mut interrupt).await? {
                Some(there) => cwd = there,
                None => return Ok(0),
            },
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(local(&error)),
        }
    }
    work.close().await;
    printer::say(&format!("left; the session {} goes on", person.session));
    Ok(0)
}

fn local(error: &ReadlineError) -> Failure {
    Failure::new(Code::Local, format!("the terminal cannot be read: {error}"))
}

/// A line, and those that follow a backslash at its end.
fn read(editor: &mut Editor, prompt: &str) -> Result<String, ReadlineError> {
    let mut text = editor.readline(prompt)?;
    while text.ends_with('\\') {
        text.push('\n');
        text.push_str(&editor.readline("> ")?);
    }
    Ok(text)
}

/// `HOST` or `HOST/SESSION`.
fn parse(target: &str) -> Result<(HostAlias, Option<SessionName>), Failure> {
    match target.split_once('/') {
        Some((host, session)) => Ok((setup::host(host)?, Some(SessionName::parse(session)?))),
        None => Ok((setup::host(target)?, None)),
    }
}

/// The session in which an agent worked last on this host.
fn newest(state_dir: &Path, host: &HostAlias) -> Result<SessionName, Failure> {
    let mut events = Events::open(state_dir);
    let own = setup::context().own_session;
    let mut found = None;
    loop {
        let some = events.read().map_err(|error| Failure::new(Code::Local, error.to_string()))?;
        if some.is_empty() {
            break;
        }
        let of_host = |event: &Event| event.host == host.as_str() && !event.session.is_empty() && event.session != own.as_str();
        found = some.into_iter().filter(of_host).map(|event| event.session).next_back().or(found);
    }
    let found = found.and_then(|name| SessionName::parse(&name).ok());
    found.ok_or_else(|| {
        Failure::new(Code::NotFound, format!("no agent has worked on {host} from this machine, as far as the event stream goes back"))
            .hint("Name the session: towline attach HOST/SESSION. Connect and Hosts tell its name.")
    })
}

struct Person<'a, W> {
    work: &'a W,
    host: HostAlias,
    session: SessionName,
}

impl<W: Work> Person<'_, W> {
    async fn perform(&self, action: Action) -> Result<Answer, Failure> {
        self.work.perform(setup::call(Some(&self.host), Some(&self.session), action), setup::context()).await
    }

    /// Connects; returns where the session stands.
    async fn arrive(&self) -> Result<String, Failure> {
        let answer = self.perform(Action::Connect(Connect::default())).await?;
        let Body::Text(text) = &answer.body else { return Err(Failure::new(Code::Internal, "the answer was not that of Connect")) };
        let line = text.lines().find(|line| line.starts_with("session: ")).unwrap_or_default();
        printer::say(&format!(
            "you are in the agent's session {}/{}: what you change there, it has, and it is told what you ran. Ctrl-C ends a command, Ctrl-D leaves.",
            self.host, self.session
        ));
        Ok(line.rsplit_once(" in ").map_or_else(|| "?".to_owned(), |(_, cwd)| cwd.to_owned()))
    }

    /// Runs a line; returns where the session stands then, or nothing if nobody reads any more.
    async fn run(&self, line: String, interrupt: &mut Signal) -> Result<Option<String>, Failure> {
        let bash = action::Bash {
            command: line,
            timeout: None,
            on_timeout: OnTimeout::Background,
            description: Some(WHO.to_owned()),
            place: Place::Handed,
            cwd: None,
            env: Vec::new(),
            env_secrets: Vec::new(),
            stdin: None,
            stderr: action::Stderr::Merged,
        };
        let Body::Execution(execution) = self.perform(Action::Bash(bash)).await?.body else {
            return Err(Failure::new(Code::Internal, "the answer was not that of a command"));
        };
        let output = Printer::of(printer::Stream::Stdout, false);
        let followed = run::followed(self.work, &self.host, &execution.id, Stream::Stdout, output);
        tokio::pin!(followed);
        let state = loop {
            tokio::select! {
                followed = &mut followed => match followed {
                    Ok(state) => break state,
                    Err(End::Closed) => return Ok(None),
                    Err(End::Failed(failure)) => return Err(failure),
                },
                // What it still prints on its way out is seen, too.
                _ = interrupt.recv() => self.stop(&execution.id).await,
            }
        };
        match &state {
            State::Exited(0) => {}
            State::Exited(status) => printer::say(&format!("exit {status}")),
            State::Killed(signal) => printer::say(&format!("killed {signal}")),
            State::Lost(why) | State::Unknown(why) => printer::say(&format!("what became of it is not known: {why}")),
            State::Running | State::Queued => printer::say(&format!("it goes on; its id is {}", execution.id)),
        }
        Ok(Some(self.stands(&execution.id).await))
    }

    /// Ends a command as Ctrl-C does.
    async fn stop(&self, id: &Handle) {
        let stop = Action::JobStop(JobStop { id: id.clone(), signal: Some("INT".to_owned()) });
        match self.perform(stop).await.map(|answer| answer.body) {
            Ok(Body::Stopped(stopped)) if stopped.confirmed => {}
            Ok(_) => printer::say("it is not confirmed that the command ended"),
            Err(failure) => printer::say(&format!("the command may go on: {failure}")),
        }
    }

    /// Where the session stood at the end of a command.
    async fn stands(&self, id: &Handle) -> String {
        let look = Action::JobOutput(JobOutput {
            id: id.clone(),
            stream: Stream::Stdout,
            offset: Some(0),
            limit: Some(0),
            tail: None,
            grep: None,
            wait: None,
            wait_for: WaitFor::End,
        });
        match self.perform(look).await.map(|answer| answer.body) {
            Ok(Body::JobOutput(slice)) => slice.cwd.unwrap_or_else(|| "?".to_owned()),
            Ok(_) | Err(_) => "?".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_host_or_one_of_its_sessions() {
        let session = |target: &str| parse(target).map(|(host, session)| (host.to_string(), session.map(|session| session.to_string())));
        assert_eq!(session("me@prod:22"), Ok(("me@prod:22".to_owned(), None)));
        assert_eq!(session("prod/tests"), Ok(("prod".to_owned(), Some("tests".to_owned()))));
        for wrong in ["", "/tests", "prod/", "prod/a/b", "prod/../x", "-x"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_newest_session_of_a_host_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let host = HostAlias::parse("prod").unwrap();
        assert_eq!(newest(directory.path(), &host).map_err(|failure| failure.code), Err(Code::NotFound));
        let line = |host: &str, session: &str| format!("{{\"v\":1,\"kind\":\"begin\",\"host\":\"{host}\",\"session\":\"{session}\"}}\n");
        let text = [line("prod", "one"), line("prod", "two"), line("other", "three"), line("prod", "cli")].concat();
        std::fs::write(towline_engine::events::file(directory.path()), text).unwrap();
        assert_eq!(newest(directory.path(), &host).map(|name| name.to_string()), Ok("two".to_owned()));
    }
}

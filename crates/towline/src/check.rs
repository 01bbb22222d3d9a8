//! `towline check HOST`: every tool, tried on a scratch directory of the host, and what was found.
//!
//! Holds to: the calls that an agent would make, through the same engine; what was made is removed; the last line says
//! that all is well or what to do. Leaves out: repairs.

#![expect(clippy::wildcard_enum_match_arm, reason = "each step wants one kind of answer, and every other is wrong")]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use towline_base::{Failure, Handle, HostAlias, SessionName};
use towline_engine::action::{self, Action, GrepMode, OnTimeout, Place, ReadWindow, Replacement, WaitFor};
use towline_engine::answer::{Answer, Body, Execution, FileContent, State};
use towline_mcp::Work;
use towline_mcp::render;

use crate::cli::FOUND_WRONG;
use crate::printer::Printer;
use crate::{setup, small};

/// Calls whose median is told as the time of one call.
const TIMED: usize = 9;
/// How long one call of the check may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Programs that make towline better where the host has them, and what is done without them.
const HELPERS: &[(&str, &str)] = &[
    ("bash", "commands run in the host's sh, without bash's own syntax"),
    ("rg", "Grep and Glob use grep and find: slower in large trees"),
];

/// Runs the check and prints the report as it goes.
pub(crate) async fn command<W: Work>(work: &W, host: &str) -> Result<u8, Failure> {
    let host = setup::host(host)?;
    let unique = Handle::mint();
    let session = SessionName::parse(&format!("check-{unique}")).map_err(Failure::from)?;
    let mut check = Check { work, host, session, tried: 0, wrong: Vec::new() };
    let code = check.all(unique.as_str()).await?;
    work.close().await;
    Ok(code)
}

struct Check<'a, W> {
    work: &'a W,
    host: HostAlias,
    session: SessionName,
    tried: usize,
    /// What is wrong: the tool, and why.
    wrong: Vec<(&'static str, String)>,
}

impl<W: Work> Check<'_, W> {
    async fn all(&mut self, word: &str) -> Result<u8, Failure> {
        let began = Instant::now();
        let found = match self.call(Action::Connect(action::Connect::default())).await {
            Ok(answer) => small::text(&answer)?,
            Err(failure) => {
                Printer::prose(&format!("{failure}\n{} cannot be used: see above what to do.", self.host))?;
                return Ok(FOUND_WRONG);
            }
        };
        // The session ends with the check: nobody is to attach to it.
        let found: Vec<&str> = found.lines().filter(|line| !line.starts_with("for the person: ")).collect();
        Printer::prose(&format!("connected to {} in {}\n{}", self.host, render::duration(began.elapsed()), found.join("\n")))?;
        Self::helpers(&found)?;
        self.tools(word).await?;
        self.timing().await?;
        self.verdict()
    }

    async fn call(&self, action: Action) -> Result<Answer, Failure> {
        let call = setup::call(Some(&self.host), Some(&self.session), action);
        match tokio::time::timeout(PATIENCE, self.work.perform(call, setup::context_of(self.session.clone()))).await {
            Ok(answered) => answered,
            Err(_) => Err(Failure::new(towline_base::Code::LinkLost, format!("no answer within {}", render::duration(PATIENCE)))),
        }
    }

    /// Makes a call and judges its answer; prints a line.
    async fn step(&mut self, tool: &'static str, action: Action, judge: impl Fn(&Body) -> Result<(), String>) -> Result<(), Failure> {
        let began = Instant::now();
        let judged = match self.call(action).await {
            Ok(answer) => judge(&answer.body),
            Err(failure) => Err(failure.to_string()),
        };
        let time = began.elapsed();
        self.tried += 1;
        match judged {
            Ok(()) => drop(Printer::text(&format!("ok    {tool:<10} {:>7.1} ms", time.as_secs_f64() * 1000.0))?),
            Err(why) => {
                Printer::text(&format!("WRONG {tool:<10} {}", render::one_line(&why)))?;
                self.wrong.push((tool, why));
            }
        }
        Ok(())
    }

    /// Says what is done without programs that the lane does not find: a session's commands may have another `PATH`.
    fn helpers(found: &[&str]) -> Result<(), Failure> {
        let missing = found.iter().find_map(|line| line.strip_prefix("not there: ")).unwrap_or_default();
        for (name, without) in HELPERS.iter().filter(|(name, _)| missing.split(' ').any(|word| word == *name)) {
            Printer::text(&format!("the host has no {name}: {without}"))?;
        }
        Ok(())
    }

    /// Tries each tool in a scratch directory, and removes it.
    async fn tools(&mut self, word: &str) -> Result<(), Failure> {
        let made = format!("umask 077; d=\"${{TMPDIR:-/tmp}}/towline-check-{word}\"; mkdir \"$d\" && cd \"$d\" && pwd");
        self.step("Bash", bash(&made, Place::Session), |body| ended(body, 0, "").map(drop)).await?;
        if !self.wrong.is_empty() {
            return Ok(());
        }
        self.commands().await?;
        self.files().await?;
        self.search().await?;
        let gone = format!("d=\"${{TMPDIR:-/tmp}}/towline-check-{word}\"; cd / && rm -rf \"$d\" && [ ! -e \"$d\" ]");
        self.step("Bash", bash(&gone, Place::Session), |body| ended(body, 0, "").map(drop)).await
    }

    async fn commands(&mut self) -> Result<(), Failure> {
        let both = bash("printf 'out\\n'; printf 'err\\n' >&2; (exit 3)", Place::Session);
        self.step("Bash", both, |body| ended(body, 3, "out\nerr\n").map(drop)).await?;
        self.step("Bash", bash("export TOWLINE_CHECK=kept", Place::Session), |body| ended(body, 0, "").map(drop)).await?;
        self.step("Bash", bash("printf %s \"$TOWLINE_CHECK\"", Place::Session), |body| ended(body, 0, "kept").map(drop)).await?;
        let started = self.call(bash("printf 'begun\\n'; sleep 300", Place::Background)).await;
        let id = match started {
            Ok(Answer { body: Body::Execution(execution), .. }) => execution.id,
            Ok(_) => return Ok(()),
            Err(failure) => {
                self.wrong.push(("Bash", failure.to_string()));
                return Ok(());
            }
        };
        let output = Action::JobOutput(action::JobOutput {
            id: id.clone(),
            stream: action::Stream::Stdout,
            offset: Some(0),
            limit: None,
            tail: None,
            grep: None,
            wait: Some(Duration::from_secs(10)),
            wait_for: WaitFor::Output,
        });
        self.step("JobOutput", output, |body| match body {
            Body::JobOutput(slice) if slice.bytes == b"begun\n" => Ok(()),
            other => Err(unexpected(other)),
        })
        .await?;
        let stop = Action::JobStop(action::JobStop { id, signal: None });
        self.step("JobStop", stop, |body| match body {
            Body::Stopped(stopped) if stopped.confirmed => Ok(()),
            other => Err(unexpected(other)),
        })
        .await?;
        self.step("Jobs", Action::Jobs, |body| if matches!(body, Body::Jobs(_)) { Ok(()) } else { Err(unexpected(body)) }).await
    }

    async fn files(&mut self) -> Result<(), Failure> {
        let write = Action::Write(action::Write { file_path: "a b.txt".into(), content: b"one\ntwo\nthree\n".to_vec(), append: false });
        self.step("Write", write, written).await?;
        self.step("Read", Action::Read(window("a b.txt")), |body| holds(body, &["one\ntwo\nthree\n"])).await?;
        self.step("Edit", edit(&[("two", "2")], false), written).await?;
        self.step("MultiEdit", edit(&[("one", "1"), ("three", "3")], true), written).await?;
        let both = Action::MultiRead(vec![window("a b.txt"), window("a b.txt")]);
        self.step("MultiRead", both, |body| holds(body, &["1\n2\n3\n", "1\n2\n3\n"])).await?;
        self.step("Stat", Action::Stat(vec!["a b.txt".into()]), |body| match body {
            Body::Stats(stats) if stats.iter().all(|(_, found)| found.as_ref().is_ok_and(|e| e.kind == "file" && e.size == Some(6))) => {
                Ok(())
            }
            other => Err(unexpected(other)),
        })
        .await?;
        self.step("List", Action::List(action::List { path: None, hidden: true }), |body| match body {
            Body::Listing(listing) if listing.entries.iter().any(|entry| entry.name == "a b.txt") => Ok(()),
            other => Err(unexpected(other)),
        })
        .await
    }

    async fn search(&mut self) -> Result<(), Failure> {
        let found = |body: &Body, wanted: &str| match body {
            Body::Found(text) if text.contains(wanted) => Ok(()),
            other => Err(unexpected(other)),
        };
        let glob = Action::Glob(action::Glob { pattern: "*.txt".into(), path: None });
        self.step("Glob", glob, |body| found(body, "a b.txt")).await?;
        let grep = Action::Grep(action::Grep {
            pattern: "^2$".into(),
            path: None,
            glob: None,
            file_type: None,
            mode: GrepMode::Content,
            after: None,
            before: None,
            context: None,
            numbers: true,
            ignore_case: false,
            only_matching: false,
            head_limit: 10,
            offset: 0,
            multiline: false,
        });
        self.step("Grep", grep, |body| found(body, "a b.txt:2:2")).await
    }

    /// Tells the time of one call on the warm line, and ends the check's session.
    async fn timing(&mut self) -> Result<(), Failure> {
        let mut times = Vec::new();
        for _ in 0..TIMED {
            let began = Instant::now();
            if self.call(bash(":", Place::Session)).await.is_ok() {
                times.push(began.elapsed());
            }
        }
        times.sort_unstable();
        if let Some(median) = times.get(times.len() / 2) {
            Printer::text(&format!(
                "a Bash call takes {:.1} ms (median of {}), the round trip included",
                median.as_secs_f64() * 1000.0,
                times.len()
            ))?;
        }
        self.step("Disconnect", Action::Disconnect(action::Disconnect { end: true }), |body| {
            if matches!(body, Body::Text(_)) { Ok(()) } else { Err(unexpected(body)) }
        })
        .await
    }

    /// The last line.
    fn verdict(&self) -> Result<u8, Failure> {
        let mut text = String::new();
        if self.wrong.is_empty() {
            let _ = write!(text, "All is well: {} checks, every tool works on {}.", self.tried, self.host);
            Printer::text(&text)?;
            return Ok(0);
        }
        let mut tools: Vec<_> = self.wrong.iter().map(|(tool, _)| *tool).collect();
        tools.dedup();
        let _ = write!(text, "Something is wrong on {}: {} (see the lines marked WRONG).", self.host, tools.join(", "));
        Printer::text(&text)?;
        Ok(FOUND_WRONG)
    }
}

fn bash(command: &str, place: Place) -> Action {
    Action::Bash(action::Bash {
        command: command.to_owned(),
        timeout: None,
        on_timeout: OnTimeout::Background,
        description: Some("towline check".to_owned()),
        place,
        cwd: None,
        env: Vec::new(),
        env_secrets: Vec::new(),
        stdin: None,
        stderr: action::Stderr::Merged,
    })
}

fn window(path: &str) -> ReadWindow {
    ReadWindow { file_path: path.to_owned(), offset: None, limit: None, allow_large: false }
}

fn edit(pairs: &[(&str, &str)], multi: bool) -> Action {
    let edits = pairs.iter().map(|(old, new)| Replacement { old: (*old).to_owned(), new: (*new).to_owned(), all: false });
    Action::Edit(action::Edit { file_path: "a b.txt".to_owned(), edits: edits.collect(), multi })
}

/// The execution, if it ended with this status and, unless that is empty, this output.
fn ended<'a>(body: &'a Body, status: u8, output: &str) -> Result<&'a Execution, String> {
    match body {
        Body::Execution(done) if done.state == State::Exited(status) && (output.is_empty() || done.stdout.head == output.as_bytes()) => {
            Ok(done)
        }
        other => Err(unexpected(other)),
    }
}

fn written(body: &Body) -> Result<(), String> {
    if matches!(body, Body::Written(_)) { Ok(()) } else { Err(unexpected(body)) }
}

/// Whether files were read that hold just this.
fn holds(body: &Body, wanted: &[&str]) -> Result<(), String> {
    let Body::Files(views) = body else { return Err(unexpected(body)) };
    let same = |view: &Result<_, _>, text: &str| match view {
        Ok(towline_engine::answer::FileView { content: FileContent::Text { bytes, .. }, .. }) => bytes == text.as_bytes(),
        Ok(_) | Err(towline_engine::answer::FileFailure { .. }) => false,
    };
    let all = views.len() == wanted.len() && views.iter().zip(wanted).all(|(view, text)| same(view, text));
    if all { Ok(()) } else { Err(unexpected(body)) }
}

/// What came in the place of what was wanted, cut.
fn unexpected(body: &Body) -> String {
    let text: String = format!("{body:?}").chars().take(300).collect();
    format!("the answer is not what was wanted: {text}")
}

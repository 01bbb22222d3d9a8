//! A host with terminals, and short words to use them.

use std::time::{Duration, Instant};

use towline_base::{Failure, TerminalName};
use towline_engine::action::{Asks, Key, Mode, Size, TerminalOpen, TerminalRead, TerminalSend, TerminalWait};
use towline_engine::answer::{Ended, Terminal};
use towline_engine::terminals::Recorder;
use towline_engine::{Action, Answer, Body, Engine, Settings};
use towline_testkit::LabOptions;

use crate::rig::Rig;

/// Longest that a test waits for anything.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// A rig whose tmux server ends with it.
pub(crate) struct Desk {
    pub(crate) rig: Rig,
}

impl Desk {
    pub(crate) fn start() -> Self {
        Self::with(LabOptions::default())
    }

    pub(crate) fn with(options: LabOptions) -> Self {
        let rig = Rig::with(options);
        // A prompt that is known, and a shell that could not be told from a user's.
        std::fs::write(rig.lab.sshd.home().join(".bash_profile"), "PS1='prompt$ '\n").expect("a file can be written");
        Self { rig }
    }

    /// A desk whose terminals are recorded.
    pub(crate) fn recorded(recorder: Recorder) -> Self {
        let mut desk = Self::start();
        desk.rig.engine = Engine::new(Settings { recorder: Some(recorder), ..Rig::settings(&desk.rig.lab) });
        desk
    }

    /// A desk on a host whose line is up, so that its shell can be taught to tell where it is.
    pub(crate) async fn connected() -> Self {
        let desk = Self::start();
        desk.rig.run("true").await;
        desk
    }

    pub(crate) async fn perform(&self, action: Action) -> Result<Answer, Failure> {
        self.rig.perform(action).await
    }

    pub(crate) async fn open(&self, name: &str, command: Option<&str>) -> Terminal {
        view(self.perform(opening(name, command)).await.expect("it opens"))
    }

    pub(crate) async fn send(&self, name: &str, text: &str, wait: TerminalWait) -> Terminal {
        view(self.perform(sending(name, text, &[], true, wait)).await.expect("it sends"))
    }

    pub(crate) async fn keys(&self, name: &str, text: &str, keys: &[&str]) -> Terminal {
        view(self.perform(sending(name, text, keys, false, TerminalWait::Quiet)).await.expect("it sends"))
    }

    pub(crate) async fn read(&self, name: &str, mode: Mode, wait: TerminalWait) -> Terminal {
        view(self.perform(reading(name, mode, wait)).await.expect("it reads"))
    }

    pub(crate) async fn until(&self, name: &str, word: &str) -> Terminal {
        let end = Instant::now() + SOON;
        loop {
            let terminal = self.read(name, Mode::Screen, TerminalWait::Nothing).await;
            if text(&terminal).contains(word) {
                return terminal;
            }
            assert!(Instant::now() < end, "{word} did not come: {}", text(&terminal));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// How the terminal's program ended; it comes a moment after the last of what it printed.
    pub(crate) async fn end(&self, name: &str) -> Ended {
        let end = Instant::now() + SOON;
        loop {
            let terminal = self.read(name, Mode::Screen, TerminalWait::Nothing).await;
            if let Some(ended) = terminal.ended {
                return ended;
            }
            assert!(Instant::now() < end, "it does not end: {}", text(&terminal));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        kill_tmux(&self.rig);
    }
}

/// Ends the tmux server of a test, by the socket that towline prints.
pub(crate) fn kill_tmux(rig: &Rig) {
    let state = rig.lab.state_dir();
    for process in towline_testkit::process::with_argument(&state.join("terminals/tmux.conf").to_string_lossy()) {
        towline_testkit::process::kill(process.pid);
    }
}

pub(crate) fn view(answer: Answer) -> Terminal {
    let Body::Terminal(terminal) = answer.body else { panic!("not a terminal: {:?}", answer.body) };
    *terminal
}

pub(crate) fn text(terminal: &Terminal) -> String {
    terminal.shown.lines.join("\n")
}

pub(crate) fn name(text: &str) -> Option<TerminalName> {
    (!text.is_empty()).then(|| TerminalName::parse(text).expect("a name"))
}

pub(crate) fn opening(given: &str, command: Option<&str>) -> Action {
    let size = Size { cols: 100, rows: 24 };
    Action::TerminalOpen(TerminalOpen { name: name(given), size, command: command.map(str::to_owned), persist: false })
}

pub(crate) fn sending(given: &str, text: &str, keys: &[&str], enter: bool, wait: TerminalWait) -> Action {
    let keys = keys.iter().map(|key| Key::parse(key).expect("a key")).collect();
    let text = (!text.is_empty()).then(|| text.to_owned());
    let (timeout, asks) = (Some(SOON), Asks::Nothing);
    Action::TerminalSend(TerminalSend { name: name(given), text, keys, secret: None, enter, resize: None, wait, timeout, asks })
}

pub(crate) fn reading(given: &str, mode: Mode, wait: TerminalWait) -> Action {
    Action::TerminalRead(TerminalRead { name: name(given), mode, lines: None, wait, colours: false, timeout: Some(SOON) })
}

pub(crate) fn pattern(text: &str) -> TerminalWait {
    TerminalWait::Pattern(text.to_owned())
}

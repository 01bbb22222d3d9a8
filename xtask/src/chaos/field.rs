//! One host with its link, its towlines and what is written down about them while the run goes on.
//!
//! Holds to: everything is noted with the time since the run's beginning, so that the story of one command can be told afterwards.
//! Leaves out: what is called and what goes wrong.

use std::collections::HashMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use towline_testkit::{SshdOptions, process};

use super::client::Towline;
use super::plan::Work;
use super::words::Said;
use crate::lab::{self, Lab};
use crate::run::{self, Outcome, Trouble};

/// The shell of the sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shell {
    Bash,
    Dash,
    Busybox,
}

impl Shell {
    /// Every shell.
    pub(super) const ALL: [Self; 3] = [Self::Bash, Self::Dash, Self::Busybox];

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Dash => "dash",
            Self::Busybox => "busybox ash",
        }
    }

    /// A host whose sessions run in it. Without bash in the PATH the host's own sh is used; busybox brings its own utilities, too.
    fn host(self, bin: &Path) -> Outcome<SshdOptions> {
        let mut options = SshdOptions::default();
        let taken: Vec<(String, PathBuf)> = match self {
            Self::Bash => return Ok(options),
            Self::Dash => {
                let found = ["/usr/sbin", "/bin", "/usr/bin"].iter().filter_map(|dir| std::fs::read_dir(dir).ok()).flatten().flatten();
                let named = found.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()));
                named.filter(|(name, _)| !name.contains("bash")).collect()
            }
            Self::Busybox => {
                let busybox = run::find("busybox").ok_or_else(|| Trouble::new("busybox is not installed"))?;
                let applets = run::capture(run::command(&busybox).arg("--list"))?;
                options.env = ["TL_SELF", "TL_USER_SHELL"].map(|name| (name.to_owned(), "busybox ash".to_owned())).to_vec();
                applets.lines().map(|name| (name.to_owned(), busybox.clone())).collect()
            }
        };
        std::fs::create_dir_all(bin)?;
        for (name, program) in taken {
            // Two directories may have the same program.
            let _ = symlink(program, bin.join(name));
        }
        options.path = Some(bin.into());
        options.login_shell = vec!["/bin/sh".to_owned()];
        Ok(options)
    }
}

/// What is known of one command.
#[derive(Clone, Debug)]
pub(super) struct Story {
    /// What it was to do.
    pub(super) work: Work,
    /// The towline that asked for it.
    pub(super) towline: usize,
    /// What was said of it, in order; the first is the answer to the call.
    pub(super) said: Vec<(Duration, Said)>,
    /// When it was asked for.
    pub(super) asked: Duration,
    /// Its id, once that is known.
    pub(super) id: Option<String>,
    /// What was wrong with what was shown of its output.
    pub(super) wrong: Vec<String>,
    /// Whether its outcome has been read.
    pub(super) settled: bool,
    /// Whether it was told that some of its output may be missing.
    pub(super) may_miss: bool,
}

/// A host and what happens there.
pub(super) struct Field {
    /// Its number.
    pub(super) number: usize,
    /// The shell of its sessions.
    pub(super) shell: Shell,
    /// The host, the link, the client's side.
    pub(super) lab: Lab,
    /// Two clients of one person.
    pub(super) towlines: Vec<Towline>,
    /// When the run began.
    pub(super) begun: Instant,
    /// Set when no more is to go wrong and no more is to be asked.
    pub(super) over: AtomicBool,
    /// Every command, by its token.
    pub(super) stories: Mutex<HashMap<String, Story>>,
    /// What went wrong: from, until, what.
    pub(super) faults: Mutex<Vec<(Duration, Duration, String)>>,
    /// The fault that is alone now and is over, with its beginning and end.
    pub(super) measured: Mutex<Option<(Duration, Duration)>>,
    /// When each command's end was seen on the host.
    pub(super) ends: Mutex<HashMap<String, Duration>>,
    /// Milliseconds from the link's return to a waiting call's answer.
    pub(super) recoveries: Mutex<Vec<f64>>,
    /// Milliseconds until a ping was answered.
    pub(super) pings: Mutex<Vec<f64>>,
    /// What must never be.
    pub(super) violations: Mutex<Vec<String>>,
    _bin: tempfile::TempDir,
}

impl Field {
    /// A host with two towlines that are started.
    pub(super) fn start(number: usize, shell: Shell, binary: &Path, begun: Instant) -> Outcome<Self> {
        let bin = tempfile::Builder::new().prefix("tl-").tempdir()?;
        let lab = Lab::with(shell.host(&bin.path().join("bin"))?)?;
        // A long run has more outcomes than a host keeps, and each is to be there in the end.
        let settings = lab.kit.dir().join("chaos.toml");
        std::fs::write(&settings, "[defaults]\nkeep = { outcomes = 100000 }\n")?;
        let towline = |n: usize| {
            let log = lab.kit.dir().join(format!("towline-{n}.log"));
            let mut environment = lab.environment();
            environment.push(("TOWLINE_CONFIG".into(), settings.clone().into()));
            Towline::new(format!("chaos-{number}-{n}"), binary.to_path_buf(), environment, log)
        };
        let towlines: Vec<Towline> = (0..2).map(towline).collect();
        for towline in &towlines {
            towline.start()?;
        }
        Ok(Self {
            number,
            shell,
            lab,
            towlines,
            begun,
            over: AtomicBool::new(false),
            stories: Mutex::default(),
            faults: Mutex::default(),
            measured: Mutex::default(),
            ends: Mutex::default(),
            recoveries: Mutex::default(),
            pings: Mutex::default(),
            violations: Mutex::default(),
            _bin: bin,
        })
    }

    /// Time since the run began.
    pub(super) fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Whether the run's end has come, or a person asked for it.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst) || lab::interrupted()
    }

    /// Notes something that must never be.
    pub(super) fn violation(&self, text: String) {
        eprintln!("  VIOLATION on host {} ({}) after {:.1} s: {text}", self.number, self.shell.name(), self.now().as_secs_f64());
        lock(&self.violations).push(text);
    }

    /// Changes what is known of a command.
    pub(super) fn tell<R>(&self, token: &str, change: impl FnOnce(&mut Story) -> R) -> Option<R> {
        lock(&self.stories).get_mut(token).map(change)
    }

    /// The lines of a file in the host's home directory.
    pub(super) fn lines(&self, name: &str) -> Vec<String> {
        let text = std::fs::read(self.lab.host_home().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&text).lines().map(str::to_owned).collect()
    }

    /// towline's state directory on the host, once there is one.
    pub(super) fn root(&self) -> Option<PathBuf> {
        let version = self.lab.host_home().join(".local/state/towline/v1");
        std::fs::read_dir(version).ok()?.flatten().next().map(|entry| entry.path())
    }

    /// Copies the host's home directory, with all that towline keeps there, into a directory of its own.
    pub(super) fn copy_home(&self, into: &Path) -> Outcome<()> {
        std::fs::create_dir_all(into)?;
        let to = into.join(format!("host-{}", self.number));
        run::run(run::command("cp").arg("-a").arg(self.lab.host_home()).arg(to))
    }

    /// The masters among the client's processes.
    pub(super) fn masters(&self) -> Vec<process::Process> {
        self.lab.kit.client_processes().into_iter().filter(|process| process.command.contains("[mux]")).collect()
    }

    /// Notes when each command writes down its end.
    pub(super) fn watch_ends(&self) {
        let file = self.lab.host_home().join("ends");
        let mut seen = 0;
        while !self.is_over() {
            std::thread::sleep(Duration::from_millis(10));
            let text = std::fs::read(&file).unwrap_or_default();
            let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            if whole > seen {
                let now = self.now();
                let mut ends = lock(&self.ends);
                for line in String::from_utf8_lossy(&text[seen..whole]).lines() {
                    ends.insert(line.to_owned(), now);
                }
                seen = whole;
            }
        }
    }
}

/// The value of a mutex, whoever panicked with it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

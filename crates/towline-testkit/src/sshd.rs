//! A real server of ssh on loopback, in a temporary directory: own host key, own user key, own home for what runs "on the host".
//!
//! Holds to: ready when [`Sshd::start`] returns; everything that it or its sessions started, detached or not, ends with it (all
//! carry a mark in their environment). Leaves out: passwords, PAM where the account does not need it, and the account's real
//! home: a forced command gives each session [`Sshd::home`] and then does what sshd would do: `SHELL -c COMMAND`. Which server
//! it is, OpenSSH's or Dropbear, is seen only where it is started.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::dropbear;
use crate::privsep::PrivsepDir;
use crate::process::{self, Process, command};
use crate::shells::{quote, which};
use crate::stage::{self, Stage};

/// The variable that every process "on the host" carries; its value is [`Sshd::mark`].
pub const MARK: &str = "TOWLINE_LAB_HOST";

/// How an sshd is set up.
#[derive(Clone, Debug, Default)]
pub struct SshdOptions {
    /// `MaxSessions`; sshd's own default (10) if not given.
    pub max_sessions: Option<u32>,
    /// `MaxStartups`, such as `10:30:100`.
    pub max_startups: Option<String>,
    /// More lines of `sshd_config`; they come first, so they win.
    pub config: Vec<String>,
    /// Program and arguments that stand before `-c` in place of the account's login shell; `/bin/bash` or `/bin/sh` if empty.
    pub login_shell: Vec<String>,
    /// PATH on the host; the usual system directories if not given.
    pub path: Option<OsString>,
    /// More variables on the host.
    pub env: Vec<(String, String)>,
    /// Accounts of its own; see [`crate::stage::possible`].
    pub stage: Option<Stage>,
    /// The last part of the home directory's path; `home` if empty.
    pub home: String,
    /// Which server it is.
    pub server: Server,
}

/// A server of ssh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Server {
    /// OpenSSH's.
    #[default]
    OpenSsh,
    /// Dropbear, which reads keys in the account's home alone: it needs a stage. It knows none of sshd's settings.
    Dropbear,
}

/// A running sshd.
#[derive(Debug)]
pub struct Sshd {
    child: Option<Child>,
    program: PathBuf,
    server: Server,
    port: u16,
    mark: String,
    user: String,
    home: String,
    dir: TempDir,
    /// The program that shows sshd its own accounts.
    on_stage: Option<PathBuf>,
    _privsep: Option<PrivsepDir>,
}

impl Sshd {
    /// Starts one and waits until it answers.
    ///
    /// # Panics
    /// If there is no sshd on this machine or it does not come up.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "a test writes its options in place")]
    pub fn start(options: SshdOptions) -> Self {
        Self::try_start(&options).unwrap_or_else(|error| panic!("the lab's sshd does not start: {error}"))
    }

    /// Starts one and waits until it answers.
    ///
    /// # Errors
    /// If there is no sshd on this machine or it does not come up.
    pub fn try_start(options: &SshdOptions) -> io::Result<Self> {
        let missing = |name: &str, package: &str| io::Error::other(format!("there is no {name} on this machine (Debian: {package})"));
        let program = match options.server {
            Server::OpenSsh => which("sshd").ok_or_else(|| missing("sshd", "openssh-server"))?,
            Server::Dropbear => which("dropbear").ok_or_else(|| missing("dropbear", "dropbear-bin"))?,
        };
        let dir = tempfile::Builder::new().prefix("tl-").tempdir()?;
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700))?;
        let mark = dir.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let privsep = PrivsepDir::hold()?;
        let home = if options.home.is_empty() { "home" } else { &options.home }.to_owned();
        for name in [&home, "empty"] {
            fs::create_dir(dir.path().join(name))?;
        }
        for key in ["host_key", "user_key"] {
            make_key(&dir.path().join(key))?;
        }
        let (server, user) = (options.server, account()?);
        let mut sshd = Self { child: None, program, server, port: 0, mark, user, home, dir, on_stage: None, _privsep: privsep };
        sshd.write_login(options)?;
        if server == Server::Dropbear {
            dropbear::prepare(sshd.dir.path(), &sshd.home())?;
        }
        if let Some(stage) = &options.stage {
            stage.user().clone_into(&mut sshd.user);
            sshd.on_stage = Some(stage::set(stage, sshd.dir.path(), &sshd.home())?);
        }
        let mut last = io::Error::other("no free port");
        for _ in 0..5 {
            sshd.port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
            sshd.write_config(options)?;
            match sshd.run() {
                Ok(()) => return sshd.write_known_hosts(&[sshd.port]).map(|()| sshd),
                Err(error) => last = error, // The port may have been taken in between.
            }
        }
        Err(last)
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The directory that holds its files.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The home directory of whoever logs in: what towline leaves on the host is here.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.dir.path().join(&self.home)
    }

    /// The user to log in as.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The private key that it accepts.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.dir.path().join("user_key")
    }

    /// The `known_hosts` file that holds its host key.
    #[must_use]
    pub fn known_hosts(&self) -> PathBuf {
        self.dir.path().join("known_hosts")
    }

    /// What it logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("sshd.log")).unwrap_or_default()
    }

    /// The value of [`MARK`] that the processes of its sessions carry.
    #[must_use]
    pub fn mark(&self) -> &str {
        &self.mark
    }

    /// The processes that its sessions started and that are alive, detached ones too; not sshd's own.
    #[must_use]
    pub fn session_processes(&self) -> Vec<Process> {
        process::with_environment(MARK, &self.mark)
    }

    /// sshd's own processes, one or two for each connection, and everything below them.
    #[must_use]
    pub fn connection_processes(&self) -> Vec<Process> {
        self.child.as_ref().map(|child| process::descendants(child.id())).unwrap_or_default()
    }

    /// A `Host` block of `ssh_config` for it, by way of that port.
    #[must_use]
    pub fn client_config(&self, alias: &str, port: u16) -> String {
        let (user, key, known) = (&self.user, self.key(), self.known_hosts());
        format!(
            "Host {alias}\n  HostName 127.0.0.1\n  Port {port}\n  User {user}\n  IdentityFile {}\n  IdentitiesOnly yes\n  \
             IdentityAgent none\n  UserKnownHostsFile {}\n  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n",
            key.display(),
            known.display(),
        )
    }

    /// Writes `known_hosts` afresh, with the host key under each of these ports of 127.0.0.1.
    ///
    /// # Errors
    /// If a file cannot be read or written.
    pub fn write_known_hosts(&self, ports: &[u16]) -> io::Result<()> {
        let key = fs::read_to_string(self.dir.path().join("host_key.pub"))?;
        let lines: Vec<String> = ports.iter().map(|port| format!("[127.0.0.1]:{port} {}\n", key.trim())).collect();
        fs::write(self.known_hosts(), lines.concat())
    }

    /// Makes a new host key, which sshd uses from its next start on; `known_hosts` keeps the old one.
    ///
    /// # Errors
    /// If the key cannot be made.
    pub fn change_host_key(&self) -> io::Result<()> {
        let key = self.dir.path().join("host_key");
        fs::remove_file(&key)?;
        make_key(&key)
    }

    /// Ends every connection, as a network or sshd's crash would; the listener stays, and so do detached processes.
    pub fn end_connections(&self) {
        let program = self.program.to_string_lossy();
        for process in self.connection_processes() {
            if process.command.starts_with("sshd") || process.command.starts_with(&*program) {
                process::kill(process.pid);
            }
        }
    }

    /// Ends the listener and every connection; detached processes stay. [`Sshd::restart`] brings it back on the same port.
    pub fn stop(&mut self) {
        self.end_connections();
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts the listener again on the same port.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn restart(&mut self) -> io::Result<()> {
        self.stop();
        self.run()
    }

    /// Starts the listener and waits for the banner.
    fn run(&mut self) -> io::Result<()> {
        let mut sshd = command(if self.on_stage.is_some() { Path::new("unshare") } else { &self.program });
        if let Some(on_stage) = &self.on_stage {
            sshd.arg("-m").arg(on_stage).arg(&self.program);
        }
        let (dir, log) = (self.dir.path(), self.dir.path().join("sshd.log"));
        let mut said = Stdio::null();
        match self.server {
            Server::OpenSsh => drop(sshd.arg("-D").arg("-f").arg(dir.join("sshd_config")).arg("-E").arg(log)),
            Server::Dropbear => {
                sshd.args(dropbear::arguments(dir, self.port));
                said = fs::OpenOptions::new().create(true).append(true).open(log)?.into();
            }
        }
        let mut child = sshd.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said).spawn()?;
        let end = Instant::now() + Duration::from_secs(10);
        while !banner(self.port) {
            if child.try_wait()?.is_some() || Instant::now() > end {
                let _ = child.kill();
                let _ = child.wait();
                return Err(io::Error::other(self.log()));
            }
            std::thread::sleep(Duration::from_millis(3));
        }
        // A stranger on the same port would have answered too, but then ours is dead.
        if child.try_wait()?.is_some() {
            return Err(io::Error::other(self.log()));
        }
        self.child = Some(child);
        Ok(())
    }

    fn write_config(&self, options: &SshdOptions) -> io::Result<()> {
        let dir = self.dir.path().display();
        let mut lines = options.config.clone();
        if let Some(count) = options.max_sessions {
            lines.push(format!("MaxSessions {count}"));
        }
        if let Some(rule) = &options.max_startups {
            lines.push(format!("MaxStartups {rule}"));
        }
        lines.extend([
            format!("Port {}", self.port),
            "ListenAddress 127.0.0.1".into(),
            format!("HostKey {dir}/host_key"),
            format!("AuthorizedKeysFile {dir}/user_key.pub"),
            "PidFile none".into(),
            "StrictModes no".into(),
            format!("UsePAM {}", if options.stage.is_some() || account_is_locked(&self.user) { "yes" } else { "no" }),
            "UseDNS no".into(),
            "PermitRootLogin prohibit-password".into(),
            "PasswordAuthentication no".into(),
            "KbdInteractiveAuthentication no".into(),
            "PrintMotd no".into(),
            "AcceptEnv LANG LC_*".into(),
            "LogLevel VERBOSE".into(),
            format!("ForceCommand {dir}/login"),
            format!("SetEnv HOME={dir}/empty {MARK}={}", self.mark),
        ]);
        if penalties_are_known() {
            lines.push("PerSourcePenalties no".into());
        }
        let given = options.config.iter().any(|line| line.starts_with("Subsystem"));
        if let Some(sftp) = ["/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/lib/ssh/sftp-server"]
            .into_iter()
            .find(|file| !given && Path::new(file).exists())
        {
            lines.push(format!("Subsystem sftp {sftp}"));
        }
        lines.push(String::new());
        fs::write(self.dir.path().join("sshd_config"), lines.join("\n"))
    }

    /// Writes the forced command: it sets the stage and then starts the login shell as sshd does.
    fn write_login(&self, options: &SshdOptions) -> io::Result<()> {
        use std::fmt::Write as _;
        let home = self.home();
        let default = || if Path::new("/bin/bash").exists() { vec!["/bin/bash".to_owned()] } else { vec!["/bin/sh".to_owned()] };
        let shell = if options.login_shell.is_empty() { default() } else { options.login_shell.clone() };
        let path = options.path.clone().unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin".into());
        let mut text = String::from("#!/bin/sh\n# What sshd does for an account, with another home and shell.\nunset SHLVL PWD OLDPWD _\n");
        let mut set = |name: &str, value: &str| {
            let _ = writeln!(text, "{name}={}; export {name}", quote(value));
        };
        if options.server == Server::Dropbear {
            set(MARK, &self.mark);
        }
        set("HOME", &home.to_string_lossy());
        set("SHELL", &shell[0]);
        set("PATH", &path.to_string_lossy());
        for (name, value) in &options.env {
            set(name, value);
        }
        let words: Vec<String> = shell.iter().map(|word| quote(word)).collect();
        let shell = words.join(" ");
        text.push_str("cd \"$HOME\" || exit 1\n");
        let _ = writeln!(text, "if [ -z \"${{SSH_ORIGINAL_COMMAND+set}}\" ]; then exec {shell} -l; fi");
        let _ = writeln!(text, "exec {shell} -c \"$SSH_ORIGINAL_COMMAND\"");
        let file = self.dir.path().join("login");
        fs::write(&file, text)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755))
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
        // A fresh copy of a session has the environment that the session had, and not the mark; its programs lie in our directory.
        let directory = self.dir.path().to_string_lossy().into_owned();
        process::kill_until_gone(|| self.session_processes().into_iter().chain(process::with_argument(&directory)).collect());
    }
}

/// Whether an SSH banner can be read on that port.
fn banner(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
    let mut word = [0; 4];
    stream.read_exact(&mut word).is_ok() && &word == b"SSH-"
}

fn make_key(file: &Path) -> io::Result<()> {
    let _ = fs::remove_file(file.with_extension("pub"));
    let status =
        command("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f"]).arg(file).stdin(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other("ssh-keygen failed")) }
}

/// The name of the account that the tests run under.
fn account() -> io::Result<String> {
    let output = command("id").arg("-un").output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether sshd without PAM would call the account locked; only root can know, and only root's sshd looks.
fn account_is_locked(user: &str) -> bool {
    let shadow = fs::read_to_string("/etc/shadow").unwrap_or_default();
    shadow.lines().filter_map(|line| line.strip_prefix(user)?.strip_prefix(':')).any(|rest| rest.starts_with('!'))
}

/// Whether the machine's sshd punishes sources that fail (9.8 and later); a test's failures must not slow down its neighbours.
#[must_use]
pub fn penalties_are_known() -> bool {
    static KNOWN: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *KNOWN.get_or_init(|| {
        let Some(sshd) = which("sshd") else { return false };
        let output = command(sshd).args(["-t", "-f", "/dev/null", "-o", "PerSourcePenalties=no"]).stdin(Stdio::null()).output();
        output.is_ok_and(|output| !String::from_utf8_lossy(&output.stderr).contains("PerSourcePenalties"))
    })
}

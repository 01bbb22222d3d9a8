//! What the transport is told once: by the person who starts towline, and by their environment.
//!
//! Holds to: nothing here comes from an agent. Leaves out: reading a configuration file.

use std::ffi::OsString;
use std::path::PathBuf;

use towline_base::env;

use crate::access::Access;
use crate::sockets;

/// Where ssh itself looks for a desktop's askpass.
const USUAL_ASKPASS: &str = "/usr/bin/ssh-askpass";

/// What the person who starts towline says, and what their environment says.
#[derive(Clone, Debug)]
pub struct SshSettings {
    /// The program to start as ssh.
    pub program: PathBuf,
    /// Arguments for ssh before `--`; never from an agent.
    pub options: Vec<String>,
    /// Where the list of shared connections is kept; made with mode 0700.
    pub state_dir: PathBuf,
    /// `XDG_RUNTIME_DIR`.
    pub runtime_dir: Option<PathBuf>,
    /// The user's home directory.
    pub home: Option<PathBuf>,
    /// `SSH_AUTH_SOCK`.
    pub auth_socket: Option<PathBuf>,
    /// Variables that ssh gets besides those of this process.
    pub env: Vec<(OsString, OsString)>,
    /// What logins may use, and by whom ssh asks.
    pub access: Access,
    /// The desktop's own askpass.
    pub desktop: Option<PathBuf>,
}

impl SshSettings {
    /// Settings that name nothing of the environment.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>, state_dir: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            options: Vec::new(),
            state_dir: state_dir.into(),
            runtime_dir: None,
            home: None,
            auth_socket: None,
            env: Vec::new(),
            access: Access::default(),
            desktop: None,
        }
    }

    /// The same with the runtime directory, the home directory and the agent's socket that the environment names.
    #[must_use]
    pub fn with_environment(mut self) -> Self {
        let path = |variable| env::read(variable).map(PathBuf::from);
        self.runtime_dir = path(env::Variable::XdgRuntime).or_else(sockets::usual_runtime_dir);
        self.home = path(env::Variable::Home);
        self.auth_socket = path(env::Variable::SshAuthSock);
        let screen = path(env::Variable::Display).or_else(|| path(env::Variable::WaylandDisplay));
        let usual = || Some(PathBuf::from(USUAL_ASKPASS)).filter(|program| program.exists());
        self.desktop = screen.and_then(|_| path(env::Variable::Askpass).or_else(usual));
        self
    }
}

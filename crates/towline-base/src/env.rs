//! The environment: one table of the variables that towline reads, one function that reads them.

use std::ffi::OsString;

macro_rules! variables {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal;)+) => {
        /// An environment variable that towline reads.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Variable { $($(#[doc = $doc])* $variant,)+ }

        impl Variable {
            /// All of them; the generated docs are read from it.
            pub const ALL: &'static [Variable] = &[$(Variable::$variant,)+];
            /// Its name.
            #[must_use]
            pub fn name(self) -> &'static str { match self { $(Variable::$variant => $name,)+ } }
            /// What it is for.
            #[must_use]
            pub fn meaning(self) -> &'static str { match self { $(Variable::$variant => concat!($($doc),*),)+ } }
        }
    };
}

variables! {
    /// The program to start as ssh (default: `ssh` from PATH).
    Ssh = "TOWLINE_SSH";
    /// The program to start as tmux (default: `tmux` from PATH).
    Tmux = "TOWLINE_TMUX";
    /// The settings file (default: `$XDG_CONFIG_HOME/towline/config.toml`).
    Config = "TOWLINE_CONFIG";
    /// The host that tools work on where they name none.
    DefaultHost = "TOWLINE_DEFAULT_HOST";
    /// The tools that `towline mcp` offers, where `--tools` does not say.
    Tools = "TOWLINE_TOOLS";
    /// The directory for what towline keeps on this machine (default: `$XDG_STATE_HOME/towline`).
    StateDir = "TOWLINE_STATE_DIR";
    /// What towline writes to stderr, as a tracing filter (default: `warn`).
    Log = "TOWLINE_LOG";
    /// Names the agent's conversation, and with it the default session.
    SessionKey = "TOWLINE_SESSION_KEY";
    /// Claude Code's name for its conversation; used where no session key was given.
    ClaudeSession = "CLAUDE_CODE_SESSION_ID";
    /// `off`: no transcripts are kept on this machine.
    Transcripts = "TOWLINE_TRANSCRIPTS";
    /// The user's home directory.
    Home = "HOME";
    /// Where settings are kept, by the XDG rules.
    XdgConfig = "XDG_CONFIG_HOME";
    /// Where state is kept, by the XDG rules.
    XdgState = "XDG_STATE_HOME";
    /// Where sockets are kept, by the XDG rules.
    XdgRuntime = "XDG_RUNTIME_DIR";
    /// The ssh agent's socket.
    SshAuthSock = "SSH_AUTH_SOCK";
    /// The desktop's own askpass; used where there is a screen.
    Askpass = "SSH_ASKPASS";
    /// What kind of question ssh has for its askpass.
    AskpassPrompt = "SSH_ASKPASS_PROMPT";
    /// Where it is set, ssh has started towline to ask something: the socket of the towline that started ssh.
    AskpassSocket = "TOWLINE_ASKPASS_SOCKET";
    /// What that towline knows its own askpass by.
    AskpassToken = "TOWLINE_ASKPASS_TOKEN";
    /// There is a screen.
    Display = "DISPLAY";
    /// There is a screen.
    WaylandDisplay = "WAYLAND_DISPLAY";
    /// No colours where it is set.
    NoColor = "NO_COLOR";
}

/// Reads a variable; empty counts as not set.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn read(variable: Variable) -> Option<OsString> {
    std::env::var_os(variable.name()).filter(|value| !value.is_empty())
}

/// Reads a variable that the person's configuration names as the place of a secret; empty counts as not set.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn read_secret(name: &str) -> Option<zeroize::Zeroizing<Vec<u8>>> {
    let value = std::env::var_os(name).filter(|value| !value.is_empty())?;
    Some(std::os::unix::ffi::OsStringExt::into_vec(value).into())
}

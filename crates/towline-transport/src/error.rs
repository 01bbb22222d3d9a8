//! What can go wrong with a transport; the variant says who failed.

use std::io;
use std::path::PathBuf;

use towline_base::{Code, Failure};

/// Why there is no channel, or no more.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// ssh, or the host behind it.
    #[error("{text}")]
    Ssh {
        /// What kind of failure it is.
        code: Code,
        /// What happened, with ssh's own words.
        text: String,
        /// What to do, where more is known than the code's own hint.
        hint: Option<&'static str>,
    },
    /// tmux on this machine.
    #[error("{text}")]
    Tmux {
        /// What kind of failure it is.
        code: Code,
        /// What happened, with tmux's own words.
        text: String,
        /// What to do, where more is known than the code's own hint.
        hint: Option<&'static str>,
    },
    /// The program is not on this machine.
    #[error("the program \"{}\" is not on this machine", program.display())]
    NoProgram {
        /// As it was to be started.
        program: PathBuf,
    },
    /// This machine.
    #[error("{doing} failed")]
    Local {
        /// What was being done.
        doing: String,
        /// Why it could not be done.
        source: io::Error,
    },
}

impl TransportError {
    pub(crate) fn ssh(code: Code, text: impl Into<String>) -> Self {
        Self::Ssh { code, text: text.into(), hint: None }
    }

    pub(crate) fn local(doing: impl Into<String>, source: io::Error) -> Self {
        Self::Local { doing: doing.into(), source }
    }

    /// What kind of failure it is.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Ssh { code, .. } | Self::Tmux { code, .. } => *code,
            Self::NoProgram { .. } => Code::MissingProgram,
            Self::Local { .. } => Code::Local,
        }
    }
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Self {
        let failure = Failure::new(error.code(), error.to_string());
        match error {
            TransportError::Ssh { hint: Some(hint), .. } | TransportError::Tmux { hint: Some(hint), .. } => failure.hint(hint),
            TransportError::Ssh { hint: None, .. } | TransportError::Tmux { hint: None, .. } | TransportError::NoProgram { .. } => failure,
            TransportError::Local { doing, source } => Failure::new(Code::Local, format!("{doing} failed: {source}")),
        }
    }
}

//! Loading a key into the user's own agent, on this machine, by ssh-add.
//!
//! Holds to: the file comes from the person's settings and never from an agent; its passphrase is answered as a login's is; what ssh-add said
//! and how it ended is told as it was. Leaves out: which name means which file (`HostAccess`), whether it may be done (the policy).

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::SshTransport;
use super::login::nobody;
use crate::access::HostAccess;
use crate::askpass::{Asker, Desk};
use crate::classify::shown;
use crate::error::TransportError;
use crate::program::{self, Environment, Start};

/// How long it may take: a person may have to unlock a keyring or to touch a key.
const ADDING: Duration = Duration::from_secs(60);

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// ssh-add's exit code; `None` if it did not end in time, or was killed.
    pub code: Option<i32>,
    /// What it said, and what it asked for in vain.
    pub words: String,
}

impl SshTransport {
    /// Loads a key file into the user's agent.
    ///
    /// # Errors
    /// If ssh-add cannot be started.
    pub async fn add_key(&self, file: &Path, access: &HostAccess) -> Result<Added, TransportError> {
        let settings = &self.inner.settings;
        let deadline = Instant::now() + ADDING;
        let desk = settings.access.askpass.as_deref().and_then(|program| self.open_desk(program, self.asker_of_keys(access, deadline)));
        let mut env = self.env().await.to_vec();
        env.extend(desk.as_ref().map_or_else(nobody, Desk::environment));
        let arguments = arguments(file);
        let program = beside(&settings.program);
        let start = Start {
            program: &program,
            arguments: &arguments,
            environment: Environment::Added(&env),
            without: settings.access.wallet.variables(),
            directory: None,
        };
        let said = program::run(start, deadline).await?;
        let (code, words) = match said {
            Some(said) => (said.code, shown(&[said.stdout, said.stderr].concat())),
            None => (None, "It did not end in time.".to_owned()),
        };
        // An answer that opened the key is no trouble; one that did not is told.
        let refused = desk.as_ref().and_then(Desk::refused).map(|refused| refused.words());
        let words: Vec<String> = [Some(words), refused].into_iter().flatten().filter(|words| !words.is_empty()).collect();
        Ok(Added { code, words: words.join(" ") })
    }

    /// Who answers for a key: nothing but passphrases is asked here.
    fn asker_of_keys(&self, access: &HostAccess, deadline: Instant) -> Asker {
        let settings = &self.inner.settings;
        Asker {
            wallet: settings.access.wallet.clone(),
            access: access.clone(),
            user: String::new(),
            host: String::new(),
            literal: None,
            desktop: settings.desktop.clone(),
            accepted: Vec::new(),
            deadline,
        }
    }
}

fn arguments(file: &Path) -> Vec<OsString> {
    vec!["--".into(), file.into()]
}

/// The ssh-add that came with this ssh.
fn beside(ssh: &Path) -> PathBuf {
    let name = Path::new("ssh-add");
    let sibling = ssh.with_file_name(name);
    if sibling.is_absolute() && sibling.exists() { sibling } else { name.to_owned() }
}

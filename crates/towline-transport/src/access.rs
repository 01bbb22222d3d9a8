//! What a login may use: for each host the names of its secrets, and the wallet that fetches them.
//!
//! Holds to: said by the person's configuration alone; a host that is not named has nothing. Leaves out: reading the configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;

use towline_base::{HostAlias, SecretName};

use crate::secrets::Wallet;

/// The secrets of one configuration, and who may have which.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Fetches them.
    pub wallet: Wallet,
    /// By the host's name, as `ssh` gets it.
    pub hosts: BTreeMap<String, HostAccess>,
    /// Whether an agent may give a password in so many words.
    pub literal_passwords: LiteralPasswords,
    /// towline's own binary, which ssh starts to ask; without it ssh asks nobody.
    pub askpass: Option<PathBuf>,
}

/// Whether an agent may give a password in so many words, which then went through the model and its provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LiteralPasswords {
    /// It may not.
    #[default]
    Refused,
    /// The person has allowed it.
    Taken,
}

/// What one host's logins and commands may use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostAccess {
    /// The account's password.
    pub password: Option<SecretName>,
    /// The passphrases of key files.
    pub passphrases: BTreeMap<PathBuf, SecretName>,
    /// One-time codes: fetched anew for each question.
    pub one_time_code: Option<SecretName>,
    /// The password that sudo asks for; [`HostAccess::password`] if there is none of its own.
    pub sudo: Option<SecretName>,
    /// The key files that may be loaded into the user's agent, by the names that a caller may say.
    pub agent_keys: BTreeMap<String, PathBuf>,
}

impl Access {
    /// What this host may use; nothing if it is not named.
    #[must_use]
    pub fn of(&self, host: &HostAlias) -> HostAccess {
        self.hosts.get(host.as_str()).cloned().unwrap_or_default()
    }
}

impl HostAccess {
    /// The name of the password that sudo asks for.
    #[must_use]
    pub fn sudo_password(&self) -> Option<&SecretName> {
        self.sudo.as_ref().or(self.password.as_ref())
    }
}

//! The wallet: fetches the secrets that the person's configuration names, at the moment when one is needed.
//!
//! Holds to: a program gets no shell, no input, a deadline and a bound; a file must be the user's own and closed to others; what went
//! wrong is told without a byte of the secret or of what a program said on standard output. Leaves out: who may have which secret.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use towline_base::redact::{Learned, Redactor};
use towline_base::{Code, Failure, Secret, SecretName, SecretSource, env, limits};
use zeroize::Zeroizing;

use crate::classify::shown;
use crate::program::{self, Environment, Start};

/// The secrets of one configuration; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Wallet(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    sources: BTreeMap<SecretName, SecretSource>,
    /// The variables that hold secrets: programs are started without them.
    variables: Vec<String>,
    /// Takes what was handed out from what somebody reads.
    redactor: Redactor,
    /// What was handed out, the newest last.
    known: Mutex<Vec<Secret>>,
}

impl Wallet {
    /// A wallet of these secrets; fetches nothing yet.
    #[must_use]
    pub fn new(sources: BTreeMap<SecretName, SecretSource>) -> Self {
        Self::with_redactor(sources, Redactor::default())
    }

    /// A wallet that teaches this redactor what it hands out.
    #[must_use]
    pub fn with_redactor(sources: BTreeMap<SecretName, SecretSource>, redactor: Redactor) -> Self {
        let variable = |source: &SecretSource| match source {
            SecretSource::Env(name) => Some(name.clone()),
            SecretSource::Command(_) | SecretSource::File(_) | SecretSource::Keyring { .. } => None,
        };
        let variables = sources.values().filter_map(variable).collect();
        for name in sources.keys() {
            redactor.announce(name.as_str());
        }
        Self(Arc::new(Inner { sources, variables, redactor, known: Mutex::default() }))
    }

    /// Fetches a secret.
    ///
    /// # Errors
    /// If the configuration names none of that name, or it cannot be had before the deadline.
    pub async fn fetch(&self, name: &SecretName, deadline: Instant) -> Result<Secret, Failure> {
        let Some(source) = self.0.sources.get(name) else {
            let names: Vec<&str> = self.0.sources.keys().map(SecretName::as_str).collect();
            let hint =
                if names.is_empty() { "The configuration names no secret.".to_owned() } else { format!("There is: {}.", names.join(", ")) };
            return Err(Failure::new(Code::Unknown, format!("secret: the configuration names no secret {name}.")).hint(hint));
        };
        let fetched = self.fetch_from(source, deadline).await;
        let secret =
            fetched.map_err(|why| Failure::new(Code::SecretMissing, format!("the secret {name} could not be had from {source}: {why}")))?;
        if self.0.redactor.learn(name.as_str(), &secret) == Learned::TooShort {
            tracing::warn!(
                "the secret {name} is shorter than {} characters: it is not taken out of what somebody reads",
                limits::REDACTED_BYTES
            );
        }
        self.remember(&secret);
        Ok(secret)
    }

    /// Learns the secrets that can be had at once and without asking anybody, those of files and variables, so that they are taken out of
    /// what somebody reads also while a connection of an earlier towline needs none of them. Returns those that are too short for that.
    #[must_use]
    pub fn learn_at_hand(&self) -> Vec<SecretName> {
        let read = |source: &SecretSource| match source {
            SecretSource::Env(name) => Secret::new(env::read_secret(name)?).ok(),
            SecretSource::File(path) => Secret::of_output(read_private(path).ok()?).ok(),
            SecretSource::Command(_) | SecretSource::Keyring { .. } => None,
        };
        let known = self.0.sources.iter().filter_map(|(name, source)| Some((name, read(source)?)));
        let short = known.filter(|(name, secret)| self.0.redactor.learn(name.as_str(), secret) == Learned::TooShort);
        short.map(|(name, _)| name.clone()).collect()
    }

    /// Takes what was handed out, and what is remembered, from what somebody reads.
    #[must_use]
    pub fn redactor(&self) -> &Redactor {
        &self.0.redactor
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &SecretName> {
        self.0.sources.keys()
    }

    /// Keeps a secret in mind that came another way, so that answers are searched for it.
    pub fn remember(&self, secret: &Secret) {
        self.0.redactor.learn("password", secret);
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|other| other != secret);
        known.push(secret.clone());
        let surplus = known.len().saturating_sub(limits::KNOWN_SECRETS);
        known.drain(..surplus);
    }

    /// The secrets that were handed out so far (the last [`limits::KNOWN_SECRETS`] of them).
    #[must_use]
    pub fn known(&self) -> Vec<Secret> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The variables of towline's environment that no program gets.
    pub(crate) fn variables(&self) -> &[String] {
        &self.0.variables
    }

    async fn fetch_from(&self, source: &SecretSource, deadline: Instant) -> Result<Secret, String> {
        let deadline = deadline.min(Instant::now() + limits::SECRET_WAIT);
        match source {
            SecretSource::Command(words) => self.ask_command(words, deadline).await,
            SecretSource::Env(name) => {
                let bytes = env::read_secret(name).ok_or("it is not set")?;
                Secret::new(bytes).map_err(|why| why.to_string())
            }
            SecretSource::File(path) => {
                let bytes = read_private(path).map_err(|error| error.to_string())?;
                Secret::of_output(bytes).map_err(|why| why.to_string())
            }
            SecretSource::Keyring { service, user } => from_keyring(service.clone(), user.clone(), deadline).await,
        }
    }

    async fn ask_command(&self, words: &[String], deadline: Instant) -> Result<Secret, String> {
        let (program, arguments) = words.split_first().ok_or("it names no program")?;
        let arguments: Vec<_> = arguments.iter().map(Into::into).collect();
        let start = Start {
            program: Path::new(program),
            arguments: &arguments,
            environment: Environment::Added(&[]),
            without: self.variables(),
            directory: None,
        };
        let said = match program::run(start, deadline).await {
            Ok(Some(said)) => said,
            Ok(None) => return Err("it did not end in time".to_owned()),
            Err(error) => return Err(Failure::from(error).text),
        };
        let output = Zeroizing::new(said.stdout);
        if !said.success {
            return Err(format!("it failed: {}", shown(&said.stderr)));
        }
        Secret::of_output(output).map_err(|why| why.to_string())
    }
}

/// Reads a file that is the user's own and closed to everybody else.
fn read_private(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let refused = |why: &str| io::Error::new(io::ErrorKind::PermissionDenied, why);
    // A pipe in its place must not hold up the opening.
    let file: File = OpenOptions::new().read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(refused("it is no plain file"));
    }
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return Err(refused("it belongs to another user"));
    }
    if meta.mode() & 0o077 != 0 {
        return Err(refused("other users may read it; it must have mode 600"));
    }
    // One allocation: a growing one would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(limits::SECRET_BYTES + 4));
    file.take(limits::SECRET_BYTES as u64 + 3).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Asks the keyring, which may ask the user to unlock it.
async fn from_keyring(service: String, user: String, deadline: Instant) -> Result<Secret, String> {
    // The library is a blocking one.
    let ask = tokio::task::spawn_blocking(move || {
        if let Err(error) = keyring::v1::Entry::store_status() {
            return Err(format!("there is no keyring on this machine: {error}"));
        }
        let entry = keyring::v1::Entry::new(&service, &user).map_err(|error| error.to_string())?;
        entry.get_secret().map(Zeroizing::new).map_err(|error| error.to_string())
    });
    match tokio::time::timeout_at(deadline.into(), ask).await {
        Ok(Ok(Ok(bytes))) => Secret::new(bytes).map_err(|why| why.to_string()),
        Ok(Ok(Err(why))) => Err(why),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("it did not answer in time".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::time::Duration;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    async fn fetch(source: SecretSource, deadline: Instant) -> Result<Vec<u8>, String> {
        let name = SecretName::parse("S").expect("a name");
        let wallet = Wallet::new([(name.clone(), source)].into());
        let secret = wallet.fetch(&name, deadline).await.map_err(|failure| failure.to_string())?;
        assert_eq!(wallet.known(), std::slice::from_ref(&secret));
        Ok(secret.reveal_to_the_host().to_vec())
    }

    fn command(words: &[&str]) -> SecretSource {
        SecretSource::Command(words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[tokio::test]
    async fn a_command_says_a_secret_and_no_shell_reads_its_words() {
        assert_eq!(fetch(command(&["printf", "%s\\n", "$(id) ; x"]), soon()).await, Ok(b"$(id) ; x".to_vec()));
    }

    #[tokio::test]
    async fn a_command_that_says_none_is_told_without_its_output() {
        for (words, expected) in [
            (&["false"] as &[&str], "it failed"),
            (&["true"], "it is empty"),
            (&[], "it names no program"),
            (&["/nonexistent/pass"], "is not on this machine"),
            (&["sh", "-c", "echo hunter2; echo locked >&2; exit 3"], "it failed: locked"),
            (&["sh", "-c", "head -c 70000 /dev/zero | tr '\\0' x"], "longer than 65536 bytes"),
        ] {
            let text = fetch(command(words), soon()).await.expect_err("no secret");
            assert!(text.contains(expected) && text.contains("secret S") && !text.contains("hunter2"), "{text}");
        }
    }

    #[tokio::test]
    async fn a_command_that_hangs_is_ended_at_the_deadline() {
        let text = fetch(command(&["sleep", "600"]), Instant::now() + Duration::from_millis(300)).await.expect_err("no secret");
        assert!(text.contains("did not end in time"), "{text}");
    }

    #[tokio::test]
    async fn a_file_must_be_closed_to_others() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("s");
        std::fs::write(&file, "hunter2\n").expect("it can be written");
        let set = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("its mode can be set");
        for mode in [0o644, 0o640, 0o604, 0o660] {
            set(mode);
            let text = fetch(SecretSource::File(file.clone()), soon()).await.expect_err("refused");
            assert!(text.contains("must have mode 600"), "{text}");
        }
        for mode in [0o600, 0o400] {
            set(mode);
            assert_eq!(fetch(SecretSource::File(file.clone()), soon()).await, Ok(b"hunter2".to_vec()));
        }
        symlink(&file, dir.path().join("link")).expect("a link can be made");
        assert!(fetch(SecretSource::File(dir.path().join("link")), soon()).await.is_ok(), "a link to a good file is good");
        for bad in [dir.path().to_owned(), dir.path().join("none"), "/dev/null".into()] {
            assert!(fetch(SecretSource::File(bad.clone()), soon()).await.is_err(), "{}", bad.display());
        }
    }

    #[tokio::test]
    async fn a_variable_that_is_not_set_and_a_name_that_is_not_there_are_told() {
        let text = fetch(SecretSource::Env("TOWLINE_TEST_NO_SUCH_VARIABLE".into()), soon()).await.expect_err("not set");
        assert!(text.contains("the variable TOWLINE_TEST_NO_SUCH_VARIABLE: it is not set"), "{text}");
        let failure = Wallet::default().fetch(&SecretName::parse("X").expect("a name"), soon()).await.expect_err("unknown");
        assert_eq!(failure.code, Code::Unknown);
    }

    #[test]
    fn what_was_handed_out_is_known_and_bounded() {
        let wallet = Wallet::default();
        for number in 0..limits::KNOWN_SECRETS + 5 {
            wallet.remember(&Secret::new(number.to_string().into_bytes()).expect("a secret"));
        }
        wallet.remember(&Secret::new(b"50".to_vec()).expect("a secret"));
        let known = wallet.known();
        assert_eq!(known.len(), limits::KNOWN_SECRETS);
        assert_eq!(known.last().map(Secret::reveal_to_the_host), Some(b"50".as_slice()));
    }
}

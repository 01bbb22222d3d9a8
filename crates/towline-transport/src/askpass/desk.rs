//! The side of the towline that started ssh: one desk for each start of ssh, where its askpass children come with their questions.
//!
//! Holds to: only who knows the token, and is this user, is heard; a question that came before is not answered again, since its answer
//! was wrong; where nobody can answer a server's question, the desk gives up, and ssh is ended before it sends an empty password.
//! Leaves out: what the answers are (`Asker`).

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use towline_base::{Code, Nonce, Secret, SecretName, env};

use super::{QUESTION_BYTES, Question};
use crate::access::HostAccess;
use crate::error::TransportError;
use crate::program::{self, Environment, Start};
use crate::secrets::Wallet;

/// How long a child may take to say its question.
const SAYING: Duration = Duration::from_secs(5);

/// What can answer for one destination.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    pub(crate) wallet: Wallet,
    pub(crate) access: HostAccess,
    /// Whom the secrets are for, as ssh names them in its prompts.
    pub(crate) user: String,
    pub(crate) host: String,
    /// A password that was given in so many words.
    pub(crate) literal: Option<Secret>,
    /// The desktop's own askpass.
    pub(crate) desktop: Option<PathBuf>,
    /// Fingerprints that a person has accepted for this one connection.
    pub(crate) accepted: Vec<String>,
    pub(crate) deadline: Instant,
}

/// Why a question had no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Nothing answers it.
    Nobody(Question),
    /// It was asked again: the answer was wrong. Where that came from is told.
    Wrong(Question, String),
    /// What should have answered it could not.
    Failed(Question, String),
}

/// A desk; ends with the value.
#[derive(Debug)]
pub(crate) struct Desk {
    socket: PathBuf,
    token: Nonce,
    program: PathBuf,
    told: Arc<Told>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Told {
    log: Mutex<Log>,
    /// Woken when ssh is to be ended.
    end: Notify,
}

#[derive(Debug, Default)]
struct Log {
    /// What was answered, and by what.
    answered: Vec<(Question, String)>,
    refused: Vec<Refused>,
    host_key: Option<String>,
}

impl Desk {
    /// Opens a desk at this socket; `program` is towline's own binary.
    pub(crate) fn open(socket: PathBuf, program: &Path, asker: Asker) -> io::Result<Self> {
        let listener = UnixListener::bind(&socket)?;
        std::fs::set_permissions(&socket, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        let (token, told) = (Nonce::mint(), Arc::new(Told::default()));
        let task = tokio::spawn(serve(listener, token.clone(), asker, Arc::clone(&told)));
        Ok(Self { socket, token, program: program.to_owned(), told, task })
    }

    /// What ssh finds it by.
    pub(crate) fn environment(&self) -> Vec<(OsString, OsString)> {
        vec![
            (env::Variable::Askpass.name().into(), self.program.clone().into()),
            ("SSH_ASKPASS_REQUIRE".into(), "force".into()),
            (env::Variable::AskpassSocket.name().into(), self.socket.clone().into()),
            (env::Variable::AskpassToken.name().into(), self.token.as_str().into()),
        ]
    }

    /// Waits until there is a question of a server that nobody can answer.
    pub(crate) async fn given_up(&self) {
        self.told.end.notified().await;
    }

    /// The question that decided: one that ended ssh, else the last one without an answer.
    pub(crate) fn refused(&self) -> Option<Refused> {
        let log = self.told.lock();
        let told = log.refused.iter().find(|refused| refused.ends_ssh()).or(log.refused.last()).cloned();
        // ssh asks once; a server that then denies did not accept that answer. What a key's passphrase opened may be denied too.
        let denied = || log.answered.last().map(|(question, by)| Refused::Wrong(question.clone(), by.clone())).filter(Refused::ends_ssh);
        told.or_else(denied)
    }

    /// What is to be said of a key whose passphrase was answered, where the host then let nobody in: ssh does not say which of both it was.
    pub(crate) fn doubt(&self) -> Option<String> {
        let log = self.told.lock();
        let (question, by) = log.answered.iter().rfind(|(question, _)| matches!(question, Question::Passphrase { .. }))?;
        Some(format!("ssh asked for {question}, and was answered from {by}: either that was wrong, or the host does not take the key."))
    }

    /// What ssh said of an unknown host key.
    pub(crate) fn host_key(&self) -> Option<String> {
        self.told.lock().host_key.clone()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.task.abort();
        let _ = std::fs::remove_file(&self.socket);
    }
}

impl Told {
    fn lock(&self) -> std::sync::MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Refused {
    /// Whether ssh would now send something empty to the server.
    fn ends_ssh(&self) -> bool {
        let (Self::Nobody(question) | Self::Wrong(question, _) | Self::Failed(question, _)) = self;
        match question {
            Question::Password { .. } | Question::Code { .. } | Question::Interactive { .. } | Question::NewPassword { .. } => true,
            // After these ssh goes on with the next key, or ends by itself.
            Question::Passphrase { .. }
            | Question::Pin { .. }
            | Question::Touch { .. }
            | Question::HostKey { .. }
            | Question::Confirm { .. }
            | Question::Other { .. } => false,
        }
    }

    /// What is to be said of it where no host is asked.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Nobody(question) => format!("It asked for {question}, and nobody could answer."),
            Self::Wrong(question, by) => format!("It asked for {question}; the answer from {by} was not accepted."),
            Self::Failed(question, why) => format!("It asked for {question}: {why}"),
        }
    }

    /// The failure that it is, of this destination.
    pub(crate) fn failure(&self, name: &str) -> TransportError {
        match self {
            Self::Nobody(question) => {
                let text = format!("ssh asked for {question} on the way to {name}, and nobody could answer; nothing was sent.");
                let hint = match question {
                    Question::Passphrase { .. } => NO_PASSPHRASE,
                    Question::NewPassword { .. } => NEW_PASSWORD,
                    Question::Password { .. }
                    | Question::Code { .. }
                    | Question::Interactive { .. }
                    | Question::Pin { .. }
                    | Question::Touch { .. }
                    | Question::HostKey { .. }
                    | Question::Confirm { .. }
                    | Question::Other { .. } => NOBODY,
                };
                TransportError::Ssh { code: Code::AuthPrompt, text, hint: Some(hint) }
            }
            Self::Wrong(question, by) => {
                let text =
                    format!("ssh asked for {question} on the way to {name}; the answer from {by} was not accepted. It was tried once.");
                TransportError::Ssh { code: Code::AuthRejected, text, hint: Some(WRONG) }
            }
            Self::Failed(question, why) => {
                let text = format!("ssh asked for {question} on the way to {name}: {why}");
                TransportError::Ssh { code: Code::AuthPrompt, text, hint: Some(NOBODY) }
            }
        }
    }
}

const NOBODY: &str = "Ask the user to run `towline auth HOST` in a terminal: it opens the connection that is then used here. Or the configuration names a secret for the host, or a key is loaded into ssh-agent.";
const NO_PASSPHRASE: &str = "Ask the user to load the key with `ssh-add`, or to run `towline auth HOST` in a terminal. Or the configuration names the key's passphrase.";
const NEW_PASSWORD: &str = "Ask the user to log in with `ssh HOST` in a terminal and to set a new password there.";
const WRONG: &str =
    "Do not try again: the host may lock the account. Ask the user to correct the secret, or to run `towline auth HOST` in a terminal.";

async fn serve(listener: UnixListener, token: Nonce, asker: Asker, told: Arc<Told>) {
    while let Ok((stream, _)) = listener.accept().await {
        // One question at a time: ssh asks the next when it has the answer.
        if let Err(error) = attend(stream, &token, &asker, &told).await {
            tracing::debug!(%error, "an askpass child was not heard");
        }
    }
}

async fn attend(mut stream: UnixStream, token: &Nonce, asker: &Asker, told: &Told) -> io::Result<()> {
    if stream.peer_cred()?.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other("it belongs to another user"));
    }
    let mut words = Vec::new();
    tokio::time::timeout(SAYING, (&mut stream).take(QUESTION_BYTES).read_to_end(&mut words)).await??;
    let mut parts = words.splitn(3, |byte| *byte == b'\n');
    if parts.next() != Some(token.as_str().as_bytes()) {
        return Err(io::Error::other("it does not know the token"));
    }
    let [hint, prompt] = [parts.next(), parts.next()].map(|part| String::from_utf8_lossy(part.unwrap_or_default()).into_owned());
    let question = Question::read(&prompt, &hint);
    tracing::debug!(%question, "ssh asks");
    match answer(&question, &prompt, &hint, asker, told).await {
        Ok((secret, by)) => {
            told.lock().answered.push((question, by));
            stream.write_all(b"+").await?;
            stream.write_all(secret.reveal_to_the_host()).await?;
            stream.shutdown().await
        }
        Err(refused) => {
            let ends = refused.ends_ssh();
            told.lock().refused.push(refused);
            if ends {
                // The child is left without an answer: ssh is ended before it could send one.
                told.end.notify_one();
                std::future::pending::<()>().await;
            }
            stream.write_all(b"-").await?;
            stream.shutdown().await
        }
    }
}

/// The answer, and where it came from.
async fn answer(question: &Question, prompt: &str, hint: &str, asker: &Asker, told: &Told) -> Result<(Secret, String), Refused> {
    let before = told.lock().answered.iter().find(|(other, _)| other == question).map(|(_, by)| by.clone());
    if let (Some(by), false) = (before, matches!(question, Question::HostKey { .. })) {
        return Err(Refused::Wrong(question.clone(), by));
    }
    let fixed = |text: &str| {
        Secret::new(text.as_bytes().to_vec()).map(|secret| (secret, String::new())).map_err(|_| Refused::Nobody(question.clone()))
    };
    match question {
        Question::HostKey { words } => {
            // Never "yes": ssh itself compares the fingerprint that a person has accepted.
            told.lock().host_key = Some(words.clone());
            let known = super::fingerprints(words).into_iter().find(|fingerprint| asker.accepted.contains(fingerprint));
            return match known {
                Some(fingerprint) => fixed(&fingerprint),
                None => fixed("no"),
            };
        }
        Question::Confirm { .. } => return fixed("no"),
        Question::Password { .. }
        | Question::Code { .. }
        | Question::Interactive { .. }
        | Question::Passphrase { .. }
        | Question::Pin { .. }
        | Question::Touch { .. }
        | Question::NewPassword { .. }
        | Question::Other { .. } => {}
    }
    if let (Some(secret), Question::Password { user, host }) = (&asker.literal, question)
        && asker.is_meant(user, host)
    {
        return Ok((secret.clone(), "the call's own parameter".to_owned()));
    }
    if let Some(name) = asker.secret_for(question) {
        let fetched = asker.wallet.fetch(&name, asker.deadline).await;
        return match fetched {
            Ok(secret) if secret.has_lines() => {
                Err(Refused::Failed(question.clone(), format!("the secret {name} has several lines; a prompt takes one")))
            }
            Ok(secret) => Ok((secret, format!("the secret {name}"))),
            Err(failure) => Err(Refused::Failed(question.clone(), failure.text)),
        };
    }
    match &asker.desktop {
        Some(program) => ask_desktop(program, prompt, hint, asker).await.ok_or_else(|| Refused::Nobody(question.clone())),
        None => Err(Refused::Nobody(question.clone())),
    }
}

impl Asker {
    /// Whether a question is one of the destination itself and not of a host on the way.
    fn is_meant(&self, user: &str, host: &str) -> bool {
        user == self.user && host.eq_ignore_ascii_case(&self.host)
    }

    /// The name of the secret that answers.
    fn secret_for(&self, question: &Question) -> Option<SecretName> {
        match question {
            Question::Password { user, host } if self.is_meant(user, host) => self.access.password.clone(),
            Question::Code { user, host, .. } if self.is_meant(user, host) => self.access.one_time_code.clone(),
            Question::Passphrase { file } => {
                // ssh cuts the path that it shows.
                let is_it =
                    |key: &&PathBuf| key.to_str().is_some_and(|key| key == file || (file.len() >= 100 && key.starts_with(file.as_str())));
                let key = self.access.passphrases.keys().find(is_it)?;
                self.access.passphrases.get(key).cloned()
            }
            Question::Password { .. }
            | Question::Code { .. }
            | Question::Interactive { .. }
            | Question::Pin { .. }
            | Question::Touch { .. }
            | Question::HostKey { .. }
            | Question::Confirm { .. }
            | Question::NewPassword { .. }
            | Question::Other { .. } => None,
        }
    }
}

/// Lets the desktop's own askpass ask.
async fn ask_desktop(program: &Path, prompt: &str, hint: &str, asker: &Asker) -> Option<(Secret, String)> {
    let arguments = [OsString::from(prompt)];
    let hint = if hint.is_empty() { Vec::new() } else { vec![(env::Variable::AskpassPrompt.name().into(), hint.into())] };
    let start = Start {
        program,
        arguments: &arguments,
        environment: Environment::Added(&hint),
        without: asker.wallet.variables(),
        directory: None,
    };
    let said = program::run(start, asker.deadline).await.ok()??;
    let output = zeroize::Zeroizing::new(said.stdout);
    let secret = Secret::of_output(output).ok().filter(|_| said.success)?;
    asker.wallet.remember(&secret);
    Some((secret, "the desktop's askpass".to_owned()))
}

//! Logging in for real, with towline's own binary as ssh's askpass: passphrases, passwords and sudo through PAM, host keys; and where
//! the secrets are not to be found.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use towline_base::{Code, Failure, HostAlias, SecretName, SecretSource, SessionName};
use towline_engine::action::{Bash, Connect, OnTimeout, Place, ReadWindow, Stderr, Write};
use towline_engine::events::Sink;
use towline_engine::policy::{HostPattern, Origin, Policy, Rule, Scope};
use towline_engine::{Access, Action, AgentForwarding, Answer, Body, Call, Context, Engine, HostAccess, Reader, Rules, Settings, Wallet};
use towline_testkit::{Lab, LabOptions, SshdOptions, Stage, stage};

const SOON: Duration = Duration::from_secs(60);

/// A passphrase that is in no other process: tests run side by side, and ssh-keygen takes one as an argument.
pub(crate) fn passphrase() -> String {
    format!("open-sesame-{}", towline_base::Nonce::mint().as_str())
}

/// What was told to anybody: log lines down to the last detail, events (transcripts are made of them), answers and failures.
static TOLD: OnceLock<Arc<Mutex<Vec<u8>>>> = OnceLock::new();

/// Collects what is told, from the first call on.
fn told() -> Arc<Mutex<Vec<u8>>> {
    let begin = || {
        let told: Arc<Mutex<Vec<u8>>> = Arc::default();
        let log = told.clone();
        let writer = move || Told(log.clone());
        let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(writer).finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
        told
    };
    TOLD.get_or_init(begin).clone()
}

struct Told(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Told {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Looks all the time for a secret in what every process of this machine shows of itself: both sides are here.
pub(crate) struct Lookout {
    over: Arc<AtomicBool>,
    looks: Arc<AtomicUsize>,
    thread: std::thread::JoinHandle<Vec<String>>,
}

impl Lookout {
    /// Looks from now on.
    pub(crate) fn begin(secret: &str, parts: &'static [&'static str]) -> Self {
        Self::with(secret, parts, Vec::new())
    }

    /// Also in the files of these directories: the journal, events, transcripts, and what lies on the host.
    fn with(secret: &str, parts: &'static [&'static str], dirs: Vec<PathBuf>) -> Self {
        let (over, looks): (Arc<AtomicBool>, Arc<AtomicUsize>) = Default::default();
        let (until, count, secret) = (over.clone(), looks.clone(), secret.to_owned());
        let thread = std::thread::spawn(move || {
            let mut found = Vec::new();
            while !until.load(Ordering::Relaxed) {
                found.extend(shown_by_processes(&secret, parts));
                found.extend(dirs.iter().flat_map(|dir| files_with(dir, &secret)));
                count.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(1));
            }
            found
        });
        Self { over, looks, thread }
    }

    /// Ends when it has looked some times: where there is much to look at, a login is quicker. What logged in is to be there still.
    pub(crate) fn saw_nothing(self) {
        towline_testkit::eventually(SOON, || self.looks.load(Ordering::Relaxed) > 5 || self.thread.is_finished());
        self.over.store(true, Ordering::Relaxed);
        let found = self.thread.join().unwrap();
        assert!(found.is_empty(), "{found:?}");
    }
}

/// Which processes show a secret in these parts of theirs.
fn shown_by_processes(secret: &str, parts: &[&str]) -> Vec<String> {
    let pids = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let shows = |dir: &Path, part: &str| holds(&std::fs::read(dir.join(part)).unwrap_or_default(), secret);
    pids.flat_map(|dir| parts.iter().filter(|part| shows(&dir, part)).map(|part| dir.join(part).display().to_string()).collect::<Vec<_>>())
        .collect()
}

fn context() -> Context {
    Context {
        own_session: SessionName::parse("own").unwrap(),
        client: "test".to_owned(),
        cancel: CancellationToken::new(),
        closing: CancellationToken::new(),
        progress: None,
        ask: None,
        reader: Reader::Agent,
        told: towline_engine::told_at_once(),
    }
}

/// An engine whose logins at `lab` may use what `give` gives it.
fn engine(lab: &Lab, secrets: &[(&str, &str)], give: impl FnOnce(&mut HostAccess)) -> Engine {
    engine_with(lab, settings(lab, secrets, give))
}

/// What logins may use: every secret lies in a file of its own.
fn settings(lab: &Lab, secrets: &[(&str, &str)], give: impl FnOnce(&mut HostAccess)) -> Access {
    let mut sources = std::collections::BTreeMap::new();
    for (name, text) in secrets {
        let file = lab.dir().join("config").join(name);
        std::fs::write(&file, format!("{text}\n")).unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        sources.insert(SecretName::parse(name).unwrap(), SecretSource::File(file));
    }
    let mut host = HostAccess::default();
    give(&mut host);
    Access {
        wallet: Wallet::new(sources),
        hosts: [("lab".to_owned(), host)].into(),
        askpass: Some(env!("CARGO_BIN_EXE_towline").into()),
        ..Access::default()
    }
}

/// An engine with this access.
fn engine_with(lab: &Lab, access: Access) -> Engine {
    engine_of(lab, access, Rules::default())
}

/// An engine with this access and these rules.
fn engine_of(lab: &Lab, access: Access, rules: Rules) -> Engine {
    let ssh_options = vec!["-F".to_owned(), lab.ssh_config().to_string_lossy().into_owned()];
    let on_event = Some(Sink::new(|event| drop(writeln!(Told(told()), "{event:?}"))));
    Engine::new(Settings { ssh_options, access, rules, on_event, ..Settings::new("ssh", lab.state_dir()) })
}

fn name(text: &str) -> SecretName {
    SecretName::parse(text).unwrap()
}

fn bash(command: &str, stdin: Option<&str>) -> Action {
    Action::Bash(Bash {
        command: command.to_owned(),
        timeout: Some(Duration::from_secs(60)),
        on_timeout: OnTimeout::Background,
        description: None,
        place: Place::Session,
        cwd: None,
        env: Vec::new(),
        env_secrets: Vec::new(),
        stdin: stdin.map(|text| text.as_bytes().to_vec()),
        stderr: Stderr::Merged,
    })
}

async fn on(engine: &Engine, host: &str, action: Action) -> Result<Answer, Failure> {
    let answer = engine.perform(Call { host: Some(HostAlias::parse(host).unwrap()), session: None, action }, context()).await;
    writeln!(Told(told()), "{answer:?}").unwrap();
    answer
}

/// What a command printed.
async fn said(engine: &Engine, host: &str, command: &str, stdin: Option<&str>) -> String {
    let body = on(engine, host, bash(command, stdin)).await.unwrap().body;
    let Body::Execution(execution) = body else { panic!("{body:?}") };
    String::from_utf8_lossy(&execution.stdout.head).into_owned()
}

async fn refused(engine: &Engine, host: &str) -> Failure {
    on(engine, host, bash("true", None)).await.unwrap_err()
}

/// The parts of a process that anybody of the same account may read.
pub(crate) const BOTH: &[&str] = &["cmdline", "environ"];

/// Looks for a secret where it must not be: arguments and environments of every process, what was told to anybody, and the files of
/// both sides (shell history among them).
fn is_nowhere(secret: &str, lab: &Lab) {
    assert_eq!(shown_by_processes(secret, BOTH), [""; 0]);
    let told = told();
    let told = told.lock().unwrap();
    assert!(!told.is_empty() && !holds(&told, secret), "{}", String::from_utf8_lossy(&told));
    assert!(lab.state_dir().join("audit/journal.jsonl").exists());
    // A thread of its own writes them.
    towline_testkit::eventually(SOON, || lab.state_dir().join("events.jsonl").exists());
    assert_eq!(places(lab).iter().flat_map(|dir| files_with(dir, secret)).collect::<Vec<_>>(), [""; 0]);
}

/// Where files lie on both sides, but for those from which the test's secrets come.
fn places(lab: &Lab) -> Vec<PathBuf> {
    vec![lab.state_dir(), lab.runtime_dir(), lab.client_home(), lab.sshd.dir().to_owned()]
}

/// The files below a directory that hold a secret; what goes away meanwhile is passed over.
fn files_with(dir: &Path, secret: &str) -> Vec<String> {
    let below = |entry: std::fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => files_with(&entry.path(), secret),
        Ok(kind) if kind.is_file() && holds(&std::fs::read(entry.path()).unwrap_or_default(), secret) => {
            vec![entry.path().display().to_string()]
        }
        Ok(_) | Err(_) => Vec::new(),
    };
    std::fs::read_dir(dir).into_iter().flatten().flatten().flat_map(below).collect()
}

fn holds(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
}

fn locked_key(lab: &Lab, passphrase: &str) {
    let changed = lab.command("ssh-keygen").args(["-q", "-p", "-P", "", "-N", passphrase, "-f"]).arg(lab.sshd.key()).status().unwrap();
    assert!(changed.success());
}

#[tokio::test]
async fn a_keys_passphrase_comes_from_the_secret_that_the_configuration_names() {
    let lab = Lab::start();
    let passphrase = &passphrase();
    locked_key(&lab, passphrase);
    let key = lab.sshd.key();
    let lookout = Lookout::with(passphrase, BOTH, places(&lab));
    let good =
        engine(&lab, &[("KEY", passphrase.as_str())], |host| drop(host.passphrases.insert(key.clone(), SecretName::parse("KEY").unwrap())));
    assert_eq!(said(&good, "lab", "echo in", None).await, "in\n");
    lookout.saw_nothing();
    is_nowhere(passphrase, &lab);
    good.close().await;
}

#[tokio::test]
async fn a_key_without_a_passphrase_and_one_with_a_wrong_one_are_told() {
    let lab = Lab::start();
    locked_key(&lab, &passphrase());
    let key = lab.sshd.key();
    let failure = refused(&engine(&lab, &[], |_| {}), "lab").await;
    assert_eq!(failure.code, Code::AuthPrompt, "{failure}");
    assert!(
        failure.text.contains(&format!("the passphrase of the key {}", key.display())) && failure.to_string().contains("towline auth"),
        "{failure}"
    );
    let wrong = engine(&lab, &[("KEY", "wrong-one")], |host| drop(host.passphrases.insert(key.clone(), SecretName::parse("KEY").unwrap())));
    let failure = refused(&wrong, "lab").await;
    assert!(failure.code == Code::AuthRejected && !failure.to_string().contains("wrong-one"), "{failure}");
    assert!(
        failure.text.contains("was answered from the secret KEY: either that was wrong, or the host does not take the key"),
        "{failure}"
    );
}

#[tokio::test]
async fn an_unknown_key_is_accepted_by_its_fingerprint_and_a_changed_one_never() {
    let mut lab = Lab::start();
    std::fs::write(lab.sshd.known_hosts(), "").unwrap();
    let engine = engine(&lab, &[], |_| {});
    let failure = refused(&engine, "lab").await;
    assert_eq!(failure.code, Code::HostKeyUnknown, "{failure}");
    let fingerprints = towline_engine::askpass::fingerprints(&failure.text);
    assert!(fingerprints.len() == 1 && failure.to_string().contains("towline trust"), "{failure}");
    // Looking alone accepts nothing, nor does another fingerprint.
    let other = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned();
    for accepted in [Vec::new(), vec![other]] {
        let failure = on(&engine, "lab", Action::Trust(accepted)).await.unwrap_err();
        assert_eq!((failure.code, towline_engine::askpass::fingerprints(&failure.text)), (Code::HostKeyUnknown, fingerprints.clone()));
        assert_eq!(std::fs::read_to_string(lab.sshd.known_hosts()).unwrap(), "");
    }
    let Body::Text(text) = on(&engine, "lab", Action::Trust(fingerprints.clone())).await.unwrap().body else { panic!("a text") };
    assert!(text.contains(&fingerprints[0]), "{text}");
    assert_eq!(said(&engine, "lab", "echo in", None).await, "in\n");
    on(&engine, "lab", Action::Disconnect(towline_engine::action::Disconnect { end: true })).await.unwrap();
    lab.sshd.change_host_key().unwrap();
    lab.sshd.restart().unwrap();
    for action in [bash("true", None), Action::Trust(fingerprints.clone())] {
        let failure = on(&engine, "lab", action).await.unwrap_err();
        assert_eq!(failure.code, Code::HostKeyChanged, "{failure}");
        let both = towline_engine::askpass::fingerprints(&failure.text);
        assert!(both.len() == 2 && both.contains(&fingerprints[0]), "{failure}");
    }
}

/// A lab with an account of its own that logs in by password.
fn by_password(method: &str, sudoers: &str) -> Lab {
    let config = vec!["PubkeyAuthentication no".to_owned(), format!("{method} yes")];
    let stage = Some(Stage { sudoers: sudoers.to_owned(), ..Stage::default() });
    Lab::with(LabOptions { sshd: SshdOptions { config, stage, ..SshdOptions::default() }, ..LabOptions::default() })
}

#[tokio::test]
async fn a_password_goes_to_pam_and_nowhere_else() {
    if !stage::possible("a_password_goes_to_pam_and_nowhere_else") {
        return;
    }
    for method in ["PasswordAuthentication", "KbdInteractiveAuthentication"] {
        let lab = by_password(method, "");
        let lookout = Lookout::with(stage::PASSWORD, BOTH, places(&lab));
        let good = engine(&lab, &[("PW", stage::PASSWORD)], |host| host.password = Some(name("PW")));
        assert_eq!(said(&good, "lab", "id -un", None).await, format!("{}\n", stage::USER), "{method}");
        lookout.saw_nothing();
        is_nowhere(stage::PASSWORD, &lab);
        good.close().await;
    }
}

/// A lab that asks for the password and then for a one-time code, in one conversation.
fn by_password_and_code() -> Lab {
    let config = vec!["AuthenticationMethods keyboard-interactive".to_owned(), "KbdInteractiveAuthentication yes".to_owned()];
    let stage = Some(Stage { asks: stage::Asks::PasswordAndCode, ..Stage::default() });
    Lab::with(LabOptions { sshd: SshdOptions { config, stage, ..SshdOptions::default() }, ..LabOptions::default() })
}

#[tokio::test]
async fn a_one_time_code_follows_the_password_and_is_fetched_anew_for_each_login() {
    if !stage::codes_possible("a_one_time_code_follows_the_password_and_is_fetched_anew_for_each_login") {
        return;
    }
    let lab = by_password_and_code();
    let failure = refused(&engine(&lab, &[("PW", stage::PASSWORD)], |host| host.password = Some(name("PW"))), "lab").await;
    assert_eq!(failure.code, Code::AuthPrompt, "{failure}");
    let asked = format!("a one-time code for {0}@127.0.0.1 (\"One-time password (OATH) for `{0}':\")", stage::USER);
    assert!(failure.text.contains(&asked) && failure.to_string().contains("towline auth"), "{failure}");
    // A program gives out one code after the other.
    let codes = lab.dir().join("codes");
    std::fs::write(&codes, stage::CODES.join("\n")).unwrap();
    let next = format!("sed -n 1p '{0}'; sed -i 1d '{0}'", codes.display());
    let mut access = settings(&lab, &[("PW", stage::PASSWORD)], |host| {
        host.password = Some(name("PW"));
        host.one_time_code = Some(name("OTP"));
    });
    let sources = [
        (name("PW"), SecretSource::File(lab.dir().join("config/PW"))),
        (name("OTP"), SecretSource::Command(["sh", "-c", &next].map(str::to_owned).to_vec())),
    ];
    access.wallet = Wallet::new(sources.into());
    let good = engine_with(&lab, access);
    for left in [3, 2] {
        let lookout = Lookout::with(stage::PASSWORD, BOTH, places(&lab));
        assert_eq!(said(&good, "lab", "id -un", None).await, format!("{}\n", stage::USER));
        lookout.saw_nothing();
        is_nowhere(stage::PASSWORD, &lab);
        assert_eq!(std::fs::read_to_string(&codes).unwrap().lines().count(), left, "one code for one login");
        on(&good, "lab", Action::Disconnect(towline_engine::action::Disconnect { end: true })).await.unwrap();
    }
    good.close().await;
    assert_eq!(lab.sshd.log().matches("Accepted keyboard-interactive").count(), 2, "{}", lab.sshd.log());
    // A code that was used is none any more, and is not tried again.
    let used = engine(&lab, &[("PW", stage::PASSWORD), ("OTP", stage::CODES[0])], |host| {
        host.password = Some(name("PW"));
        host.one_time_code = Some(name("OTP"));
    });
    let answer = on(&used, "lab", bash("true", None)).await;
    let failure = answer.expect_err(&lab.sshd.log());
    assert!(failure.code == Code::AuthRejected && failure.text.contains("from the secret OTP"), "{failure}");
    assert!(!failure.to_string().contains(stage::CODES[0]), "{failure}");
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_and_none_is_sent_where_nobody_can_answer() {
    if !stage::possible("a_wrong_password_is_tried_once_and_none_is_sent_where_nobody_can_answer") {
        return;
    }
    let lab = by_password("PasswordAuthentication", "");
    let failure = refused(&engine(&lab, &[], |_| {}), "lab").await;
    assert_eq!(failure.code, Code::AuthPrompt, "{failure}");
    assert!(failure.text.contains(&format!("the password of {}@127.0.0.1", stage::USER)), "{failure}");
    assert!(!lab.sshd.log().contains("Failed password"), "{}", lab.sshd.log());
    let failure = refused(&engine(&lab, &[("PW", "not-the-one")], |host| host.password = Some(name("PW"))), "lab").await;
    assert_eq!(failure.code, Code::AuthRejected, "{failure}");
    assert_eq!(lab.sshd.log().matches("Failed password").count(), 1, "{}", lab.sshd.log());
    let failure = on(
        &engine(&lab, &[], |_| {}),
        "lab",
        Action::Connect(Connect { password: Some(towline_base::Secret::new(b"x-literal".to_vec()).unwrap()), ..Connect::default() }),
    )
    .await
    .unwrap_err();
    assert!(failure.code == Code::Forbidden && !failure.to_string().contains("x-literal"), "{failure}");
}

const WITH_PASSWORD: &str = "stagehand ALL=(ALL:ALL) ALL";

fn by_key(sudoers: &str) -> Lab {
    let stage = Some(Stage { sudoers: sudoers.to_owned(), ..Stage::default() });
    Lab::with(LabOptions { sshd: SshdOptions { stage, ..SshdOptions::default() }, ..LabOptions::default() })
}

#[tokio::test]
async fn root_works_by_sudo_with_files_and_commands_and_the_password_is_nowhere() {
    if !stage::possible("root_works_by_sudo_with_files_and_commands_and_the_password_is_nowhere") {
        return;
    }
    let lab = by_key(WITH_PASSWORD);
    let lookout = Lookout::with(stage::PASSWORD, BOTH, places(&lab));
    let engine = engine(&lab, &[("PW", stage::PASSWORD)], |host| host.sudo = Some(name("PW")));
    assert_eq!(said(&engine, "lab", "id -un", None).await, format!("{}\n", stage::USER));
    assert_eq!(said(&engine, "lab+root", "id -un; cat", Some("its own stdin")).await, "root\nits own stdin");
    lookout.saw_nothing();
    is_nowhere(stage::PASSWORD, &lab);
    // A later command of the account finds no ticket of ours.
    assert!(said(&engine, "lab", "sudo -n id -un 2>&1", None).await.contains("password is required"));
    let file = lab.sshd.dir().join("roothome/secret.conf");
    std::fs::write(&file, "a = 1\n").unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    let path = file.to_string_lossy().into_owned();
    let window = ReadWindow { file_path: path.clone(), offset: None, limit: None, allow_large: false };
    assert!(
        said(&engine, "lab", &format!("cat {path} 2>&1"), None).await.contains("Permission denied"),
        "the account itself may not read it"
    );
    on(&engine, "lab+root", Action::Read(window)).await.unwrap();
    on(&engine, "lab+root", Action::Write(Write { file_path: path, content: b"a = 2\n".to_vec(), append: false })).await.unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "a = 2\n");
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&file).unwrap()) & 0o777, 0o640);
    // A towline that comes later finds root's session, and the account's own beside it.
    for (host, value) in [("lab", "mine"), ("lab+root", "roots")] {
        said(&engine, host, &format!("WHOSE={value}"), None).await;
    }
    engine.close().await;
    let later = self::engine(&lab, &[("PW", stage::PASSWORD)], |host| host.sudo = Some(name("PW")));
    for (host, value) in [("lab+root", "roots 0\n"), ("lab", "mine 54321\n")] {
        assert_eq!(said(&later, host, "echo $WHOSE $(id -u)", None).await, value);
    }
    later.close().await;
}

#[tokio::test]
async fn each_way_in_which_sudo_refuses_is_told() {
    if !stage::possible("each_way_in_which_sudo_refuses_is_told") {
        return;
    }
    let with = |password: Option<&str>, sudoers: &str| {
        let lab = by_key(sudoers);
        let secrets: Vec<_> = password.map(|text| ("PW", text)).into_iter().collect();
        let engine = engine(&lab, &secrets, |host| host.sudo = password.map(|_| name("PW")));
        (lab, engine)
    };
    for (password, sudoers, code, words) in [
        (None, WITH_PASSWORD, Code::SudoPassword, "names none"),
        (Some("not-the-one"), WITH_PASSWORD, Code::SudoPassword, "tried once"),
        (Some(stage::PASSWORD), "", Code::SudoRefused, "not in the host's sudoers"),
        (Some(stage::PASSWORD), "Defaults requiretty\nstagehand ALL=(ALL) NOPASSWD: ALL", Code::SudoRefused, "requiretty"),
        (Some(stage::PASSWORD), "stagehand ALL=(ALL) /usr/bin/id", Code::SudoRefused, "does not allow this account a shell"),
    ] {
        let (_lab, engine) = with(password, sudoers);
        let failure = refused(&engine, "lab+root").await;
        assert!(failure.code == code && failure.text.contains(words), "{sudoers}: {failure}");
    }
    let (_lab, engine) = with(None, "stagehand ALL=(ALL) NOPASSWD: ALL");
    assert_eq!(said(&engine, "lab+root", "id -un", None).await, "root\n", "NOPASSWD needs none");
}

/// An agent with one key, for the alias `agent`.
struct Agent(std::process::Child);

impl Agent {
    fn start(lab: &Lab) -> Self {
        let socket = lab.dir().join("agent.sock");
        let child = lab.command("ssh-agent").args(["-D", "-a"]).arg(&socket).stdout(std::process::Stdio::null()).spawn().unwrap();
        let agent = Self(child);
        towline_testkit::eventually(Duration::from_secs(20), || socket.exists());
        let added = lab.command("ssh-add").env("SSH_AUTH_SOCK", &socket).arg(lab.sshd.key()).stderr(std::process::Stdio::null()).status();
        assert!(added.unwrap().success());
        let config = lab.sshd.client_config("agent", lab.relay.port());
        lab.add_config(&config.replace("IdentityAgent none", &format!("IdentityAgent {}", socket.display())));
        agent
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn connect(agent: AgentForwarding) -> Action {
    Action::Connect(Connect { agent, ..Connect::default() })
}

#[tokio::test]
async fn a_forwarded_agent_is_for_the_calls_that_ask_for_it_and_for_no_session() {
    let lab = Lab::start();
    let _agent = Agent::start(&lab);
    let engine = engine(&lab, &[], |_| {});
    let look = "ssh-add -l 2>&1 | grep -c SHA256; echo \"${SSH_AUTH_SOCK:+there}\"";
    assert_eq!(said(&engine, "agent", look, None).await, "0\n\n");
    let answer = on(&engine, "agent", connect(AgentForwarding::On)).await.unwrap();
    let Body::Text(text) = &answer.body else { panic!("a text") };
    assert!(text.contains("Connected to agent+1 ") && answer.notes.join("").contains("holds 1 key"), "{answer:?}");
    // It is the very same session on the host: by the one name with the agent, by the other without.
    assert_eq!(said(&engine, "agent+1", &format!("MINE=1; {look}"), None).await, "1\nthere\n");
    assert_eq!(said(&engine, "agent", &format!("echo $MINE; {look}"), None).await, "1\n0\n\n");
    // A new connection has another socket, and the session is as before.
    lab.sshd.end_connections();
    assert_eq!(said(&engine, "agent+1", &format!("echo $MINE; {look}"), None).await, "1\n1\nthere\n");
    assert_eq!(said(&engine, "agent", look, None).await, "0\n\n");
    engine.close().await;
}

#[tokio::test]
async fn an_agent_on_the_users_own_connection_reaches_no_command_that_did_not_ask_for_it() {
    let lab = Lab::start();
    let _agent = Agent::start(&lab);
    let socket = lab.dir().join("own");
    lab.add_config(&format!("Host agent\n  ControlPath {}\n", socket.display()));
    // A session that asked for the agent gives it to every later one of the connection.
    let (null, mut up) = (std::process::Stdio::null, lab.ssh());
    up.args(["-A", "-M", "-o", "ControlPersist=60", "agent", "true"]).stdin(null()).stdout(null()).stderr(null());
    assert!(up.status().unwrap().success() && socket.exists());
    let plain = lab.ssh().args(["-a", "agent", "echo \"${SSH_AUTH_SOCK:+there}\""]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&plain.stdout), "there\n", "sshd would give it to anybody");
    let engine = engine(&lab, &[], |_| {});
    assert_eq!(said(&engine, "agent", "echo \"[$SSH_AUTH_SOCK]\"", None).await, "[]\n");
    engine.close().await;
}

#[tokio::test]
async fn a_command_is_lent_a_secret_that_the_configuration_names_and_nobody_reads_it() {
    const TOKEN: &str = "tok-en-that-nobody-reads";
    let lab = Lab::start();
    let secrets = [("TOKEN", TOKEN), ("PW", "not-for-commands")];
    let lends = |host: &str| {
        let names = Rule { says: [if host == "lab" { "TOKEN" } else { "OTHER" }.to_owned()].into(), from: Origin("the test".to_owned()) };
        Scope { exact: None, hosts: vec![HostPattern::new(host)], policy: Policy { secrets: vec![names], ..Policy::default() } }
    };
    let rules = Rules { hosts: vec![lends("lab"), lends("direct")], ..Rules::default() };
    let engine = engine_of(&lab, settings(&lab, &secrets, |host| host.password = Some(name("PW"))), rules);
    let with = |command: &str, names: &[&str]| {
        let Action::Bash(bash) = bash(command, None) else { unreachable!() };
        Action::Bash(Bash { env_secrets: names.iter().map(|text| name(text)).collect(), ..bash })
    };
    // The command's own environment is where it belongs.
    let lookout = Lookout::with(TOKEN, &["cmdline"], vec![lab.state_dir(), lab.client_home()]);
    let answer = on(&engine, "lab", with("printf %s \"$TOKEN\" | sha256sum | cut -c1-12", &["TOKEN"])).await.unwrap();
    let Body::Execution(execution) = answer.body else { panic!("an execution") };
    assert_eq!(String::from_utf8_lossy(&execution.stdout.head), "4eb1e2bf3a0a\n");
    lookout.saw_nothing();
    is_nowhere(TOKEN, &lab);
    assert_eq!(said(&engine, "lab", "echo \"[$TOKEN]\"", None).await, "[]\n");
    for names in [&["PW"][..], &["TOKEN", "PW"], &["NONE"]] {
        let failure = on(&engine, "lab", with("touch ran", names)).await.unwrap_err();
        assert!(failure.code == Code::Forbidden && failure.text.contains("is not one of those that may be used here"), "{failure}");
    }
    assert!(!lab.sshd.home().join("ran").exists());
    let failure = on(&engine, "direct", with("true", &["TOKEN"])).await.unwrap_err();
    assert_eq!(failure.code, Code::Forbidden, "{failure}");
    engine.close().await;
}

#[tokio::test]
async fn a_man_in_the_middle_gets_no_byte_of_a_secret() {
    for strict in ["yes", "ask", "accept-new", "no"] {
        let sshd =
            SshdOptions { config: vec!["PubkeyAuthentication no".into(), "PasswordAuthentication yes".into()], ..SshdOptions::default() };
        let client_config = format!("StrictHostKeyChecking {strict}");
        let mut lab = Lab::with(LabOptions { sshd, client_config, ..LabOptions::default() });
        let fetched = lab.dir().join("fetched");
        let words = ["sh".to_owned(), "-c".to_owned(), format!("touch '{}'; echo wrong-one", fetched.display())];
        let attempt = |wallet| {
            let host = HostAccess { password: Some(name("PW")), ..HostAccess::default() };
            let access = Access { wallet, hosts: [("lab".to_owned(), host)].into(), ..Access::default() };
            engine_with(&lab, Access { askpass: Some(env!("CARGO_BIN_EXE_towline").into()), ..access })
        };
        let wallet = || Wallet::new([(name("PW"), SecretSource::Command(words.to_vec()))].into());
        let first = attempt(wallet());
        let failure = refused(&first, "lab").await;
        assert!(failure.code == Code::AuthRejected && fetched.exists(), "{strict}: the right host is given it: {failure}");
        std::fs::remove_file(&fetched).unwrap();
        let other = attempt(wallet());
        lab.sshd.change_host_key().unwrap();
        lab.sshd.restart().unwrap();
        // Whoever tried before, and whoever comes anew.
        for engine in [&first, &other] {
            let failure = refused(engine, "lab").await;
            assert_eq!(failure.code, Code::HostKeyChanged, "{strict}: {failure}");
        }
        assert!(!fetched.exists(), "{strict}: the secret was not even fetched");
        assert_eq!(lab.sshd.log().matches("Failed password").count(), 1, "{strict}: {}", lab.sshd.log());
    }
}

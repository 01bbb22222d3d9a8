//! Logging in for real, with towline's own binary as ssh's askpass: passphrases, passwords and sudo through PAM, host keys; and where
//! the secrets are not to be found.

use std::path::Path;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use towline_base::{Code, Failure, HostAlias, SecretName, SecretSource, SessionName};
use towline_engine::action::{Bash, Connect, OnTimeout, Place, ReadWindow, Stderr, Write};
use towline_engine::{Access, Action, AgentForwarding, Answer, Body, Call, Context, Engine, HostAccess, Reader, Settings, Wallet};
use towline_testkit::{Lab, LabOptions, SshdOptions, Stage, process, stage};

const PASSPHRASE: &str = "open-sesame-please";

fn context() -> Context {
    Context {
        own_session: SessionName::parse("own").unwrap(),
        client: "test".to_owned(),
        cancel: CancellationToken::new(),
        closing: CancellationToken::new(),
        progress: None,
        ask: None,
        reader: Reader::Agent,
    }
}

/// An engine whose logins at `lab` may use what `give` gives it; every secret lies in a file of its own.
fn engine(lab: &Lab, secrets: &[(&str, &str)], give: impl FnOnce(&mut HostAccess)) -> Engine {
    let mut sources = std::collections::BTreeMap::new();
    for (name, text) in secrets {
        let file = lab.dir().join("config").join(name);
        std::fs::write(&file, format!("{text}\n")).unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        sources.insert(SecretName::parse(name).unwrap(), SecretSource::File(file));
    }
    let mut host = HostAccess::default();
    give(&mut host);
    let access = Access {
        wallet: Wallet::new(sources),
        hosts: [("lab".to_owned(), host)].into(),
        askpass: Some(env!("CARGO_BIN_EXE_towline").into()),
        ..Access::default()
    };
    let ssh_options = vec!["-F".to_owned(), lab.ssh_config().to_string_lossy().into_owned()];
    Engine::new(Settings { ssh_options, access, ..Settings::new("ssh", lab.state_dir()) })
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
        stdin: stdin.map(|text| text.as_bytes().to_vec()),
        stderr: Stderr::Merged,
    })
}

async fn on(engine: &Engine, host: &str, action: Action) -> Result<Answer, Failure> {
    engine.perform(Call { host: Some(HostAlias::parse(host).unwrap()), session: None, action }, context()).await
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

/// Looks for a secret where it must not be: arguments and environments of every process, and the files below these directories.
fn is_nowhere(secret: &str, lab: &Lab) {
    for process in process::all() {
        for part in ["cmdline", "environ"] {
            let all = std::fs::read(format!("/proc/{}/{part}", process.pid)).unwrap_or_default();
            assert!(!holds(&all, secret), "{part} of {process:?}");
        }
    }
    for dir in [lab.state_dir(), lab.runtime_dir(), lab.client_home(), lab.sshd.dir().to_owned()] {
        look(&dir, secret);
    }
}

fn look(dir: &Path, secret: &str) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            look(&path, secret);
        } else if kind.is_file() {
            assert!(!holds(&std::fs::read(&path).unwrap_or_default(), secret), "{}", path.display());
        }
    }
}

fn holds(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
}

fn locked_key(lab: &Lab) {
    let changed = lab.command("ssh-keygen").args(["-q", "-p", "-P", "", "-N", PASSPHRASE, "-f"]).arg(lab.sshd.key()).status().unwrap();
    assert!(changed.success());
}

#[tokio::test]
async fn a_keys_passphrase_comes_from_the_secret_that_the_configuration_names() {
    let lab = Lab::start();
    locked_key(&lab);
    let key = lab.sshd.key();
    let good = engine(&lab, &[("KEY", PASSPHRASE)], |host| drop(host.passphrases.insert(key.clone(), SecretName::parse("KEY").unwrap())));
    assert_eq!(said(&good, "lab", "echo in", None).await, "in\n");
    is_nowhere(PASSPHRASE, &lab);
    good.close().await;
}

#[tokio::test]
async fn a_key_without_a_passphrase_and_one_with_a_wrong_one_are_told() {
    let lab = Lab::start();
    locked_key(&lab);
    let key = lab.sshd.key();
    let failure = refused(&engine(&lab, &[], |_| {}), "lab").await;
    assert_eq!(failure.code, Code::AuthPrompt, "{failure}");
    assert!(
        failure.text.contains(&format!("the passphrase of the key {}", key.display())) && failure.to_string().contains("towline auth"),
        "{failure}"
    );
    let wrong = engine(&lab, &[("KEY", "wrong-one")], |host| drop(host.passphrases.insert(key.clone(), SecretName::parse("KEY").unwrap())));
    let failure = refused(&wrong, "lab").await;
    assert!(matches!(failure.code, Code::AuthRejected | Code::AuthPrompt) && !failure.to_string().contains("wrong-one"), "{failure}");
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
    let stage = Some(Stage { sudoers: sudoers.to_owned(), shell: String::new() });
    Lab::with(LabOptions { sshd: SshdOptions { config, stage, ..SshdOptions::default() }, ..LabOptions::default() })
}

#[tokio::test]
async fn a_password_goes_to_pam_and_nowhere_else() {
    if !stage::possible("a_password_goes_to_pam_and_nowhere_else") {
        return;
    }
    for method in ["PasswordAuthentication", "KbdInteractiveAuthentication"] {
        let lab = by_password(method, "");
        let good = engine(&lab, &[("PW", stage::PASSWORD)], |host| host.password = Some(name("PW")));
        assert_eq!(said(&good, "lab", "id -un", None).await, format!("{}\n", stage::USER), "{method}");
        is_nowhere(stage::PASSWORD, &lab);
        good.close().await;
    }
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
    let stage = Some(Stage { sudoers: sudoers.to_owned(), shell: String::new() });
    Lab::with(LabOptions { sshd: SshdOptions { stage, ..SshdOptions::default() }, ..LabOptions::default() })
}

#[tokio::test]
async fn root_works_by_sudo_with_files_and_commands_and_the_password_is_nowhere() {
    if !stage::possible("root_works_by_sudo_with_files_and_commands_and_the_password_is_nowhere") {
        return;
    }
    let lab = by_key(WITH_PASSWORD);
    let engine = engine(&lab, &[("PW", stage::PASSWORD)], |host| host.sudo = Some(name("PW")));
    assert_eq!(said(&engine, "lab", "id -un", None).await, format!("{}\n", stage::USER));
    assert_eq!(said(&engine, "lab+root", "id -un; cat", Some("its own stdin")).await, "root\nits own stdin");
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
    engine.close().await;
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

#[tokio::test]
async fn a_forwarded_agent_is_told_of_and_stays_off_the_plain_connection() {
    let lab = Lab::start();
    let engine = engine(&lab, &[], |_| {});
    let text = |answer: Answer| answer.notes.join("\n");
    assert_eq!(said(&engine, "lab", "echo \"[$SSH_AUTH_SOCK]\"", None).await, "[]\n");
    let with = Connect { agent: AgentForwarding::On, ..Connect::default() };
    let notes = text(on(&engine, "lab", Action::Connect(with)).await.unwrap());
    assert!(notes.contains("agent"), "{notes}");
}

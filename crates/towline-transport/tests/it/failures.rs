//! Each way in which ssh fails, for real.

use std::time::{Duration, Instant};

use towline_base::{Code, Failure};
use towline_testkit::{Lab, LabOptions, SshdOptions};
use towline_transport::{ConnectOptions, Destination};

use crate::support::{host, open, soon, transport, with};

/// What opening a channel fails with.
async fn failure(lab: &Lab, destination: &Destination) -> Failure {
    transport(lab).open(destination, "echo up", soon()).await.map(|channel| format!("{:?}", channel.route())).unwrap_err().into()
}

fn limited(max_sessions: u32) -> Lab {
    let sshd = SshdOptions { max_sessions: Some(max_sessions), ..SshdOptions::default() };
    Lab::with(LabOptions { sshd, ..LabOptions::default() })
}

fn check(failure: &Failure, code: Code, words: &str) {
    assert_eq!(failure.code, code, "{failure}");
    assert!(failure.text.contains(words), "{failure}");
}

#[tokio::test]
async fn names_and_ports_that_lead_nowhere() {
    let lab = Lab::start();
    let hosts = lab.sshd.client_config("nobody", 1) + "Host nowhere\n  HostName nowhere.invalid\n" + "Host wrong\n  HostName 127.0.0.1\n";
    lab.add_config(&hosts);
    let failed = failure(&lab, &host("nobody")).await;
    check(&failed, Code::Refused, "Connection refused");
    assert!(failed.text.contains(&format!("(ssh takes nobody for {}@127.0.0.1:1)", lab.sshd.user())), "{failed}");
    check(&failure(&lab, &host("nowhere")).await, Code::Resolve, "Could not resolve hostname nowhere.invalid");
}

#[tokio::test]
async fn host_keys_that_are_unknown_changed_or_revoked() {
    let mut lab = Lab::start();
    let known = std::fs::read_to_string(lab.sshd.known_hosts()).unwrap();
    // The user would be asked; nobody can answer, so it is refused and nothing is written.
    lab.add_config(&format!(
        "Host asking\n  HostName 127.0.0.1\n  Port {}\n  UserKnownHostsFile {}/empty\n",
        lab.relay.port(),
        lab.dir().display()
    ));
    check(&failure(&lab, &host("asking")).await, Code::HostKeyUnknown, "is not known: ssh-ed25519 SHA256:");
    assert!(!lab.dir().join("empty").exists());
    std::fs::write(lab.sshd.known_hosts(), "").unwrap();
    check(&failure(&lab, &host("lab")).await, Code::HostKeyUnknown, "is not known: ssh-ed25519 SHA256:");
    std::fs::write(lab.sshd.known_hosts(), known.lines().map(|line| format!("@revoked {line}")).collect::<Vec<_>>().join("\n")).unwrap();
    check(&failure(&lab, &host("lab")).await, Code::HostKeyChanged, ") is REVOKED. Nothing was sent.");
    std::fs::write(lab.sshd.known_hosts(), known).unwrap();
    lab.sshd.change_host_key().unwrap();
    lab.sshd.restart().unwrap();
    // The user lets new hosts in unasked; that is no leave to talk to one whose key has changed.
    let careless = |name: &str, known: &str| {
        format!(
            "Host {name}\n  HostName 127.0.0.1\n  Port {}\n  User {}\n  IdentityFile {}\n  IdentitiesOnly yes\n  UserKnownHostsFile {known}\n  StrictHostKeyChecking no\n",
            lab.sshd.port(),
            lab.sshd.user(),
            lab.sshd.key().display()
        )
    };
    lab.add_config(&(careless("careless", &lab.sshd.known_hosts().to_string_lossy()) + &careless("throw-away", "/dev/null")));
    check(&failure(&lab, &host("careless")).await, Code::HostKeyChanged, "HAS CHANGED. It offers ED25519 SHA256:");
    open(&transport(&lab), &host("throw-away")).await;
    check(&failure(&lab, &host("lab")).await, Code::HostKeyChanged, "HAS CHANGED. It offers ED25519 SHA256:");
}

#[tokio::test]
async fn logins_that_are_refused() {
    let lab = Lab::start();
    let key = lab.sshd.dir().join("host_key").to_string_lossy().into_owned();
    lab.add_config(&format!(
        "Host stranger\n  HostName 127.0.0.1\n  Port {}\n  IdentityFile {key}\n  IdentitiesOnly yes\n  IdentityAgent none\n  \
        UserKnownHostsFile {}\n",
        lab.sshd.port(),
        lab.sshd.known_hosts().display()
    ));
    check(&failure(&lab, &host("stranger")).await, Code::AuthRejected, "Permission denied (publickey)");
    let nobody = with("direct", ConnectOptions { user: Some("no-such-user".into()), ..ConnectOptions::default() });
    check(&failure(&lab, &nobody).await, Code::AuthRejected, "no-such-user@127.0.0.1");
}

#[tokio::test]
async fn a_login_that_would_need_a_person() {
    let config = vec!["PubkeyAuthentication no".into(), "PasswordAuthentication yes".into()];
    let lab = Lab::with(LabOptions { sshd: SshdOptions { config, ..SshdOptions::default() }, ..LabOptions::default() });
    check(&failure(&lab, &host("lab")).await, Code::AuthPrompt, "Permission denied (password)");
}

#[tokio::test]
async fn a_configuration_that_is_wrong() {
    let lab = Lab::start();
    lab.add_config("Host lab\n  Hots x");
    let failed = failure(&lab, &host("lab")).await;
    check(&failed, Code::SshConfig, "Bad configuration option: hots");
    assert!(!failed.text.contains("debug1"), "{failed}");
}

#[tokio::test]
async fn a_host_that_gives_no_channel() {
    let lab = limited(0);
    check(&failure(&lab, &host("lab")).await, Code::ChannelRefused, "Session open refused by peer");
}

#[tokio::test]
async fn a_port_that_closes_at_once() {
    let lab = Lab::start();
    lab.relay.refuse(true);
    check(&failure(&lab, &host("lab")).await, Code::Refused, "Connection reset by");
}

#[tokio::test]
async fn a_jump_hosts_own_words_are_heard() {
    let lab = Lab::start();
    lab.add_config(&(lab.sshd.client_config("gate", 1) + "Host behind\n  ProxyJump gate\n"));
    check(&failure(&lab, &host("behind")).await, Code::Refused, "connect to host 127.0.0.1 port 1: Connection refused");
}

#[tokio::test]
async fn a_frozen_network_ends_at_the_deadline() {
    let lab = Lab::start();
    let transport = transport(&lab);
    lab.relay.freeze();
    let begin = Instant::now();
    let error = transport.open(&host("lab"), "echo up", begin + Duration::from_millis(500)).await.unwrap_err();
    check(&error.into(), Code::ConnectTimeout, "in the time that there was");
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    assert!(lab.client_processes().is_empty());
    lab.relay.thaw();
    open(&transport, &host("lab")).await;
}

#[tokio::test]
async fn sshs_own_limit_is_told_in_its_own_words() {
    let lab = Lab::start();
    lab.add_config("Host lab\n  ConnectTimeout 1");
    lab.relay.freeze();
    check(&failure(&lab, &host("lab")).await, Code::ConnectTimeout, "timed out");
}

#[tokio::test]
async fn a_login_shell_that_hangs_is_told_from_a_network_that_does() {
    let lab = Lab::start();
    std::fs::write(lab.sshd.home().join(".bashrc"), "sleep 600").unwrap();
    let transport = transport(&lab);
    let error = transport.open(&host("lab"), "echo up", Instant::now() + Duration::from_secs(3)).await.unwrap_err();
    check(&error.into(), Code::RemoteShell, "let us in");
}

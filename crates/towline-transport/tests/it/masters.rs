//! Control masters: ours, the user's, shared, stale, full, killed.

use std::time::{Duration, Instant};

use towline_base::{Code, HostAlias};
use towline_testkit::{Lab, LabOptions, RelayOptions, SshdOptions, eventually, process};
use towline_transport::{ConnectOptions, End, Route};

use crate::support::{answers, host, line, master_pid, open, own_socket, settings, soon, transport, with};

fn limited(max_sessions: u32) -> Lab {
    let sshd = SshdOptions { max_sessions: Some(max_sessions), ..SshdOptions::default() };
    Lab::with(LabOptions { sshd, ..LabOptions::default() })
}

#[tokio::test]
async fn the_first_channel_makes_a_master_and_the_second_uses_it() {
    let lab = Lab::start();
    let transport = transport(&lab);
    let mut one = open(&transport, &host("lab")).await;
    let mut two = open(&transport, &host("lab")).await;
    assert_eq!(own_socket(&one), own_socket(&two));
    assert!(own_socket(&one).starts_with(lab.runtime_dir().join("towline")));
    assert_eq!(lab.relay.accepted(), 1);
    let pid = one.control.local_pid().unwrap();
    drop(one.control);
    eventually(Duration::from_secs(2), || !process::is_alive(pid));
    assert!(answers(&mut two).await, "dropping one channel ends no other");
    two.control.kill();
    assert!(matches!(two.control.wait().await, End::Failed(_)));
    one = open(&transport, &host("lab")).await;
    assert!(answers(&mut one).await);
    assert_eq!(lab.relay.accepted(), 1);
}

#[tokio::test]
async fn output_status_and_standard_error_come_through() {
    let lab = Lab::start();
    let transport = transport(&lab);
    for (command, first, status, error) in
        [("echo out; echo err >&2; exit 3", "out", 3, "err\n"), ("exit 0", "", 0, ""), ("echo x; exit 254", "x", 254, "")]
    {
        let mut channel = transport.open(&host("lab"), command, soon()).await.unwrap();
        assert_eq!(line(&mut channel).await, first);
        let end = channel.control.wait().await;
        assert!(matches!(end, End::Exited(code) if code == status), "{command}: {end:?}");
        assert_eq!(String::from_utf8_lossy(&channel.control.stderr()), error);
    }
}

#[tokio::test]
async fn two_processes_of_the_user_share_a_connection() {
    let lab = Lab::start();
    let (here, there) = (transport(&lab), transport(&lab));
    let destination = host("lab");
    let (one, two) = tokio::join!(open(&here, &destination), open(&there, &destination));
    assert_eq!(own_socket(&one), own_socket(&two));
    assert_eq!(lab.relay.accepted(), 1);
}

#[tokio::test]
async fn many_at_once_log_in_once() {
    let lab = Lab::with(LabOptions { relay: RelayOptions::rtt(Duration::from_millis(20)), ..LabOptions::default() });
    let transport = transport(&lab);
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let transport = transport.clone();
            tokio::spawn(async move { open(&transport, &host("lab")).await })
        })
        .collect();
    let mut channels = Vec::new();
    for task in tasks {
        channels.push(task.await.unwrap());
    }
    assert_eq!(lab.relay.accepted(), 1);
    for channel in &mut channels {
        assert!(answers(channel).await);
    }
}

#[tokio::test]
async fn a_killed_master_is_replaced() {
    let lab = Lab::start();
    let transport = transport(&lab);
    let mut one = open(&transport, &host("lab")).await;
    let socket = own_socket(&one).to_owned();
    process::kill(master_pid(&lab, &socket));
    let end = one.control.wait().await;
    assert!(matches!(&end, End::Failed(error) if error.code() == Code::LinkLost), "{end:?}");
    let mut two = open(&transport, &host("lab")).await;
    assert_ne!(own_socket(&two), socket);
    assert!(answers(&mut two).await);
    assert!(!socket.exists(), "the dead master's socket is taken away");
}

#[tokio::test]
async fn a_master_that_is_abandoned_serves_its_channels_and_ends_with_them() {
    let lab = Lab::start();
    let transport = transport(&lab);
    let mut one = open(&transport, &host("lab")).await;
    let socket = own_socket(&one).to_owned();
    let pid = master_pid(&lab, &socket);
    transport.abandon(&host("lab"), one.route()).await;
    let mut two = open(&transport, &host("lab")).await;
    assert_ne!(own_socket(&two), socket);
    assert!(answers(&mut one).await && answers(&mut two).await);
    drop(one);
    eventually(Duration::from_secs(20), || !process::is_alive(pid));
    assert!(!socket.exists());
}

#[tokio::test]
async fn a_master_whose_starter_was_killed_is_found_by_the_next_one() {
    let lab = Lab::start();
    // What the starter does before it is killed: it announces the socket, and ssh comes up.
    let before = transport(&lab);
    let one = open(&before, &host("lab")).await;
    let socket = own_socket(&one).to_owned();
    let notices: Vec<_> = std::fs::read_dir(lab.state_dir().join("towline/ssh")).unwrap().flatten().map(|entry| entry.path()).collect();
    let notice = notices.iter().find(|path| path.extension().is_some_and(|extension| extension == "json")).unwrap();
    let text = std::fs::read_to_string(notice).unwrap();
    let begun = text.replace("\"sockets\":[", "\"was\":[").replace("\"coming\":{}", &format!("\"sockets\":[],\"coming\":{{{socket:?}:1}}"));
    assert!(begun != text, "{text}");
    std::fs::write(notice, begun).unwrap();
    let next = transport(&lab);
    assert_eq!(own_socket(&open(&next, &host("lab")).await), socket);
    assert_eq!(next.end_master(&host("lab"), soon()).await.unwrap(), 1);
}

#[tokio::test]
async fn a_cut_link_is_told_and_the_next_channel_has_a_new_connection() {
    let lab = Lab::start();
    let transport = transport(&lab);
    let mut one = open(&transport, &host("lab")).await;
    lab.relay.cut();
    let end = one.control.wait().await;
    assert!(matches!(&end, End::Failed(error) if error.code() == Code::LinkLost), "{end:?}");
    assert!(answers(&mut open(&transport, &host("lab")).await).await);
}

#[tokio::test]
async fn the_users_master_is_used_and_never_ended() {
    let lab = Lab::start();
    let socket = lab.dir().join("user-master");
    lab.add_config(&format!("Host lab\n  ControlPath {}", socket.display()));
    let status = lab.ssh().args(["-fNM", "--", "lab"]).status().unwrap();
    assert!(status.success());
    let transport = transport(&lab);
    let one = open(&transport, &host("lab")).await;
    assert_eq!(one.route(), &Route::UserMaster(socket.clone()));
    assert_eq!(transport.end_master(&host("lab"), soon()).await.unwrap(), 0);
    // Not used any more once its heartbeat failed; another process still uses it.
    transport.forget_user_master(&host("lab"));
    let mut two = open(&transport, &host("lab")).await;
    assert!(answers(&mut two).await);
    assert_ne!(own_socket(&two), socket);
    let other = self::transport(&lab);
    assert_eq!(open(&other, &host("lab")).await.route(), &Route::UserMaster(socket.clone()));
    other.abandon(&host("lab"), one.route()).await;
    assert_eq!(own_socket(&open(&other, &host("lab")).await), own_socket(&two));
    assert!(process::is_alive(master_pid(&lab, &socket)));
    // Where it has gone, its absence costs nothing and nothing is said.
    process::kill(master_pid(&lab, &socket));
    assert!(matches!(open(&self::transport(&lab), &host("lab")).await.route(), Route::OwnMaster(_)));
}

#[tokio::test]
async fn a_users_stale_or_stopped_master_gives_way_to_ours() {
    let lab = Lab::start();
    let socket = lab.dir().join("user-master");
    lab.add_config(&format!("Host lab\n  ControlPath {}", socket.display()));
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(matches!(open(&transport(&lab), &host("lab")).await.route(), Route::OwnMaster(_)));
    assert!(socket.exists(), "what is the user's stays");
    std::fs::remove_file(&socket).unwrap();
    assert!(lab.ssh().args(["-fNM", "--", "lab"]).status().unwrap().success());
    let pid = master_pid(&lab, &socket);
    process::stop(pid);
    assert!(matches!(open(&transport(&lab), &host("lab")).await.route(), Route::OwnMaster(_)));
    process::go_on(pid);
    assert!(process::is_alive(pid));
}

#[tokio::test]
async fn where_channels_are_limited_there_are_more_connections() {
    for limit in [1, 2] {
        let lab = limited(limit);
        let transport = transport(&lab);
        let mut channels = Vec::new();
        for _ in 0..3 {
            channels.push(open(&transport, &host("lab")).await);
        }
        for channel in &mut channels {
            assert!(answers(channel).await);
        }
        let connections = if limit == 1 { 3 } else { 2 };
        assert_eq!(lab.relay.accepted(), connections, "MaxSessions {limit}");
        // Each connection is one that was meant, and none that ssh made behind the master's back.
        let sockets: std::collections::HashSet<_> = channels.iter().map(own_socket).collect();
        assert_eq!(sockets.len(), connections, "MaxSessions {limit}");
    }
}

#[tokio::test]
async fn where_no_socket_can_be_made_there_is_a_connection_of_its_own() {
    let lab = Lab::start();
    let long = lab.dir().join("x".repeat(100));
    let mut settings = settings(&lab);
    // A state directory that is too long, and a last resort that ssh cannot write to, would need another user; a listener that
    // fails is what a stand-in for ssh gives.
    settings.program = lab.dir().join("ssh");
    let script = "#!/bin/sh\ncase \" $* \" in *' -M '*) echo 'unix_listener: cannot bind to path /x: No such file or directory' >&2; exit 255;; esac\nexec ssh \"$@\"\n";
    std::fs::write(&settings.program, script).unwrap();
    make_executable(&settings.program);
    settings.state_dir = long;
    let transport = towline_transport::SshTransport::new(settings);
    let mut channel = open(&transport, &host("lab")).await;
    assert_eq!(channel.route(), &Route::Single);
    assert!(answers(&mut channel).await);
}

fn make_executable(file: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn a_published_socket_that_others_could_have_made_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let lab = Lab::start();
    let one = open(&transport(&lab), &host("lab")).await;
    let open_dir = lab.dir().join("open");
    std::fs::create_dir(&open_dir).unwrap();
    std::fs::set_permissions(&open_dir, std::fs::Permissions::from_mode(0o755)).unwrap();
    let socket = open_dir.join("m");
    assert!(lab.ssh().args(["-fNM", "-S"]).arg(&socket).args(["--", "lab"]).status().unwrap().success());
    let list = std::fs::read_dir(lab.state_dir().join("towline/ssh")).unwrap().flatten().map(|entry| entry.path());
    let list = list.into_iter().find(|file| file.extension().is_some_and(|extension| extension == "json")).unwrap();
    std::fs::write(&list, format!("{{\"sockets\":[{:?}]}}", socket.display().to_string())).unwrap();
    let two = open(&transport(&lab), &host("lab")).await;
    assert!(own_socket(&two) != socket && own_socket(&two) != own_socket(&one));
}

#[tokio::test]
async fn our_masters_can_be_ended() {
    let lab = Lab::start();
    let transport = transport(&lab);
    let one = open(&transport, &host("lab")).await;
    let two = open(&transport, &host("direct")).await;
    let pids = [master_pid(&lab, own_socket(&one)), master_pid(&lab, own_socket(&two))];
    assert_eq!(transport.end_master(&host("lab"), soon()).await.unwrap(), 1);
    eventually(Duration::from_secs(2), || !process::is_alive(pids[0]));
    assert!(process::is_alive(pids[1]));
    assert_eq!(transport.end_all_masters(soon()).await.unwrap(), 1);
    eventually(Duration::from_secs(2), || !process::is_alive(pids[1]));
    assert_eq!(transport.end_all_masters(soon()).await.unwrap(), 0);
    drop((one, two));
    eventually(Duration::from_secs(2), || lab.client_processes().is_empty());
}

#[tokio::test]
async fn names_with_a_port_and_typed_options_reach_the_host() {
    let lab = Lab::start();
    let (port, user) = (lab.relay.port(), lab.sshd.user().to_owned());
    lab.add_config(&lab.sshd.client_config("127.0.0.1 gate", lab.sshd.port()));
    let transport = transport(&lab);
    let key = lab.sshd.key().to_string_lossy().into_owned();
    let alias = |name: &str| HostAlias::parse(name).unwrap();
    for destination in [
        host(&format!("{user}@127.0.0.1:{port}")),
        host(&format!("[127.0.0.1]:{port}")),
        with("direct", ConnectOptions { port: Some(port), user: Some(user.clone()), ..ConnectOptions::default() }),
        with("127.0.0.1", ConnectOptions { identity_file: Some(key), jump: Some(alias("gate")), ..ConnectOptions::default() }),
    ] {
        let mut one = open(&transport, &destination).await;
        let mut two = open(&transport, &destination).await;
        assert!(answers(&mut one).await && answers(&mut two).await, "{destination:?}");
        assert_eq!(own_socket(&one), own_socket(&two));
    }
    assert_eq!(lab.relay.accepted(), 3);
}

#[tokio::test]
async fn the_users_configuration_of_forwards_and_commands_does_not_disturb() {
    let lab = Lab::start();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    lab.add_config(&format!(
        "Host lab\n  LocalForward 127.0.0.1:{port} 127.0.0.1:1\n  ExitOnForwardFailure yes\n  RemoteCommand echo no\n  RequestTTY force\n  \
         PermitLocalCommand yes\n  LocalCommand echo no\n  ControlMaster auto\n  ControlPersist yes\n  LogLevel QUIET\n  SessionType none\n  \
         StdinNull yes\n  ForkAfterAuthentication yes\n  ForwardAgent yes\n  ForwardX11 yes\n  ControlPath {}/user-%C",
        lab.dir().display()
    ));
    let transport = transport(&lab);
    for _ in 0..2 {
        let mut channel = open(&transport, &host("lab")).await;
        assert!(answers(&mut channel).await);
        own_socket(&channel);
    }
}

#[tokio::test]
async fn a_silent_master_of_ours_is_not_waited_for_for_ever() {
    let lab = Lab::start();
    let transport = transport(&lab);
    let one = open(&transport, &host("lab")).await;
    lab.relay.freeze();
    let begin = Instant::now();
    let error = transport.open(&host("lab"), "echo up", Instant::now() + Duration::from_millis(700)).await.unwrap_err();
    assert_eq!(error.code(), Code::LinkLost, "{error}");
    assert!(begin.elapsed() < Duration::from_secs(3));
    // The caller knows that the link is dead and says so: the next channel goes over a new connection.
    transport.abandon(&host("lab"), one.route()).await;
    lab.relay.thaw();
    let two = open(&transport, &host("lab")).await;
    assert_ne!(own_socket(&one), own_socket(&two));
    assert_eq!(own_socket(&two), own_socket(&open(&self::transport(&lab), &host("lab")).await));
}

#[tokio::test]
async fn a_stopped_master_of_ours_is_replaced_while_there_is_time() {
    let lab = Lab::start();
    let transport = transport(&lab);
    let one = open(&transport, &host("lab")).await;
    process::stop(master_pid(&lab, own_socket(&one)));
    let mut two = open(&transport, &host("lab")).await;
    assert!(answers(&mut two).await);
    assert_ne!(own_socket(&one), own_socket(&two));
}

#[tokio::test]
async fn a_wish_that_is_given_up_leaves_no_lock_and_no_second_login() {
    let lab = Lab::with(LabOptions { relay: RelayOptions::rtt(Duration::from_millis(50)), ..LabOptions::default() });
    let transport = transport(&lab);
    let (destination, deadline) = (host("lab"), soon());
    let given_up = tokio::time::timeout(Duration::from_millis(100), transport.open(&destination, "echo up", deadline)).await;
    assert!(given_up.is_err());
    assert!(answers(&mut open(&transport, &destination).await).await);
}

#[tokio::test]
async fn standard_error_held_open_by_the_master_does_not_hold_up_the_end() {
    let lab = Lab::start();
    let transport = transport(&lab);
    let mut channel = transport.open(&host("lab"), "echo up; echo last >&2; exit 5", soon()).await.unwrap();
    let begin = Instant::now();
    assert!(matches!(channel.control.wait().await, End::Exited(5)));
    assert!(begin.elapsed() < Duration::from_secs(2));
    assert_eq!(channel.control.stderr(), b"last\n");
}

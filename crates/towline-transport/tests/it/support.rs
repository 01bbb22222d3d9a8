//! Short words for the transport's tests.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use towline_base::HostAlias;
use towline_testkit::Lab;
use towline_transport::{Channel, ConnectOptions, Destination, Route, SshSettings, SshTransport};

/// A command that says that it is up and then repeats what it is sent.
pub(crate) const ECHO: &str = "echo up; exec cat";

pub(crate) fn settings(lab: &Lab) -> SshSettings {
    let mut settings = SshSettings::new("ssh", lab.state_dir().join("towline"));
    settings.options = vec!["-F".into(), lab.ssh_config().to_string_lossy().into_owned()];
    settings.runtime_dir = Some(lab.runtime_dir());
    settings.home = Some(lab.client_home());
    settings
}

pub(crate) fn transport(lab: &Lab) -> SshTransport {
    SshTransport::new(settings(lab))
}

pub(crate) fn host(name: &str) -> Destination {
    Destination::plain(HostAlias::parse(name).unwrap()).unwrap()
}

pub(crate) fn with(name: &str, options: ConnectOptions) -> Destination {
    Destination::new(HostAlias::parse(name).unwrap(), options).unwrap()
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

/// Opens a channel that repeats what it is sent.
pub(crate) async fn open(transport: &SshTransport, destination: &Destination) -> Channel {
    let mut channel = transport.open(destination, ECHO, soon()).await.unwrap();
    assert_eq!(line(&mut channel).await, "up");
    channel
}

/// The next line of the output.
pub(crate) async fn line(channel: &mut Channel) -> String {
    let mut text = Vec::new();
    let read = async {
        loop {
            match channel.output.read_u8().await {
                Ok(b'\n') | Err(_) => break,
                Ok(byte) => text.push(byte),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), read).await.unwrap();
    String::from_utf8(text).unwrap()
}

/// Whether the channel still repeats what it is sent.
pub(crate) async fn answers(channel: &mut Channel) -> bool {
    if channel.input.write_all(b"ping\n").await.is_err() {
        return false;
    }
    line(channel).await == "ping"
}

/// The socket of the master, where one of ours carries the channel.
pub(crate) fn own_socket(channel: &Channel) -> &std::path::Path {
    match channel.route() {
        Route::OwnMaster(socket) => socket,
        other @ (Route::UserMaster(_) | Route::Single | Route::Local) => panic!("not a master of ours: {other:?}"),
    }
}

/// The process id of the master at a socket.
pub(crate) fn master_pid(lab: &Lab, socket: &std::path::Path) -> u32 {
    let output = lab.ssh().arg("-S").arg(socket).args(["-O", "check", "--", "lab"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    text.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap_or_else(|_| panic!("{text}"))
}

//! The local transport: the same programs under a pipe.

use towline_testkit::Shells;
use towline_transport::{End, LocalTransport, Route, Transport};

use crate::support::{answers, host, line, soon};

#[tokio::test]
async fn the_local_transport_runs_the_same_command_line_in_each_shell() {
    for shell in Shells::available() {
        let dir = tempfile::tempdir().unwrap();
        let env = vec![("ONLY".into(), "this".into()), ("PATH".into(), "/usr/bin:/bin".into())];
        let mut local = LocalTransport::new(dir.path(), env);
        local.shell = shell.full_argv().into_iter().map(Into::into).collect();
        let transport = Transport::Local(local);
        let mut channel =
            transport.open(&host("any"), "printf '%s\\n' \"$ONLY ${HOME-unset}\" \"$PWD\"; cat; exit 6", soon()).await.unwrap();
        assert_eq!(line(&mut channel).await, "this unset", "{}", shell.name);
        assert_eq!(line(&mut channel).await, dir.path().canonicalize().unwrap().to_str().unwrap(), "{}", shell.name);
        assert!(answers(&mut channel).await);
        assert_eq!(channel.route(), &Route::Local);
        drop(channel.input);
        let end = channel.control.wait().await;
        assert!(matches!(end, End::Exited(6)), "{}: {end:?}", shell.name);
    }
}

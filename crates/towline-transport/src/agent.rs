//! Where the ssh agent is, when nobody said it: several MCP clients start their servers with an empty environment.
//!
//! Holds to: only sockets that belong to the user are asked, and only for the number of their keys. Looked at, in this order:
//! `SSH_AUTH_SOCK`; in the runtime directory the sockets of GNOME (`gcr/ssh`, `keyring/ssh`), of OpenSSH's and systemd's user
//! units (`ssh-agent.socket`, `ssh-agent`, `openssh_agent`) and of `GnuPG` (`gnupg/S.gpg-agent.ssh`); in the home directory those of
//! 1Password, Bitwarden and `GnuPG`. The first agent that holds a key is taken. Leaves out: starting an agent.

use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

const IN_RUNTIME: &[&str] = &["gcr/ssh", "keyring/ssh", "ssh-agent.socket", "ssh-agent", "openssh_agent", "gnupg/S.gpg-agent.ssh"];
const IN_HOME: &[&str] = &[
    ".1password/agent.sock",
    "Library/Group Containers/2BUA8C4S2C.com.1password/t/agent.sock",
    ".bitwarden-ssh-agent.sock",
    ".gnupg/S.gpg-agent.ssh",
];
/// An agent answers this question without asking anybody.
const PATIENCE: Duration = Duration::from_millis(300);

/// What is to be put into `SSH_AUTH_SOCK`; `None` if what is there (or nothing) is to stay.
pub(crate) fn find(given: Option<&Path>, runtime: Option<&Path>, home: Option<&Path>) -> Option<PathBuf> {
    if given.is_some_and(|socket| keys(socket).is_some()) {
        return None;
    }
    let below = |dir: Option<&Path>, names: &[&str]| -> Vec<PathBuf> {
        dir.map(|dir| names.iter().map(|name| dir.join(name)).collect()).unwrap_or_default()
    };
    let candidates = [below(runtime, IN_RUNTIME), below(home, IN_HOME)].concat();
    candidates.into_iter().find(|socket| keys(socket).is_some_and(|count| count > 0))
}

/// How many keys the agent at that socket holds; `None` if there is no agent of the user's own.
fn keys(socket: &Path) -> Option<u32> {
    let meta = std::fs::metadata(socket).ok()?;
    if !meta.file_type().is_socket() || meta.uid() != rustix::process::geteuid().as_raw() {
        return None;
    }
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(&[0, 0, 0, 1, 11]).ok()?; // SSH_AGENTC_REQUEST_IDENTITIES
    let mut answer = [0; 9];
    stream.read_exact(&mut answer).ok()?;
    let [_, _, _, _, kind, count @ ..] = answer;
    (kind == 12).then(|| u32::from_be_bytes(count)) // SSH_AGENT_IDENTITIES_ANSWER
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    /// An agent that says it has so many keys, once for each connection.
    fn agent(socket: &Path, count: u8) {
        std::fs::create_dir_all(socket.parent().expect("a socket is in a directory")).expect("it can be made");
        let listener = UnixListener::bind(socket).expect("a socket can be made");
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = stream.read_exact(&mut [0; 5]);
                let _ = stream.write_all(&[0, 0, 0, 5, 12, 0, 0, 0, count]);
            }
        });
    }

    #[test]
    fn the_first_agent_with_a_key_is_found() {
        let dir = tempfile::tempdir().expect("a directory");
        let (run, home) = (dir.path().join("run"), dir.path().join("home"));
        let look = |given: Option<&Path>| find(given, Some(&run), Some(&home));
        assert_eq!(look(None), None);
        agent(&run.join("gcr/ssh"), 0);
        assert_eq!(look(None), None);
        agent(&home.join(".1password/agent.sock"), 1);
        assert_eq!(look(None), Some(home.join(".1password/agent.sock")));
        agent(&run.join("openssh_agent"), 2);
        assert_eq!(look(None), Some(run.join("openssh_agent")));
        // What was given stays while it lives, even without keys, and not when it is stale.
        assert_eq!(look(Some(&run.join("gcr/ssh"))), None);
        assert_eq!(look(Some(&run.join("stale"))), Some(run.join("openssh_agent")));
    }
}

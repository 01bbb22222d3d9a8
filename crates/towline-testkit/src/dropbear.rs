//! What is Dropbear's own in the lab: its key, its list of those who may log in, its command line.
//!
//! Holds to: the keys are those of the lab, in Dropbear's form; its command line is built by a pure function. Leaves out: starting it
//! (`sshd`), and all that it cannot be told: it has no settings, and knows no place for keys but the account's home.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use crate::process::command;

/// The host key in Dropbear's form.
const KEY: &str = "dropbear_key";

/// Writes its host key and who may log in.
pub(crate) fn prepare(dir: &Path, home: &Path) -> io::Result<()> {
    let mut convert = command("dropbearconvert");
    convert.args(["openssh", "dropbear"]).arg(dir.join("host_key")).arg(dir.join(KEY));
    if !convert.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?.success() {
        return Err(io::Error::other("dropbearconvert failed"));
    }
    let place = home.join(".ssh");
    fs::create_dir(&place)?;
    fs::copy(dir.join("user_key.pub"), place.join("authorized_keys"))?;
    fs::set_permissions(place.join("authorized_keys"), fs::Permissions::from_mode(0o644))
}

/// Its command line.
pub(crate) fn arguments(dir: &Path, port: u16) -> Vec<OsString> {
    let of = |flag: &str, value: OsString| [OsString::from(flag), value];
    let login = dir.join("login").into_os_string();
    [
        // In the foreground, to standard error, without passwords and without this process's environment.
        vec!["-F".into(), "-E".into(), "-s".into()],
        of("-p", format!("127.0.0.1:{port}").into()).into(),
        of("-r", dir.join(KEY).into()).into(),
        of("-P", dir.join("dropbear.pid").into()).into(),
        of("-c", login).into(),
    ]
    .concat()
}

//! Builds towline and says where the binary is.

use std::path::PathBuf;
use std::process::Stdio;

use crate::run::{self, Outcome, Trouble};

/// How a binary is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Quickly.
    Debug,
    /// As it is shipped.
    Release,
}

/// Builds the binary and returns its path, as cargo itself tells it (a target directory may be configured anywhere).
pub(crate) fn build(profile: Profile) -> Outcome<PathBuf> {
    let mut command = run::cargo();
    command.args(["build", "--locked", "--package", "towline", "--bin", "towline", "--message-format", "json-render-diagnostics"]);
    if profile == Profile::Release {
        command.arg("--release");
    }
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(Trouble::new("towline does not build"));
    }
    executable(&String::from_utf8_lossy(&output.stdout)).ok_or_else(|| Trouble::new("cargo did not say where the binary is"))
}

/// The last executable that cargo's messages name.
fn executable(messages: &str) -> Option<PathBuf> {
    let parsed = messages.lines().rev().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut paths = parsed.filter_map(|message| message["executable"].as_str().map(PathBuf::from));
    paths.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_read_from_cargos_messages() {
        let messages = "{\"reason\":\"compiler-artifact\",\"executable\":null}\nnoise\n{\"executable\":\"/t/towline\"}\n{\"reason\":\"build-finished\"}\n";
        assert_eq!(executable(messages), Some(PathBuf::from("/t/towline")));
        assert_eq!(executable("{}\n"), None);
    }
}

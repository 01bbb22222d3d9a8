//! The live view as a window of towline's tmux server, beside the host's terminals.
//!
//! Holds to: no tmux is started before a person asks for it; the window is found again. Leaves out: what runs in it.

use std::ffi::OsString;
use std::path::Path;

use towline_base::{Code, Failure, HostAlias};
use towline_transport::tmux::{NewWindow, Opened, Size, Tmux, TmuxSettings};

/// Opens the window of a host, or finds it; returns the command with which a person attaches to it. `tmux` is the program to start
/// where the environment names none.
///
/// # Errors
/// If tmux is missing, too old, or does not do it.
pub async fn calls_window(
    state_dir: &Path,
    tmux: Option<&Path>,
    host: &HostAlias,
    size: (u16, u16),
    command: &[OsString],
) -> Result<String, Failure> {
    let tmux = Tmux::new(TmuxSettings::from_environment(state_dir, tmux));
    tmux.usable().await?;
    let (cols, rows) = size;
    let window = NewWindow { host: host.as_str(), kind: "calls", name: "calls", size: Size { cols, rows }, note: "", command };
    let (mut pane, opened) = tmux.open(&window).await?;
    if opened == Opened::Found {
        tmux.resize(pane.id, Size { cols, rows }).await?;
        if pane.dead.is_some() {
            pane = tmux.replace(pane.id, &window).await?;
        }
    }
    let attach = tmux.attach_command(host.as_str(), Some(&pane.window)).await;
    attach.ok_or_else(|| Failure::new(Code::Local, "towline's tmux server ended as soon as it was started"))
}

/// Becomes a command that a person gave or asked for; returns only if it cannot.
#[must_use]
pub fn become_command(command: &str) -> Failure {
    Failure::new(Code::Local, format!("{}:\n    {command}", towline_transport::become_command(command)))
}

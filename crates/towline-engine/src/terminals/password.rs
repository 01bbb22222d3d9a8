//! Passwords that go into a terminal: those of the user's that a call names, and those that an agent types in so many words.
//!
//! Holds to: a secret is typed only where the terminal asks for one; what an agent types there is typed only where the person has
//! allowed it, and is known to be a password before anything is told of the call. Leaves out: the rules (towline-policy).

use towline_base::{Code, Failure, HostAlias, Secret, SecretName, TerminalName};
use towline_policy::typed_by_others;
use towline_transport::LiteralPasswords;
use towline_transport::tmux::{Colours, Look};

use super::classify::Awaits;
use super::{Open, Terminals, name_or_own, view};
use crate::action::{Asks, TerminalSend};
use crate::context::Context;
use crate::hosts::Hosts;

impl Terminals {
    /// What a terminal asks for now; nothing, if there is none that could ask.
    pub(crate) async fn asks(&self, alias: &HostAlias, name: Option<&TerminalName>, context: &Context) -> Asks {
        let name = name_or_own(name, context);
        let panes = self.panes(alias).await.unwrap_or_default();
        let Some(pane) = panes.into_iter().find(|pane| pane.name == name.as_str()) else { return Asks::Nothing };
        match self.tmux.look(pane.id, 0, Colours::Dropped).await {
            Ok(look) if asks(&look) => {
                let person = self.tmux.attach_command(alias.as_str(), Some(&pane.window)).await.unwrap_or_default();
                Asks::Password { person }
            }
            Ok(_) | Err(_) => Asks::Nothing,
        }
    }
}

fn asks(look: &Look) -> bool {
    view::awaits(look) == Some(Awaits::Password)
}

/// Whether what is to be typed may be: what an agent types at a password's prompt went through the model and its provider, and is
/// shown by none that sees the call only if that was known when the call began.
pub(super) fn check(hosts: &Hosts, open: &Open, send: &TerminalSend, look: &Look) -> Result<(), Failure> {
    match (&send.asks, asks(look)) {
        _ if !send.types() => Ok(()),
        (Asks::Nothing, false) => Ok(()),
        (Asks::Nothing, true) => {
            let text = format!("The terminal {} began to ask for a password in this moment ({}); nothing was typed.", open.name, row(look));
            Err(Failure::new(Code::Forbidden, text).hint("Look at it with TerminalRead."))
        }
        (Asks::Password { .. }, false) => {
            let text = format!("The terminal {} does not ask for a password any more; nothing was typed.", open.name);
            Err(Failure::new(Code::Forbidden, text).hint("Look at it with TerminalRead."))
        }
        (Asks::Password { person }, true) => {
            let keys = send.keys.iter().filter_map(crate::action::Key::character);
            let typed: String = send.text.as_deref().unwrap_or_default().chars().chain(keys).collect();
            match hosts.take_typed(&typed) {
                LiteralPasswords::Taken => Ok(()),
                LiteralPasswords::Refused => {
                    let text = format!("The terminal {} asks for a password ({}); nothing was typed.", open.name, row(look));
                    Err(Failure::new(Code::Forbidden, text).hint(typed_by_others(person)))
                }
            }
        }
    }
}

fn row(look: &Look) -> &str {
    look.row.trim()
}

/// The secret that is to be typed: only where the terminal asks for one, so that it is not shown.
pub(super) async fn secret(hosts: &Hosts, open: &Open, name: &SecretName, look: &Look) -> Result<Secret, Failure> {
    if !asks(look) {
        let text = format!("secret: the terminal {} does not ask for a password now; nothing was typed.", open.name);
        return Err(
            Failure::new(Code::Forbidden, text).hint("A secret is typed only where it is not shown; TerminalRead waits for the question.")
        );
    }
    hosts.lent(&open.alias)?.secret("secret", name).await
}

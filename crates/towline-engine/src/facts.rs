//! What a policy needs to know of an action: the paths that it names, what it wants besides, the text that a shell gets.
//!
//! Holds to: each parameter of a tool is looked at; one that is added has to be placed here. Leaves out: the decision.

use std::borrow::Cow;

use towline_base::HostAlias;
use towline_policy::{Access, Touch, Want};
use towline_proto::files::glob::GlobSearch;

use towline_transport::AgentForwarding;

use crate::action::{Action, Asks, Bash, Connect, Grep, Key, TerminalOpen, TerminalSend};

/// What is known of one action.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    action: &'a Action,
    paths: Vec<(Cow<'a, str>, Access)>,
    wants: Vec<Want<'a>>,
    text: Option<Cow<'a, str>>,
}

impl<'a> Facts<'a> {
    /// Looks an action through.
    pub(crate) fn of(action: &'a Action) -> Self {
        let mut facts = Facts { action, paths: Vec::new(), wants: Vec::new(), text: None };
        match action {
            Action::Bash(bash) => facts.of_bash(bash),
            Action::Read(window) => facts.touch(&window.file_path, Access::Read),
            Action::MultiRead(windows) => {
                for window in windows {
                    facts.touch(&window.file_path, Access::Read);
                }
            }
            Action::Write(write) => facts.touch(&write.file_path, Access::Write),
            Action::Edit(edit) => {
                // Its answer shows lines of the file.
                facts.touch(&edit.file_path, Access::Read);
                facts.touch(&edit.file_path, Access::Write);
            }
            Action::Stat(paths) => {
                for path in paths {
                    facts.touch(path, Access::Read);
                }
            }
            Action::List(list) => facts.touch(list.path.as_deref().unwrap_or("."), Access::Read),
            Action::Glob(glob) => {
                // A pattern that is none is refused before anything is sent.
                let place = GlobSearch::new(&glob.pattern, glob.path.as_deref()).map_or_else(|_| ".".to_owned(), |search| search.place());
                facts.paths.push((place.into(), Access::Search));
            }
            Action::Grep(Grep { path, .. }) => {
                facts.touch(path.as_deref().filter(|path| !path.is_empty()).unwrap_or("."), Access::Search);
            }
            Action::Connect(connect) => facts.of_connect(connect),
            Action::TerminalOpen(open) => facts.of_terminal(open),
            Action::TerminalSend(send) => facts.of_typing(send),
            Action::Jobs
            | Action::JobOutput(_)
            | Action::JobStop(_)
            | Action::Hosts
            | Action::Disconnect(_)
            | Action::Clean(_)
            | Action::SignIn
            | Action::Trust(_)
            | Action::TerminalRead(_)
            | Action::TerminalClose(_) => {}
        }
        facts
    }

    fn touch(&mut self, path: &'a str, access: Access) {
        self.paths.push((path.into(), access));
    }

    fn of_bash(&mut self, bash: &'a Bash) {
        let Bash { command, timeout: _, on_timeout: _, description: _, place: _, cwd: _, env: _, env_secrets, stdin: _, stderr: _ } = bash;
        self.text = Some(command.into());
        self.wants.extend(env_secrets.iter().map(|name| Want::Secret(name.as_str())));
    }

    /// How to reach a host is no matter of rights there: what is done there is asked about by its name.
    fn of_connect(&mut self, connect: &Connect) {
        let Connect { cwd: _, label: _, user: _, port: _, identity_file: _, jump: _, agent, add_keys, password } = connect;
        let agent_is_used = *agent == AgentForwarding::On || !add_keys.is_empty();
        self.wants.extend(agent_is_used.then_some(Want::ForwardAgent));
        self.wants.extend(password.as_ref().map(|_| Want::Password));
    }

    fn of_terminal(&mut self, open: &'a TerminalOpen) {
        let TerminalOpen { name: _, size: _, command, persist: _ } = open;
        self.text = command.as_deref().map(Cow::from);
    }

    /// What is typed is one line to whoever reads it there, however it was sent.
    fn of_typing(&mut self, send: &'a TerminalSend) {
        let TerminalSend { name: _, text, keys, secret, enter: _, resize: _, wait: _, timeout: _, asks } = send;
        match asks {
            Asks::Nothing => {}
            Asks::Password { person } => self.wants.push(Want::TypedPassword { person }),
        }
        self.wants.extend(secret.iter().map(|name| Want::Secret(name.as_str())));
        let typed: String = keys.iter().filter_map(Key::character).collect();
        let text = text.as_deref().unwrap_or_default();
        self.text =
            (!text.is_empty() || !typed.is_empty()).then(|| if typed.is_empty() { text.into() } else { format!("{text}{typed}").into() });
    }

    /// The action as a policy sees it.
    pub(crate) fn seen<'b>(&'b self, host: Option<&'b HostAlias>) -> towline_policy::Action<'b> {
        // Root is a host of its own: whatever is done there is done as root.
        let sudo = host.is_some_and(HostAlias::is_root).then_some(Want::Sudo);
        towline_policy::Action {
            tool: self.action.tool(),
            offered: self.action.offered(),
            effect: self.action.effect(),
            host,
            touches: self.paths.iter().map(|(path, access)| Touch { path, access: *access }).collect(),
            wants: sudo.into_iter().chain(self.wants.iter().copied()).collect(),
            text: self.text.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::{Glob, List, OnTimeout, Place, ReadWindow, Size, Stderr, TerminalWait};

    #[test]
    fn the_paths_of_an_action_are_those_that_it_reaches() {
        let window = |path: &str| ReadWindow { file_path: path.to_owned(), offset: None, limit: None, allow_large: false };
        let glob = |pattern: &str, path: Option<&str>| Action::Glob(Glob { pattern: pattern.to_owned(), path: path.map(str::to_owned) });
        for (action, expected) in [
            (Action::Read(window("/a")), "/a Read"),
            (Action::MultiRead(vec![window("/a"), window("b")]), "/a Read, b Read"),
            (Action::Stat(vec!["/a".to_owned()]), "/a Read"),
            (Action::List(List { path: None, hidden: false }), ". Read"),
            (glob("*.rs", None), ". Search"),
            (glob("src/**/*.rs", Some("/w")), "/w/src Search"),
            (glob("/etc/ssl/*.pem", Some("/w")), "//etc/ssl Search"),
            (glob("../x/*", None), "./../x Search"),
            (Action::Jobs, ""),
        ] {
            let facts = Facts::of(&action);
            let seen = facts.seen(None);
            let found: Vec<String> = seen.touches.iter().map(|touch| format!("{} {:?}", touch.path, touch.access)).collect();
            assert_eq!(found.join(", "), expected);
        }
    }

    #[test]
    fn what_an_action_wants_besides_is_seen() {
        let connect = |agent, password: Option<&str>| {
            let password = password.map(|text| towline_base::Secret::new(text.as_bytes().to_vec()).expect("a secret"));
            Action::Connect(Connect { agent, password, ..Connect::default() })
        };
        let lent = |names: &[&str]| Bash {
            command: "true".to_owned(),
            timeout: None,
            on_timeout: OnTimeout::Background,
            description: None,
            place: Place::Session,
            cwd: None,
            env: Vec::new(),
            env_secrets: names.iter().map(|name| towline_base::SecretName::parse(name).expect("a name")).collect(),
            stdin: None,
            stderr: Stderr::Merged,
        };
        for (action, host, expected) in [
            (Action::Jobs, "prod", "[]"),
            (Action::Jobs, "prod+root", "[Sudo]"),
            (Action::Bash(lent(&["TOKEN", "DB"])), "prod", "[Secret(\"TOKEN\"), Secret(\"DB\")]"),
            (connect(AgentForwarding::Off, None), "prod", "[]"),
            (connect(AgentForwarding::On, None), "prod", "[ForwardAgent]"),
            (connect(AgentForwarding::On, Some("hunter2")), "me@prod:22+root", "[Sudo, ForwardAgent, Password]"),
        ] {
            let host = HostAlias::parse(host).expect("a name");
            assert_eq!(format!("{:?}", Facts::of(&action).seen(Some(&host)).wants), expected);
        }
    }

    #[test]
    fn guards_see_what_a_terminal_is_given_to_run_and_to_type() {
        let open = |command: Option<&str>| {
            Action::TerminalOpen(TerminalOpen {
                name: None,
                size: Size { cols: 80, rows: 24 },
                command: command.map(str::to_owned),
                persist: false,
            })
        };
        let send = |text: Option<&str>, keys: &[&str]| {
            Action::TerminalSend(TerminalSend {
                name: None,
                text: text.map(str::to_owned),
                secret: None,
                keys: keys.iter().map(|key| Key::parse(key).expect("a key")).collect(),
                enter: true,
                resize: None,
                wait: TerminalWait::Nothing,
                timeout: None,
                asks: Asks::Nothing,
            })
        };
        for (action, expected) in [
            (open(None), None),
            (open(Some("mkfs /dev/sda")), Some("mkfs /dev/sda")),
            (send(Some("mkfs"), &[]), Some("mkfs")),
            (send(Some("mk"), &["f", "s", "Enter"]), Some("mkfs")),
            (send(None, &["m", "Space", "x"]), Some("m x")),
            (send(None, &["C-c", "Up"]), None),
        ] {
            let facts = Facts::of(&action);
            assert_eq!(facts.seen(None).text, expected, "{action:?}");
        }
    }
}

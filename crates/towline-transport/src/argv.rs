//! The argument lists of every ssh that is started, and the reason of each option.
//!
//! Holds to: pure; each list ends in `--`, the host, and, where there is one, the remote command. ssh takes the first value of an
//! option, so the order is: what must be so, what an agent may choose, what the person who started towline says, our defaults,
//! and then (read by ssh itself) the user's configuration. Leaves out: which list is used when.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use towline_base::limits;

use crate::destination::{AgentForwarding, Destination};
use crate::resolve::Resolved;

/// How long a connection of our own stays without a channel before ssh ends it.
pub const IDLE_LIMIT: Duration = Duration::from_secs(600);
/// The same for a connection that a person made by hand: one code, or one touch, serves a working day.
const BY_HAND_LIMIT: Duration = Duration::from_secs(12 * 3600);
/// How long ssh may take for TCP and the banner, if the user's configuration does not say; more than three SYNs take.
const CONNECT_SECONDS: u64 = 20;
/// Silence is asked about every 5 s; two questions without an answer end the connection after 15 s.
const ALIVE: [&str; 4] = ["-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=2"];

/// What all lists need from the person's settings and from `ssh -G`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Basis<'a> {
    pub(crate) destination: &'a Destination,
    /// Arguments from the person who started towline.
    pub(crate) options: &'a [String],
    pub(crate) resolved: &'a Resolved,
    pub(crate) asking: Asking,
}

/// Whom ssh asks what it must ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asking {
    /// Nobody: what needs an answer fails.
    Nobody,
    /// Its askpass, which is towline.
    ByAskpass,
    /// The person at the terminal.
    ByTerminal,
}

/// `ssh -G`: what ssh makes of the name; `-v` names the files that it reads.
pub(crate) fn resolve(destination: &Destination, options: &[String]) -> Vec<OsString> {
    let mut list = words(&["-G", "-v"]);
    // What is kept of connections goes by this list: one with an agent is not shared with others.
    if destination.options().agent == AgentForwarding::On {
        list.push("-A".into());
    }
    typed(&mut list, destination, Typed::All);
    list.extend(person(destination, options));
    end(list, destination.name(), None)
}

/// A connection of our own that becomes a master in the background, and the first channel of it, in one.
pub(crate) fn start(basis: &Basis<'_>, socket: &Path, left: Duration, command: &str) -> Vec<OsString> {
    let mut list = words(&["-T", agent(basis), "-x", "-M", "-S"]);
    list.push(escaped(socket));
    option(&mut list, &format!("ControlPersist={}", IDLE_LIMIT.as_secs()));
    connection(&mut list, basis, left);
    end(list, basis.destination.name(), Some(command))
}

/// A connection of one channel, where no master can be had.
pub(crate) fn single(basis: &Basis<'_>, left: Duration, command: &str) -> Vec<OsString> {
    let mut list = words(&["-T", agent(basis), "-x", "-S", "none", "-o", "ControlMaster=no", "-o", "ControlPersist=no"]);
    connection(&mut list, basis, left);
    end(list, basis.destination.name(), Some(command))
}

/// A connection that a person makes at the terminal; it becomes a master in the background as soon as it is up.
pub(crate) fn start_by_hand(basis: &Basis<'_>, socket: &Path) -> Vec<OsString> {
    let mut list = words(&["-T", "-a", "-x", "-M", "-S"]);
    list.push(escaped(socket));
    option(&mut list, &format!("ControlPersist={}", BY_HAND_LIMIT.as_secs()));
    connection(&mut list, basis, limits::CONNECT);
    end(list, basis.destination.name(), Some("true"))
}

/// A connection that goes as far as the host's key and logs in nobody; `-v` shows the key. A key that is not known is asked about
/// by askpass, and only there.
pub(crate) fn look_at_key(basis: &Basis<'_>, left: Duration) -> Vec<OsString> {
    let mut list = words(&["-v", "-T", "-a", "-x", "-S", "none", "-o", "ControlMaster=no", "-o", "ControlPersist=no"]);
    for text in ["PreferredAuthentications=none", "IdentityAgent=none"] {
        option(&mut list, text);
    }
    option(&mut list, if basis.asking == Asking::Nobody { "StrictHostKeyChecking=yes" } else { "StrictHostKeyChecking=ask" });
    connection(&mut list, basis, left);
    end(list, basis.destination.name(), Some("true"))
}

/// A channel over a master that is there. If it is not there after all, ssh would silently make a new connection: the proxy
/// command that fails stops that.
pub(crate) fn attach(basis: &Basis<'_>, socket: &Path, command: &str) -> Vec<OsString> {
    let mut list = words(&["-T", agent(basis), "-x", "-S"]);
    list.push(escaped(socket));
    list.extend(words(&["-o", "ControlMaster=no", "-o", "ProxyCommand=/bin/false", "-o", "BatchMode=yes"]));
    always(&mut list, basis.resolved);
    typed(&mut list, basis.destination, Typed::WithoutRoute);
    list.extend(without_jump(basis.options));
    end(list, basis.destination.name(), Some(command))
}

/// A terminal over a master that is there. `-e none`: a `~.` that is typed belongs to the program on the host.
pub(crate) fn terminal_attached(basis: &Basis<'_>, socket: &Path, command: Option<&str>) -> Vec<OsString> {
    let mut list = words(&["-tt", "-e", "none", agent(basis), "-x", "-S"]);
    list.push(escaped(socket));
    list.extend(words(&["-o", "ControlMaster=no", "-o", "ProxyCommand=/bin/false", "-o", "BatchMode=yes"]));
    always(&mut list, basis.resolved);
    typed(&mut list, basis.destination, Typed::WithoutRoute);
    list.extend(without_jump(basis.options));
    end(list, basis.destination.name(), command)
}

/// A terminal with a connection of its own. A person can answer a question for a password there; a host key that is not known is
/// refused without a question, since an agent could answer that one.
pub(crate) fn terminal_single(basis: &Basis<'_>, command: Option<&str>) -> Vec<OsString> {
    let mut list = words(&["-tt", "-e", "none", agent(basis), "-x", "-S", "none", "-o", "ControlMaster=no", "-o", "ControlPersist=no"]);
    option(&mut list, "BatchMode=no");
    if basis.resolved.asks_about_keys() {
        option(&mut list, "StrictHostKeyChecking=yes");
    }
    never_a_changed_key(&mut list, basis.resolved);
    always(&mut list, basis.resolved);
    typed(&mut list, basis.destination, Typed::All);
    list.extend(person(basis.destination, basis.options));
    list.extend(words(&ALIVE));
    if !basis.resolved.connect_timeout_is_chosen {
        option(&mut list, &format!("ConnectTimeout={CONNECT_SECONDS}"));
    }
    end(list, basis.destination.name(), command)
}

/// `-O check` or `-O exit` on a socket; no configuration is read and no host is meant by it.
pub(crate) fn control(socket: &Path, request: &str) -> Vec<OsString> {
    let mut list = words(&["-F", "/dev/null", "-o", "BatchMode=yes", "-S"]);
    list.push(escaped(socket));
    list.extend(words(&["-O", request]));
    end(list, "localhost", None)
}

fn agent(basis: &Basis<'_>) -> &'static str {
    match basis.destination.options().agent {
        AgentForwarding::Off => "-a",
        AgentForwarding::On => "-A",
    }
}

/// What a new connection gets besides its socket.
fn connection(list: &mut Vec<OsString>, basis: &Basis<'_>, left: Duration) {
    match basis.asking {
        Asking::Nobody => option(list, "BatchMode=yes"), // an unknown host key is a refusal
        // A wrong password is tried once: hosts lock accounts.
        Asking::ByAskpass => option(list, "NumberOfPasswordPrompts=1"),
        Asking::ByTerminal => {}
    }
    never_a_changed_key(list, basis.resolved);
    always(list, basis.resolved);
    typed(list, basis.destination, Typed::All);
    list.extend(person(basis.destination, basis.options));
    list.extend(words(&ALIVE));
    if !basis.resolved.compression_is_chosen {
        option(list, "Compression=yes"); // text shrinks 3 to 10 times; the lane carries text
    }
    if !basis.resolved.connect_timeout_is_chosen {
        option(list, &format!("ConnectTimeout={}", left.as_secs().clamp(1, CONNECT_SECONDS)));
    }
}

/// That a new host is let in unasked may be the user's choice; a key that has changed is refused whatever they chose.
fn never_a_changed_key(list: &mut Vec<OsString>, resolved: &Resolved) {
    if resolved.bears_changed_keys() {
        option(list, "StrictHostKeyChecking=accept-new");
    }
}

/// What must be so on every channel, whatever the user's configuration says.
fn always(list: &mut Vec<OsString>, resolved: &Resolved) {
    for text in [
        "ClearAllForwardings=yes", // forwards of ssh_config belong to the user's own sessions
        "RemoteCommand=none",      // with one, ssh refuses ours
        "PermitLocalCommand=no",   // it would run for each channel
        "LogLevel=INFO",           // ERROR and QUIET hide why a connection failed
    ] {
        option(list, text);
    }
    // These came with OpenSSH 8.7; an older one would stop at a name that it does not know.
    for (name, text) in
        [("sessiontype", "SessionType=default"), ("stdinnull", "StdinNull=no"), ("forkafterauthentication", "ForkAfterAuthentication=no")]
    {
        if resolved.knows(name) {
            option(list, text);
        }
    }
}

#[derive(Clone, Copy)]
enum Typed {
    All,
    /// Without what only matters to a new connection (ssh refuses `-J` beside a proxy command).
    WithoutRoute,
}

fn typed(list: &mut Vec<OsString>, destination: &Destination, which: Typed) {
    let options = destination.options();
    let mut pair = |flag: &str, value: String| list.extend([OsString::from(flag), OsString::from(value)]);
    if let Some(user) = &options.user {
        pair("-l", user.clone());
    }
    if let Some(port) = options.port {
        pair("-p", port.to_string());
    }
    if let (Typed::All, Some(file)) = (which, &options.identity_file) {
        pair("-i", file.clone());
    }
    if let (Typed::All, Some(jump)) = (which, &options.jump) {
        pair("-J", jump.as_str().to_owned());
    }
}

/// The person's options; their jump host gives way to one that was asked for (ssh refuses two).
fn person(destination: &Destination, options: &[String]) -> Vec<OsString> {
    match destination.options().jump {
        Some(_) => without_jump(options),
        None => options.iter().map(OsString::from).collect(),
    }
}

/// The person's options without `-J`, which ssh refuses beside a proxy command.
fn without_jump(options: &[String]) -> Vec<OsString> {
    let mut rest = Vec::new();
    let mut words = options.iter();
    while let Some(word) = words.next() {
        match word.strip_prefix("-J") {
            Some("") => drop(words.next()),
            Some(_) => {}
            None => rest.push(word.into()),
        }
    }
    rest
}

fn end(mut list: Vec<OsString>, name: &str, command: Option<&str>) -> Vec<OsString> {
    list.extend(["--".into(), name.into()]);
    list.extend(command.map(OsString::from));
    list
}

fn option(list: &mut Vec<OsString>, text: &str) {
    list.extend(words(&["-o", text]));
}

fn words(texts: &[&str]) -> Vec<OsString> {
    texts.iter().map(OsString::from).collect()
}

/// A path as ssh wants it where it expands `%` tokens. Our own paths are UTF-8 without `$`; the user's come from ssh itself.
fn escaped(path: &Path) -> OsString {
    path.to_str().map_or_else(|| path.as_os_str().to_owned(), |text| text.replace('%', "%%").into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination::ConnectOptions;
    use proptest::prelude::*;
    use towline_base::HostAlias;

    fn text(list: &[OsString]) -> String {
        list.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    fn destination(host: &str) -> Destination {
        Destination::plain(HostAlias::parse(host).expect("a good name")).expect("a good port")
    }

    fn full() -> Destination {
        let options = ConnectOptions {
            user: Some("me".into()),
            port: Some(2222),
            identity_file: Some("~/.ssh/k".into()),
            jump: Some(HostAlias::parse("j@gate:22").expect("a good name")),
            agent: AgentForwarding::Off,
        };
        Destination::new(HostAlias::parse("prod").expect("a good name"), options).expect("good options")
    }

    const NEW: &str = "user me\nstdinnull no\nsessiontype default\nforkafterauthentication no\n";

    #[test]
    fn whole_lists() {
        let old = Resolved::parse("user me\n", "");
        let new = Resolved::parse(NEW, "");
        let person = ["-F", "/x/config", "-J", "a", "-Jb"].map(str::to_owned);
        let (plain, full) = (destination("prod"), full());
        let left = Duration::from_secs(60);
        let basis = Basis { destination: &plain, options: &[], resolved: &old, asking: Asking::Nobody };
        let rich = Basis { destination: &full, options: &person, resolved: &new, asking: Asking::ByAskpass };
        insta::assert_snapshot!(text(&resolve(&plain, &[])), @"-G -v -- prod");
        insta::assert_snapshot!(text(&resolve(&full, &person)), @"-G -v -l me -p 2222 -i ~/.ssh/k -J j@gate:22 -F /x/config -- prod");
        insta::assert_snapshot!(text(&start(&basis, Path::new("/r/m-1"), left, "cmd x")), @"-T -a -x -M -S /r/m-1 -o ControlPersist=600 -o BatchMode=yes -o ClearAllForwardings=yes -o RemoteCommand=none -o PermitLocalCommand=no -o LogLevel=INFO -o ServerAliveInterval=5 -o ServerAliveCountMax=2 -o Compression=yes -o ConnectTimeout=20 -- prod cmd x");
        insta::assert_snapshot!(text(&start(&rich, Path::new("/r/%h"), Duration::from_secs(3), "cmd x")), @"-T -a -x -M -S /r/%%h -o ControlPersist=600 -o NumberOfPasswordPrompts=1 -o ClearAllForwardings=yes -o RemoteCommand=none -o PermitLocalCommand=no -o LogLevel=INFO -o SessionType=default -o StdinNull=no -o ForkAfterAuthentication=no -l me -p 2222 -i ~/.ssh/k -J j@gate:22 -F /x/config -o ServerAliveInterval=5 -o ServerAliveCountMax=2 -o Compression=yes -o ConnectTimeout=3 -- prod cmd x");
        insta::assert_snapshot!(text(&single(&basis, left, "cmd")), @"-T -a -x -S none -o ControlMaster=no -o ControlPersist=no -o BatchMode=yes -o ClearAllForwardings=yes -o RemoteCommand=none -o PermitLocalCommand=no -o LogLevel=INFO -o ServerAliveInterval=5 -o ServerAliveCountMax=2 -o Compression=yes -o ConnectTimeout=20 -- prod cmd");
        insta::assert_snapshot!(text(&attach(&rich, Path::new("/r/m-1"), "cmd")), @"-T -a -x -S /r/m-1 -o ControlMaster=no -o ProxyCommand=/bin/false -o BatchMode=yes -o ClearAllForwardings=yes -o RemoteCommand=none -o PermitLocalCommand=no -o LogLevel=INFO -o SessionType=default -o StdinNull=no -o ForkAfterAuthentication=no -l me -p 2222 -F /x/config -- prod cmd");
        insta::assert_snapshot!(text(&terminal_attached(&basis, Path::new("/r/m-1"), Some("cmd"))), @"-tt -e none -a -x -S /r/m-1 -o ControlMaster=no -o ProxyCommand=/bin/false -o BatchMode=yes -o ClearAllForwardings=yes -o RemoteCommand=none -o PermitLocalCommand=no -o LogLevel=INFO -- prod cmd");
        insta::assert_snapshot!(text(&terminal_single(&basis, None)), @"-tt -e none -a -x -S none -o ControlMaster=no -o ControlPersist=no -o BatchMode=no -o ClearAllForwardings=yes -o RemoteCommand=none -o PermitLocalCommand=no -o LogLevel=INFO -o ServerAliveInterval=5 -o ServerAliveCountMax=2 -o ConnectTimeout=20 -- prod");
        for (chosen, expected) in [("no", 1), ("off", 1), ("false", 1), ("ask", 0), ("accept-new", 0), ("yes", 0)] {
            let resolved = Resolved::parse(&format!("stricthostkeychecking {chosen}\n"), "");
            let basis = Basis { resolved: &resolved, ..basis };
            for list in [start(&basis, Path::new("/r/m"), left, "x"), single(&basis, left, "x"), terminal_single(&basis, None)] {
                assert_eq!(text(&list).matches("-o StrictHostKeyChecking=accept-new ").count(), expected, "{chosen}");
            }
        }
        let asks = Resolved::parse("stricthostkeychecking ask\n", "");
        assert!(text(&terminal_single(&Basis { resolved: &asks, ..basis }, None)).contains("-o StrictHostKeyChecking=yes"));
        insta::assert_snapshot!(text(&start_by_hand(&Basis { asking: Asking::ByTerminal, ..basis }, Path::new("/r/m-1"))), @"-T -a -x -M -S /r/m-1 -o ControlPersist=43200 -o ClearAllForwardings=yes -o RemoteCommand=none -o PermitLocalCommand=no -o LogLevel=INFO -o ServerAliveInterval=5 -o ServerAliveCountMax=2 -o Compression=yes -o ConnectTimeout=20 -- prod true");
        insta::assert_snapshot!(text(&look_at_key(&basis, left)), @"-v -T -a -x -S none -o ControlMaster=no -o ControlPersist=no -o PreferredAuthentications=none -o IdentityAgent=none -o StrictHostKeyChecking=yes -o BatchMode=yes -o ClearAllForwardings=yes -o RemoteCommand=none -o PermitLocalCommand=no -o LogLevel=INFO -o ServerAliveInterval=5 -o ServerAliveCountMax=2 -o Compression=yes -o ConnectTimeout=20 -- prod true");
        insta::assert_snapshot!(text(&control(Path::new("/r/m-1"), "exit")), @"-F /dev/null -o BatchMode=yes -S /r/m-1 -O exit -- localhost");
    }

    #[test]
    fn an_agent_is_forwarded_on_request_and_over_a_connection_of_its_own() {
        let options = ConnectOptions { agent: AgentForwarding::On, ..ConnectOptions::default() };
        let with = Destination::new(HostAlias::parse("prod").expect("a good name"), options).expect("good options");
        let resolved = Resolved::parse("", "");
        let basis = Basis { destination: &with, options: &[], resolved: &resolved, asking: Asking::Nobody };
        let left = Duration::from_secs(9);
        for list in [
            start(&basis, Path::new("/r"), left, "x"),
            single(&basis, left, "x"),
            attach(&basis, Path::new("/r"), "x"),
            resolve(&with, &[]),
        ] {
            assert!(text(&list).contains("-A ") && !text(&list).contains("-a "), "{}", text(&list));
        }
    }

    #[test]
    fn what_the_user_has_chosen_is_not_overridden() {
        let plain = destination("prod");
        let mut resolved = Resolved::parse("connecttimeout 7\n", "");
        resolved.compression_is_chosen = true;
        let list = text(&single(
            &Basis { destination: &plain, options: &[], resolved: &resolved, asking: Asking::Nobody },
            Duration::from_secs(60),
            "x",
        ));
        assert!(!list.contains("Compression") && !list.contains("ConnectTimeout"), "{list}");
    }

    proptest! {
        #[test]
        fn no_name_and_no_option_becomes_another_argument(
            host in "[-@:a-zA-Z0-9._+é\\[\\] %$;]{1,12}",
            user in proptest::option::of("[-@a-z %$\n;.]{0,6}"),
            file in proptest::option::of("[-~/a-z %$\n{}.]{0,8}"),
            command in ".{0,20}",
        ) {
            let Ok(host) = HostAlias::parse(&host) else { return Ok(()) };
            let options = ConnectOptions { user: user.clone(), identity_file: file.clone(), ..ConnectOptions::default() };
            let Ok(destination) = Destination::new(host, options) else { return Ok(()) };
            let resolved = Resolved::parse(NEW, "");
            let basis = Basis { destination: &destination, options: &[], resolved: &resolved, asking: Asking::ByAskpass };
            let list = start(&basis, Path::new("/r/m"), Duration::from_secs(9), &command);
            let dashes = list.iter().position(|word| word == "--").expect("a list ends its options");
            prop_assert_eq!(list.len(), dashes + 3);
            prop_assert_eq!(list[dashes + 1].to_str(), Some(destination.name()));
            prop_assert!(!destination.name().starts_with('-'));
            prop_assert_eq!(list[dashes + 2].to_str(), Some(command.as_str()));
            // Before `--` stand known flags, and each that takes a value is followed by it.
            let mut words = list[..dashes].iter().map(|word| word.to_str().expect("UTF-8"));
            while let Some(word) = words.next() {
                match word {
                    "-T" | "-a" | "-x" | "-M" => {}
                    "-S" | "-o" | "-p" => prop_assert!(words.next().is_some_and(|value| !value.starts_with('-'))),
                    "-l" => prop_assert_eq!(words.next(), user.as_deref()),
                    "-i" => prop_assert_eq!(words.next(), file.as_deref()),
                    other => prop_assert!(false, "{}", other),
                }
            }
        }
    }
}

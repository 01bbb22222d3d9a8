//! What a host runs in a terminal, as one command line.
//!
//! Holds to: constants but for a terminal's checked name; no `'` but the two around it, no newline, no `!`, no double backslash, so that
//! every login shell passes it on; the user's own startup files are read and their prompt stays; nothing is left on the host when it has ended. Leaves
//! out: hosts that are not known to have a shell: nothing at all is sent to those.

use towline_base::TerminalName;

use crate::answer::{HeldTerminal, Holder};

/// bash reads the startup files of a login, then this. No history is kept: what an agent types is not the user's.
const BASH: &str = r#"
if [ -r /etc/profile ]; then . /etc/profile; fi;
for TOWLINE_INIT in .bash_profile .bash_login .profile; do if [ -r ~/$TOWLINE_INIT ]; then . ~/$TOWLINE_INIT; break; fi; done;
unset TOWLINE_INIT HISTFILE;
__towline_prompt() { local status=$?; printf "\033]133;D;%s\007\033]133;A\007" $status; return $status; };
PROMPT_COMMAND="__towline_prompt${PROMPT_COMMAND:+;$PROMPT_COMMAND}";
PS0="\e]133;C\a$PS0";
exec 63<&-;
"#;

/// zsh reads this in place of its first file, which removes it and reads the user's.
const ZSH: &str = r#"
command rm -f -- "$ZDOTDIR/.zshenv"; command rmdir -- "$ZDOTDIR";
if [[ -n $TOWLINE_ZDOTDIR ]]; then ZDOTDIR=$TOWLINE_ZDOTDIR; else unset ZDOTDIR; fi; unset TOWLINE_ZDOTDIR;
if [[ -r ${ZDOTDIR:-$HOME}/.zshenv ]]; then . ${ZDOTDIR:-$HOME}/.zshenv; fi;
__towline_precmd() { local s=$?; unset HISTFILE; print -n "\e]133;D;$s\a\e]133;A\a"; return s; };
__towline_preexec() { print -n "\e]133;C\a"; };
typeset -ga precmd_functions preexec_functions;
precmd_functions=(__towline_precmd $precmd_functions); preexec_functions+=(__towline_preexec);
"#;

/// fish reads this after the user's files; from its version 4 on it sets the marks by itself.
const FISH: &str = r#"
function __towline_post --on-event fish_postexec; set -g __towline_status $status; end;
function __towline_prompt --on-event fish_prompt; printf "\e]133;D;%s\a\e]133;A\a" $__towline_status; end;
function __towline_exec --on-event fish_preexec; printf "\e]133;C\a"; end;
"#;

/// A login shell that marks its prompts, where it is one that can be taught to; else just the login shell.
pub(crate) fn taught() -> String {
    let script = format!(
        "S=\"${{SHELL:-/bin/sh}}\"; case \"${{S##*/}}\" in \
         bash) TOWLINE_INIT=\"{bash}\"; export TOWLINE_INIT; exec \"$S\" -c \"exec \\\"$S\\\" --rcfile <(printf %s \\\"\\$TOWLINE_INIT\\\") -i\";; \
         zsh) if D=$(mktemp -d) && printf %s \"{zsh}\" >\"$D/.zshenv\"; then TOWLINE_ZDOTDIR=\"$ZDOTDIR\"; ZDOTDIR=\"$D\"; \
         export ZDOTDIR TOWLINE_ZDOTDIR; fi; exec \"$S\" -l -i;; \
         fish) case \"$(\"$S\" --version)\" in *\" 2.\"*|*\" 3.\"*) exec \"$S\" -l -C \"{fish}\";; esac; exec \"$S\" -l;; \
         *) exec \"$S\" -l;; esac",
        bash = quoted(BASH),
        zsh = quoted(ZSH),
        fish = quoted(FISH),
    );
    format!("exec /bin/sh -c '{script}'")
}

/// Takes away what tmux and screen leave when the last of them has ended: a socket of our own name, and directories that are empty.
const TIDY: &str = r#"
tidy() {
if command -v tmux && tmux -L towline has-session; then return; fi;
D="${TMUX_TMPDIR:-/tmp}/tmux-$(id -u)"; rm -f "$D/towline"; rmdir "$D";
D=$(screen -ls | sed -n "s/^No Sockets found in \(.*\)\.$/\1/p"); case "$D" in */S-*) rmdir "$D";; esac;
} >/dev/null 2>&1;
"#;

/// Lists what tmux and screen hold under a name of ours, on lines of their own whatever a startup file printed before.
const HELD: &str = r#"
echo;
tmux -L towline list-sessions -F "tmux|#{session_name}|#{session_attached}" 2>/dev/null;
screen -ls 2>/dev/null | sed -n "s/^[[:space:]]*[0-9]*\.towline-\([^,]*\),.*(\([A-Z][a-z]*\).*/screen|\1|\2/p";
"#;

/// A shell that the host's own tmux or screen holds, so that it outlives the connection; the same again attaches to it. It is drawn on
/// the usual screen, so that what scrolls off is kept here, too; no key of theirs is in the way; no settings of the user's are read.
pub(crate) fn persistent(name: &TerminalName) -> String {
    let (tmux, screen) = names(name);
    let script = format!(
        "{tidy} if command -v tmux >/dev/null 2>&1; then tmux -u -L towline -f /dev/null start-server \
         \\; set-option -sa terminal-overrides \",*:smcup@:rmcup@\" \\; set-option -g status off \\; set-option -g prefix None \
         \\; set-option -g history-limit 50000 \\; set-option -s escape-time 25 \\; new-session -A -D -s \"{tmux}\"; E=$?; \
         elif command -v screen >/dev/null 2>&1; then case \"$(screen -ls)\" in \
         *\".{screen}\"*) screen -q -D -r \"{screen}\"; E=$?;; \
         *) F=$(mktemp) && printf \"%s\\n\" \"escape \\\"\\\"\" \"defscrollback 50000\" \"termcapinfo * ti@:te@\" \
         \"startup_message off\" \"defutf8 on\" \"altscreen on\" >\"$F\"; \
         screen -c \"$F\" -q -S \"{screen}\" sh -c \"rm -f \\\"$F\\\"; exec \\\"\\${{SHELL:-/bin/sh}}\\\" -l\"; E=$?;; esac; \
         else echo \"this host has neither tmux nor screen\"; exit {NEITHER}; fi; tidy; exit $E",
        tidy = line(TIDY),
    );
    format!("exec /bin/sh -c '{script}'")
}

/// Ends what a host holds of these names; the status is 0 if nothing of them is left in its tmux.
pub(crate) fn ended(names: &[TerminalName]) -> String {
    let all = |which: fn((String, String)) -> String| names.iter().map(|name| which(self::names(name))).collect::<Vec<_>>().join(" ");
    let script = format!(
        "{tidy} E=0; for N in {tmux}; do tmux -L towline kill-session -t \"=$N\" >/dev/null 2>&1; \
         if tmux -L towline has-session -t \"=$N\" 2>/dev/null; then E=1; fi; done; \
         for N in {screen}; do screen -S \"$N\" -X quit >/dev/null 2>&1; done; tidy; exit $E",
        tidy = line(TIDY),
        tmux = all(|(tmux, _)| tmux),
        screen = all(|(_, screen)| screen),
    );
    format!("exec /bin/sh -c '{script}'")
}

/// Tells what a host holds: a line `tmux|NAME|PEOPLE` or `screen|NAME|Attached` for each, and [`LISTED`] at the end.
pub(crate) fn held() -> String {
    format!("exec /bin/sh -c '{} {} tidy; echo \"{LISTED}\"'", line(TIDY), line(HELD))
}

/// The last line of the list of what a host holds.
const LISTED: &str = "towline listed";

/// Reads that list; `None` if it did not come whole. A name that is none of ours is not told.
pub(crate) fn parse_held(text: &str) -> Option<Vec<HeldTerminal>> {
    let whole = text.lines().any(|line| line == LISTED);
    let of_line = |line: &str| {
        let mut words = line.split('|');
        let (holder, name, attached, end) = (words.next()?, words.next()?, words.next()?, words.next());
        let (holder, name, attached) = match holder {
            "tmux" => (Holder::Tmux, name.replace(',', "."), attached != "0"),
            "screen" => (Holder::Screen, name.to_owned(), attached == "Attached"),
            _ => return None,
        };
        let name = TerminalName::parse(&name).ok()?;
        end.is_none().then_some(HeldTerminal { name, holder, attached })
    };
    whole.then(|| text.lines().filter_map(of_line).collect())
}

/// What tmux and screen call it. tmux gives `.` a meaning of its own, screen finds a name by its beginning; no name holds a comma.
fn names(name: &TerminalName) -> (String, String) {
    (name.as_str().replace('.', ","), format!("towline-{name},"))
}

/// How many names one command line ends: it stays short for every shell and every kernel.
pub(crate) const MOST_AT_ONCE: usize = 32;

/// The status that says that a host has nothing to hold a terminal with.
pub(crate) const NEITHER: i32 = 124;

/// The lines as one, to stand between double quotes in sh. A backslash before anything but `$`, `"`, `` ` `` and itself stays as it is.
fn quoted(script: &str) -> String {
    line(script).replace('"', "\\\"").replace('$', "\\$").replace('`', "\\`")
}

fn line(script: &str) -> String {
    script.trim().replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_passes_through_every_login_shell() {
        let name = TerminalName::parse("job-1.x").expect("a name");
        let names: Vec<TerminalName> = (0..MOST_AT_ONCE).map(|_| TerminalName::parse(&"x".repeat(64)).expect("a name")).collect();
        for line in [taught(), persistent(&name), ended(std::slice::from_ref(&name)), ended(&names), held()] {
            let inner = line.strip_prefix("exec /bin/sh -c '").and_then(|rest| rest.strip_suffix('\'')).expect("one word of sh");
            assert!(!inner.contains(['\'', '\n', '!']) && !inner.contains("\\\\"), "{inner}");
            assert!(line.len() < 8192);
        }
        assert!(persistent(&name).contains("-s \"job-1,x\"") && ended(std::slice::from_ref(&name)).contains("for N in job-1,x;"));
        assert!(persistent(&name).contains("-S \"towline-job-1.x,\""));
    }

    #[test]
    fn what_a_host_holds_is_read_between_other_words() {
        let text = "hello\ntmux|job-1,x|1\ntmux|a b|0\ntmux|$(x)|0\ntmux|job|0|more\nscreen|t.1|Detached\nscreen|u|Attached\n";
        assert_eq!(parse_held(text), None);
        let held = parse_held(&format!("{text}{LISTED}\n")).expect("it is whole");
        let told: Vec<String> = held.iter().map(|held| format!("{} {:?} {}", held.name, held.holder, held.attached)).collect();
        assert_eq!(told, ["job-1.x Tmux true", "t.1 Screen false", "u Screen true"]);
    }
}

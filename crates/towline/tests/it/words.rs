//! The command line: what is said, on which stream, with which exit code.

use crate::process::run;

#[test]
fn what_is_wrong_is_said_with_its_exit_code() {
    for (words, code, said) in [
        (&["run", "h"][..], 2, "<CMD>"),
        (&["run", "h", "ls"], 2, "ls"),
        (&["frobnicate"], 2, "frobnicate"),
        (&["check"], 2, "<HOST>"),
        (&["check", "-oProxyCommand=x"], 2, "unexpected argument"),
        (&["check", "--", "-oProxyCommand=x"], 125, "[bad_host]"),
        (&["check", "a b"], 125, "host: \"a b\" cannot be used"),
        (&["jobs", "$(x)"], 125, "[bad_host]"),
        (&["run", "h", "--timeout", "0", "--", "x"], 125, "--timeout must be"),
        (&["run", "h", "--env", "A", "--", "x"], 125, "--env: \"A\" is not NAME=VALUE"),
        (&["run", "h", "--session", "../x", "--", "x"], 125, "session: \"../x\" cannot be used"),
        (&["hosts", "--ssh-config", "/nonexistent"], 125, "--ssh-config: /nonexistent: there is no such file"),
        (&["mcp", "--tools", "codin"], 125, "\"codin\" is no set, family or tool"),
        (&["mcp", "--host", "-x"], 2, "unexpected argument"),
        (&["mcp", "--host=-x"], 125, "[bad_host]"),
        (&["watch", "--since", "5"], 125, "--since: \"5\" is not a time"),
        (&["watch", "--full"], 125, "--full needs a terminal"),
        (&["watch", "--tmux"], 2, "<HOST>"),
        (&["watch", "--json", "--full"], 2, "cannot be used with"),
        (&["attach", "h/../x"], 125, "session: \"../x\" cannot be used"),
        (&["attach", "h"], 125, "no agent has worked on h"),
        (&["transcript", "show", "h"], 125, "there is no transcript of \"h\""),
        (&["man", "nothing"], 125, "there is no command \"nothing\""),
    ] {
        let (exit, stdout, stderr) = run(words);
        assert_eq!((exit, stdout.as_str()), (code, ""), "{words:?}: {stderr}");
        let joined = stderr.replace("\n  ", " ");
        assert!(joined.contains(said), "{words:?}: {stderr}");
        assert!(stderr.lines().all(|line| line.chars().count() <= 80), "{stderr}");
    }
}

#[test]
fn what_was_asked_for_is_on_stdout() {
    for (words, beginning) in [
        (&["--version"][..], "towline "),
        (&["--help"], "The tools of coding agents"),
        (&["help", "run"], "Run a command on a host"),
        (&["completions", "bash"], "_towline()"),
        (&["completions", "zsh"], "#compdef towline"),
        (&["completions", "fish"], "# Print an optspec"),
        (&["man"], ".ie"),
        (&["man", "run"], ".ie"),
        (&["reference", "tools"], "# Tools"),
        (&["reference", "cli"], "# Command line"),
        (&["reference", "errors"], "# Error codes"),
        (&["reference", "config"], "# Settings"),
        (&["reference", "env"], "# Environment"),
        (&["reference", "events"], "# Event stream"),
        (&["transcript", "list"], "There are no transcripts yet."),
    ] {
        let (exit, stdout, stderr) = run(words);
        assert_eq!((exit, stderr.as_str()), (0, ""), "{words:?}");
        assert!(stdout.starts_with(beginning), "{words:?}: {}", stdout.lines().next().unwrap_or_default());
    }
}

#[test]
fn the_help_names_the_exit_codes() {
    let (_, stdout, _) = run(&["--help"]);
    assert!(stdout.contains("125  towline could not do its work"));
    assert!(!stdout.contains("reference"));
}

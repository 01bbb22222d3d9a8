//! Bash: state, status, output and order, over a real sshd.

use towline_engine::answer::State;

use crate::rig::Rig;

#[tokio::test(flavor = "multi_thread")]
async fn a_sessions_state_persists_and_no_command_ends_it() {
    let rig = Rig::start();
    let exit = State::Exited;
    let steps: &[(&str, &str, State)] = &[
        ("echo hi; echo e >&2", "hi\ne\n", exit(0)),
        ("cd /tmp; export A=5; f() { echo \"f$1\"; }; alias ll='echo aliased'", "", exit(0)),
        ("pwd; echo $A; f 3; ll", "/tmp\n5\nf3\naliased\n", exit(0)),
        ("exit 5", "", exit(5)),
        ("echo $A; f 4", "5\nf4\n", exit(0)),
        ("kill -9 $$", "", State::Killed("KILL".to_owned())),
        ("exit 137", "", exit(137)),
        ("set -e; false", "", exit(1)),
        ("echo after", "after\n", exit(0)),
        ("exec true", "", exit(0)),
        ("cat", "", exit(0)),
        ("sleep 60 & echo hi", "hi\n", exit(0)),
        ("kill $!; echo a; echo b >/dev/stdout; echo c >/dev/stderr; echo d", "a\nb\nc\nd\n", exit(0)),
    ];
    for (command, output, state) in steps {
        assert_eq!(rig.run(command).await, ((*output).to_owned(), state.clone()), "{command}");
    }
}

//! Rules at the door: what is refused reaches no host, directories are judged by where links lead, a person is asked.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::{Arc, Mutex};

use towline_base::Code;
use towline_engine::action::{Glob, Grep, GrepMode, ReadWindow, Write};
use towline_engine::policy::{Directory, Names, Origin, Policy, Rule};
use towline_engine::{Action, Ask, Context, Engine, Reply, Rules, Settings, Way};
use towline_testkit::process;

use crate::rig::{Rig, bash, context};

/// A home directory; what lives in it ends with it.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn path(&self) -> &std::path::Path {
        self.0.path()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Sessions outlive the engine, as they should; here nobody comes back to them.
        let home = self.path().to_string_lossy().into_owned();
        process::kill_until_gone(|| process::with_environment("HOME", &home));
    }
}

fn rule<T>(says: T) -> Vec<Rule<T>> {
    vec![Rule { says, from: Origin("the test's rule".to_owned()) }]
}

fn directories(path: &std::path::Path) -> Vec<Rule<Vec<Directory>>> {
    rule(vec![Directory::parse(&path.to_string_lossy()).expect("a directory")])
}

fn names(words: &[&str]) -> Vec<Rule<Names>> {
    rule(words.iter().map(|word| (*word).to_owned()).collect())
}

/// An engine whose every host is this machine.
fn engine(home: &std::path::Path, general: Policy) -> Engine {
    let way = Way::Local { home: home.to_owned(), env: vec![("PATH".into(), "/usr/bin:/bin".into()), ("HOME".into(), home.into())] };
    let rules = Rules { general, ..Rules::default() };
    Engine::new(Settings { reach: way, rules, ..Settings::new("ssh", home.join("state")) })
}

fn write(path: &std::path::Path) -> Action {
    Action::Write(Write { file_path: path.to_string_lossy().into_owned(), content: b"new".to_vec(), append: false })
}

fn read(path: &std::path::Path) -> Action {
    Action::Read(ReadWindow { file_path: path.to_string_lossy().into_owned(), offset: None, limit: None, allow_large: false })
}

#[tokio::test(flavor = "multi_thread")]
async fn directories_hold_against_links_and_dots() {
    let home = Home::new();
    let root = home.path().canonicalize().expect("a path");
    for directory in ["in/sub", "in/keys", "out"] {
        fs::create_dir_all(root.join(directory)).expect("made");
    }
    fs::write(root.join("out/secret.txt"), "old").expect("written");
    fs::write(root.join("in/keys/k.txt"), "key").expect("written");
    symlink("../out", root.join("in/link")).expect("linked");
    symlink("../out/secret.txt", root.join("in/file")).expect("linked");
    symlink("keys/k.txt", root.join("in/harmless")).expect("linked");
    symlink(root.join("in"), root.join("door")).expect("linked");
    let inside = root.join("in");
    let policy =
        Policy { read: directories(&inside), write: directories(&inside), never: directories(&inside.join("keys")), ..Policy::default() };
    let engine = engine(&root, policy);
    let relative = |path: &str| std::path::PathBuf::from(path);
    let glob =
        |pattern: &str| Action::Glob(Glob { pattern: pattern.to_owned(), path: Some(inside.join("sub").to_string_lossy().into_owned()) });
    let grep = |path: &std::path::Path| {
        Action::Grep(Grep {
            pattern: "k".to_owned(),
            path: Some(path.to_string_lossy().into_owned()),
            glob: None,
            file_type: None,
            mode: GrepMode::Files,
            after: None,
            before: None,
            context: None,
            numbers: true,
            ignore_case: false,
            only_matching: false,
            head_limit: 10,
            offset: 0,
            multiline: false,
        })
    };
    let table = [
        (write(&inside.join("new.txt")), true),
        (write(&inside.join("sub/a/b/new.txt")), true),
        (write(&relative("in/sub/here.txt")), true),
        (write(&inside.join("../in/dots.txt")), true),
        (write(&root.join("out/new.txt")), false),
        (write(&inside.join("../out/new.txt")), false),
        (write(&inside.join("link/new.txt")), false),
        (write(&inside.join("file")), false),
        (write(&relative("in/link/new.txt")), false),
        (write(&relative("out/new.txt")), false),
        (write(&inside.join("keys/new.txt")), false),
        (read(&inside.join("file")), false),
        (read(&inside.join("keys/k.txt")), false),
        (read(&inside.join("harmless")), false),
        (read(&root.join("door/new.txt")), false),
        (read(&inside.join("new.txt")), true),
        (glob("*.txt"), true),
        (glob("../keys/*"), false),
        (grep(&inside.join("sub")), true),
        (grep(&inside), false),
        (grep(&inside.join("link")), false),
    ];
    for (action, permitted) in table {
        let said = format!("{action:?}");
        match engine.perform(Rig::call(action), context()).await {
            Ok(_) => assert!(permitted, "{said} was done"),
            Err(failure) => {
                assert!(!permitted, "{said}: {failure}");
                assert_eq!(failure.code, Code::Forbidden, "{said}: {failure}");
                assert!(failure.text.contains("the test's rule"), "{failure}");
            }
        }
    }
    assert_eq!(fs::read_to_string(root.join("out/secret.txt")).expect("there"), "old");
    assert_eq!(fs::read_dir(root.join("out")).expect("there").count(), 1);
    assert_eq!(fs::read_dir(inside.join("keys")).expect("there").count(), 1);
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_asked_and_only_a_yes_lets_it_be_done() {
    let home = Home::new();
    let engine = engine(home.path(), Policy { ask: names(&["Bash"]), ..Policy::default() });
    let touched = home.path().join("touched");
    let command = format!("touch {}", touched.display());
    let asked = Arc::new(Mutex::new(Vec::new()));
    for (reply, done, said) in [
        (None, false, "here nobody can be asked"),
        (Some(Reply::No), false, "the person said no"),
        (Some(Reply::Nobody("no forms".to_owned())), false, "no forms"),
        (Some(Reply::Yes), true, ""),
    ] {
        let list = asked.clone();
        let way = reply.map(|reply| -> towline_engine::Asker {
            Arc::new(move |ask: Ask| {
                list.lock().expect("no panic").push(ask);
                Box::pin(std::future::ready(reply.clone()))
            })
        });
        let answer = engine.perform(Rig::call(Action::Bash(bash(&command))), Context { ask: way, ..context() }).await;
        assert_eq!(touched.exists(), done, "{said}");
        match answer {
            Ok(_) => assert!(done),
            Err(failure) => assert!(failure.code == Code::Forbidden && failure.text.contains(said), "{failure}"),
        }
    }
    let asked = asked.lock().expect("no panic").clone();
    assert_eq!(asked.len(), 3);
    assert_eq!(asked[0].what, command);
    assert!(asked[0].about.starts_with("Bash on lab has to be confirmed by a person"), "{:?}", asked[0]);
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_may_only_look_reads_and_starts_nothing() {
    let home = Home::new();
    fs::write(home.path().join("a.txt"), "text").expect("written");
    let way = Way::Local {
        home: home.path().to_owned(),
        env: vec![("PATH".into(), "/usr/bin:/bin".into()), ("HOME".into(), home.path().into())],
    };
    let rules = Rules::default().read_only("--read-only");
    let engine = Engine::new(Settings { reach: way, rules, ..Settings::new("ssh", home.path().join("state")) });
    engine.perform(Rig::call(read(&home.path().join("a.txt"))), context()).await.expect("reading is permitted");
    for action in [Action::Bash(bash("true")), write(&home.path().join("b.txt"))] {
        let refusal = engine.perform(Rig::call(action), context()).await.expect_err("refused");
        assert!(refusal.code == Code::Forbidden && refusal.text.contains("--read-only"), "{refusal}");
    }
    assert!(!home.path().join("b.txt").exists());
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_to_the_journal_is_not_done_unless_the_settings_say_so() {
    use towline_engine::audit::{OnFailure, Options, directory};
    for (on_failure, done) in [(OnFailure::Refuse, false), (OnFailure::GoOn, true)] {
        let home = Home::new();
        let state = home.path().join("state");
        fs::create_dir_all(&state).expect("made");
        // Where the journal's directory should be, there is a file.
        fs::write(directory(&state), "").expect("written");
        let way = Way::Local {
            home: home.path().to_owned(),
            env: vec![("PATH".into(), "/usr/bin:/bin".into()), ("HOME".into(), home.path().into())],
        };
        let audit = Options { on_failure, ..Options::default() };
        let engine = Engine::new(Settings { reach: way, audit, ..Settings::new("ssh", &state) });
        let touched = home.path().join("touched");
        let answer = engine.perform(Rig::call(Action::Bash(bash(&format!("touch {}", touched.display())))), context()).await;
        assert_eq!(touched.exists(), done);
        match answer {
            Ok(answer) => assert!(answer.notes.iter().any(|note| note.contains("audit journal")), "{:?}", answer.notes),
            Err(failure) => assert_eq!(failure.code, Code::Audit, "{failure}"),
        }
        engine.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_tells_what_was_done_and_no_secret_is_in_anything_that_is_left() {
    use towline_base::Secret;
    use towline_engine::audit::{Filter, entries, verify};
    let home = Home::new();
    let state = home.path().join("state");
    let way = Way::Local {
        home: home.path().to_owned(),
        env: vec![("PATH".into(), "/usr/bin:/bin".into()), ("HOME".into(), home.path().into())],
    };
    let settings = Settings {
        reach: way,
        rules: Rules { general: Policy { without: names(&["Write"]), ..Policy::default() }, ..Rules::default() },
        ..Settings::new("ssh", &state)
    };
    settings.access.wallet.redactor().learn("DB", &Secret::new(b"hunter2-very".to_vec()).expect("a secret"));
    let engine = Engine::new(settings);
    let mut run = bash("echo hunter2-very; printf 'hunter2-%s\\n' very >&2");
    run.stdin = Some(b"hunter2-very".to_vec());
    run.env = vec![("PW".to_owned(), "hunter2-very".to_owned())];
    let answer = engine.perform(Rig::call(Action::Bash(run)), context()).await.expect("it answers");
    let said = String::from_utf8_lossy(&crate::rig::execution(&answer).stdout.head).into_owned();
    assert_eq!(said, "[redacted DB]\n[redacted DB]\n");
    let refused = engine.perform(Rig::call(write(&home.path().join("x"))), context()).await.expect_err("refused");
    assert_eq!(refused.code, Code::Forbidden);
    engine.close().await;
    let entries = entries(&state, &Filter::default(), 10).expect("the journal");
    assert_eq!(entries.len(), 2);
    assert_eq!((entries[0].begin.tool.as_str(), entries[0].begin.decision.as_str()), ("Bash", "permitted"));
    assert_eq!(entries[0].begin.arguments["command"], "echo [redacted DB]; printf 'hunter2-%s\\n' very >&2");
    assert_eq!((&entries[0].begin.arguments["env"][0], &entries[0].begin.arguments["stdin"]["bytes"]), (&"PW".into(), &12.into()));
    assert!(entries[0].end.as_ref().is_some_and(|end| end.outcome.starts_with("exit 0") && !end.failed));
    assert_eq!((entries[1].begin.decision.as_str(), entries[1].begin.rule.as_str()), ("refused", "the test's rule"));
    assert!(entries[1].begin.arguments["content"]["sha256"].is_string() && entries[1].end.is_none());
    assert_eq!(verify(&state).expect("the journal").wrong, [""; 0]);
    for file in ["events.jsonl", "audit/journal.jsonl"] {
        let text = fs::read_to_string(state.join(file)).expect("there");
        assert!(text.contains("Bash") && !text.contains("hunter2-very"), "{file}");
    }
}

//! What becomes of calls while the link fails: cut, frozen, refused, rebuilt; over a real sshd and a relay in place of a network.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use towline_base::{Code, Failure, Handle};
use towline_engine::action::{Bash, JobOutput, Stream, WaitFor};
use towline_engine::answer::{OutputSlice, State};
use towline_engine::{Action, Answer, Body, Context};
use towline_testkit::{Lab, Process, eventually_async, process};

use crate::rig::{Rig, bash, context, execution};

/// What a shared machine may add to a time that is asserted.
const SLACK: Duration = Duration::from_secs(2);
/// How long the engine looks at a command whose call is over, where the link seems to be up.
const LAST_LOOK: Duration = Duration::from_secs(2);

/// A command that tells the ledger that it began, prints `count` numbered lines over about a second, and ends with 7.
fn counted(name: &str, count: u32) -> String {
    format!(
        "echo {name} >>~/ledger; i=0; while [ $i -lt {count} ]; do i=$((i+1)); echo {name} $i; if [ $((i % 10)) = 0 ]; then sleep 0.1; fi; done; (exit 7)"
    )
}

fn lines(name: &str, count: u32) -> String {
    (1..=count).map(|i| [name, " ", &i.to_string(), "\n"].concat()).collect()
}

fn ledger(lab: &Lab) -> Vec<String> {
    let text = std::fs::read_to_string(lab.sshd.home().join("ledger")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

async fn begun(lab: &Lab, name: &str) {
    eventually_async(Duration::from_secs(20), || async { ledger(lab).iter().any(|line| line == name) }).await;
}

/// Makes a call in a task of its own.
fn start(rig: &Arc<Rig>, command: Bash, context: Context) -> JoinHandle<Result<Answer, Failure>> {
    let rig = Arc::clone(rig);
    tokio::spawn(async move { rig.engine.perform(Rig::call(Action::Bash(command)), context).await })
}

fn patient(command: &str) -> Bash {
    Bash { timeout: Some(Duration::from_secs(100)), ..bash(command) }
}

fn hurried(command: &str, seconds: u64) -> Bash {
    Bash { timeout: Some(Duration::from_secs(seconds)), ..bash(command) }
}

fn output(answer: &Answer) -> String {
    String::from_utf8_lossy(&execution(answer).stdout.head).into_owned()
}

fn says(answer: &Answer, words: &str) -> bool {
    answer.notes.iter().any(|note| note.contains(words))
}

/// Waits for an execution's end, by its id, and reads it from its first byte.
async fn collect(rig: &Rig, id: &Handle) -> Result<OutputSlice, Failure> {
    let job = JobOutput {
        id: id.clone(),
        stream: Stream::Stdout,
        offset: Some(0),
        limit: None,
        tail: None,
        grep: None,
        wait: Some(Duration::from_secs(30)),
        wait_for: WaitFor::End,
    };
    let body = rig.perform(Action::JobOutput(job)).await?.body;
    let Body::JobOutput(slice) = body else { panic!("not a slice: {body:?}") };
    Ok(slice)
}

/// What a whole answer over a rebuilt link is.
fn check_whole(answer: &Answer, name: &str, count: u32) {
    assert_eq!(output(answer), lines(name, count));
    assert_eq!(execution(answer).state, State::Exited(7), "{answer:?}");
    assert!(says(answer, "lost and rebuilt"), "{name}: {:?}", answer.notes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_while_a_command_runs_costs_nothing_but_time() {
    let rig = Arc::new(Rig::start());
    rig.run("true").await;
    for (round, count) in [(1, 40), (2, 40), (3, 900)] {
        let name = format!("c{round}");
        let call = start(&rig, patient(&counted(&name, count)), context());
        begun(&rig.lab, &name).await;
        rig.lab.relay.cut();
        let cut = Instant::now();
        check_whole(&call.await.expect("joins").expect("an answer"), &name, count);
        println!("cut during a command of {count} lines: answered {:?} after the cut", cut.elapsed());
    }
    assert_eq!(ledger(&rig.lab), ["c1", "c2", "c3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_call_is_answered_within_a_second_of_the_links_return() {
    let rig = Arc::new(Rig::start());
    let begin = Instant::now();
    rig.run("true").await;
    let handshake = begin.elapsed();
    for (name, away) in [("short", 1), ("long", 7)] {
        let call = start(&rig, patient(&counted(name, 20)), context());
        begun(&rig.lab, name).await;
        rig.lab.relay.refuse(true);
        rig.lab.relay.cut();
        // The command ends meanwhile; that it did not yet is no matter for the answer.
        tokio::time::sleep(Duration::from_secs(away)).await;
        rig.lab.relay.refuse(false);
        let back = Instant::now();
        check_whole(&call.await.expect("joins").expect("an answer"), name, 20);
        println!("away for {away} s: answered {:?} after the link was back; a first call took {handshake:?}", back.elapsed());
        assert!(back.elapsed() < Duration::from_secs(1) + handshake + SLACK, "{:?}", back.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_link_is_noticed_within_ten_seconds() {
    let rig = Arc::new(Rig::start());
    rig.run("true").await;
    let call = start(&rig, patient(&counted("frozen", 20)), context());
    begun(&rig.lab, "frozen").await;
    let before = rig.lab.relay.accepted();
    rig.lab.relay.freeze();
    let frozen = Instant::now();
    // The next connection is the sign that it was noticed.
    eventually_async(Duration::from_secs(20), || async { rig.lab.relay.accepted() > before }).await;
    let noticed = frozen.elapsed();
    rig.lab.relay.thaw();
    let thawed = Instant::now();
    check_whole(&call.await.expect("joins").expect("an answer"), "frozen", 20);
    println!("freeze noticed after {noticed:?}; answered {:?} after the thaw", thawed.elapsed());
    assert!(noticed < Duration::from_secs(10) + SLACK, "{noticed:?}");
    assert_eq!(ledger(&rig.lab), ["frozen"]);
}

/// Freezes the link of a first connection once so many bytes came from the host, and judges what a hurried call is told.
async fn freeze_after(bytes: u64) -> (&'static str, Duration) {
    let rig = Arc::new(Rig::start());
    let lab = &rig.lab;
    if bytes == 0 {
        lab.relay.freeze();
    }
    let begin = Instant::now();
    let call = start(&rig, hurried(&counted("phase", 3), 4), context());
    if bytes > 0 {
        let end = Instant::now() + Duration::from_secs(20);
        while lab.relay.traffic().down < bytes && !call.is_finished() && Instant::now() < end {
            tokio::task::yield_now().await;
        }
        lab.relay.freeze();
    }
    let answer = call.await.expect("joins");
    let took = begin.elapsed();
    lab.relay.thaw();
    let told = match answer {
        Err(failure) => {
            // It was told that nothing was sent: then it never runs.
            assert!(matches!(failure.code, Code::ConnectTimeout | Code::RemoteShell | Code::LinkLost), "{failure:?}");
            rig.run("true").await;
            assert_eq!(ledger(lab), Vec::<String>::new(), "{failure:?}");
            "not sent"
        }
        Ok(answer) => {
            let told = match &execution(&answer).state {
                State::Unknown(_) => "unknown",
                State::Running | State::Queued => "running",
                State::Exited(7) => "done",
                other @ (State::Exited(_) | State::Killed(_) | State::Lost(_)) => panic!("{other:?}"),
            };
            let slice = match collect(&rig, &execution(&answer).id).await {
                // What was on its way when the link froze may arrive after this question.
                Err(failure) if failure.code == Code::Unknown && told == "unknown" => {
                    begun(lab, "phase").await;
                    collect(&rig, &execution(&answer).id).await.expect("an outcome")
                }
                slice => slice.expect("an outcome"),
            };
            assert_eq!((slice.state, String::from_utf8_lossy(&slice.bytes).into_owned()), (State::Exited(7), lines("phase", 3)));
            assert_eq!(ledger(lab), ["phase"]);
            told
        }
    };
    (told, took)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_at_any_phase_of_connecting_keeps_the_deadline_and_the_truth() {
    // How much the host says until a first command is answered, and until the lane is up.
    let rig = Rig::start();
    rig.run("true").await;
    let whole = rig.lab.relay.traffic().down;
    drop(rig);
    // TCP, banner, key exchange, host key, authentication, channel, greeting, hello, answer.
    let points = [
        0,
        1,
        30,
        whole * 3 / 10,
        whole * 6 / 10,
        whole * 8 / 10,
        whole - 450,
        whole - 350,
        whole - 250,
        whole - 150,
        whole - 100,
        whole - 50,
    ];
    let mut told = Vec::new();
    for pair in points.chunks(4) {
        let tasks: Vec<_> = pair.iter().map(|bytes| tokio::spawn(freeze_after(*bytes))).collect();
        for (bytes, task) in pair.iter().zip(tasks) {
            let (what, took) = task.await.expect("joins");
            println!("frozen after {bytes} of {whole} bytes: {what} after {took:?}");
            assert!(took < Duration::from_secs(4) + LAST_LOOK + SLACK, "{took:?}");
            told.push(what);
        }
    }
    assert_eq!(told[0], "not sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_comes_while_the_link_is_down_is_answered_truly() {
    for frozen in [false, true] {
        let rig = Arc::new(Rig::start());
        rig.run("true").await;
        let begin = Instant::now();
        let call = start(&rig, hurried(&counted("late", 40), 3), context());
        begun(&rig.lab, "late").await;
        if frozen {
            rig.lab.relay.freeze();
        } else {
            rig.lab.relay.refuse(true);
            rig.lab.relay.cut();
        }
        let answer = call.await.expect("joins").expect("an answer");
        let took = begin.elapsed();
        println!(
            "deadline of 3 s with the link {}: answered after {took:?}: {:?}",
            if frozen { "frozen" } else { "cut" },
            execution(&answer).state
        );
        assert!(took < Duration::from_secs(3) + LAST_LOOK + SLACK, "{took:?}");
        assert!(matches!(execution(&answer).state, State::Unknown(_) | State::Running), "{answer:?}");
        assert!(says(&answer, "not sent a second time") || frozen, "{:?}", answer.notes);
        rig.lab.relay.thaw();
        rig.lab.relay.refuse(false);
        let slice = collect(&rig, &execution(&answer).id).await.expect("an outcome");
        assert_eq!((slice.state, String::from_utf8_lossy(&slice.bytes).into_owned()), (State::Exited(7), lines("late", 40)));
        assert_eq!(ledger(&rig.lab), ["late"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_while_the_link_is_down_ends_the_command_when_it_is_back() {
    let rig = Arc::new(Rig::start());
    rig.run("true").await;
    let context = context();
    let call = start(&rig, patient("echo x >>~/ledger; sleep 7101; echo y >>~/ledger"), context.clone());
    begun(&rig.lab, "x").await;
    rig.lab.relay.refuse(true);
    rig.lab.relay.cut();
    context.cancel.cancel();
    let begin = Instant::now();
    let failure = call.await.expect("joins").expect_err("cancelled");
    println!("cancelled with the link down: returned after {:?}: {}", begin.elapsed(), failure.text);
    assert_eq!(failure.code, Code::Cancelled);
    assert!(!failure.text.contains("were ended"), "nobody knows that yet: {}", failure.text);
    rig.lab.relay.refuse(false);
    let alive = || process::all().iter().any(|process| process.command == "sleep 7101");
    eventually_async(Duration::from_secs(30), || async { !alive() }).await;
    assert_eq!(rig.run("cat ~/ledger").await.0, "x\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_towlines_share_a_session_through_a_cut() {
    let rig = Arc::new(Rig::start());
    rig.run("export SHARED=1").await;
    let other = Rig::engine(&rig.lab);
    let mine = start(&rig, patient(&counted("mine", 30)), context());
    begun(&rig.lab, "mine").await;
    let theirs = tokio::spawn(async move {
        let command = format!("echo $SHARED; {}", counted("theirs", 30));
        other.perform(Rig::call(Action::Bash(patient(&command))), context()).await
    });
    rig.lab.relay.cut();
    check_whole(&mine.await.expect("joins").expect("an answer"), "mine", 30);
    let answer = theirs.await.expect("joins").expect("an answer");
    assert_eq!((output(&answer), &execution(&answer).state), (format!("1\n{}", lines("theirs", 30)), &State::Exited(7)));
    assert_eq!(ledger(&rig.lab), ["mine", "theirs"]);
}

/// The process on the client's side that holds the connection.
fn masters(lab: &Lab) -> Vec<Process> {
    lab.client_processes().into_iter().filter(|process| process.command.contains("[mux]")).collect()
}

/// The lanes on the host: children of sshd that are ours.
fn lanes(lab: &Lab) -> Vec<Process> {
    let sshd: Vec<u32> = lab.sshd.connection_processes().iter().filter(|p| p.command.starts_with("sshd")).map(|p| p.pid).collect();
    lab.sshd.session_processes().into_iter().filter(|process| sshd.contains(&process.parent)).collect()
}

fn kill_all(name: &str, found: &[Process], lab: &Lab) {
    assert!(!found.is_empty(), "no {name} among {:?} and {:?}", lab.client_processes(), lab.sshd.session_processes());
    for process in found {
        process::kill(process.pid);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_master_and_a_killed_lane_are_cuts() {
    let rig = Arc::new(Rig::start());
    rig.run("true").await;
    let call = start(&rig, patient(&counted("master", 100)), context());
    begun(&rig.lab, "master").await;
    kill_all("master", &masters(&rig.lab), &rig.lab);
    check_whole(&call.await.expect("joins").expect("an answer"), "master", 100);

    // A lane's sender may outlive its reader and still tell the outcome; a request that nobody reads is sent again.
    let call = start(&rig, patient(&counted("lane", 100)), context());
    begun(&rig.lab, "lane").await;
    kill_all("lane", &lanes(&rig.lab), &rig.lab);
    let answer = call.await.expect("joins").expect("an answer");
    assert_eq!((output(&answer), &execution(&answer).state), (lines("lane", 100), &State::Exited(7)));
    let begin = Instant::now();
    assert_eq!(rig.run("echo next").await.0, "next\n");
    println!("first call on a lane that was killed: answered after {:?}", begin.elapsed());
    assert!(begin.elapsed() < Duration::from_secs(10) + SLACK + SLACK, "{:?}", begin.elapsed());
    assert_eq!(ledger(&rig.lab), ["master", "lane"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_host_key_on_the_way_back_is_refused_and_nothing_is_sent() {
    let mut rig = Rig::start();
    rig.run("true").await;
    let engine = rig.engine.clone();
    let command = Rig::call(Action::Bash(patient("echo x >>~/ledger; sleep 2; echo y")));
    let call = tokio::spawn(async move { engine.perform(command, context()).await });
    begun(&rig.lab, "x").await;
    rig.lab.relay.refuse(true);
    rig.lab.sshd.change_host_key().expect("a new key");
    rig.lab.sshd.restart().expect("sshd comes back");
    rig.lab.relay.cut();
    rig.lab.relay.refuse(false);
    let answer = call.await.expect("joins").expect("an answer with the id");
    let State::Unknown(why) = &execution(&answer).state else { panic!("{answer:?}") };
    println!("host key changed on the way back: {why}");
    assert!(why.to_lowercase().contains("host key") || why.contains("REMOTE HOST IDENTIFICATION"), "{why}");
    let failure = rig.perform(Action::Bash(patient("echo z >>~/ledger"))).await.expect_err("refused");
    assert_eq!(failure.code, Code::HostKeyChanged, "{failure:?}");
    assert_eq!(ledger(&rig.lab), ["x"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_towline_that_closes_leaves_its_command_and_the_next_one_tells_of_it() {
    let rig = Arc::new(Rig::start());
    rig.run("true").await;
    let context = context();
    let call = start(&rig, patient(&counted("left", 30)), context.clone());
    begun(&rig.lab, "left").await;
    context.closing.cancel();
    let begin = Instant::now();
    let failure = call.await.expect("joins").expect_err("given up");
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    let id = failure.text.trim_end_matches('.').rsplit(' ').next().and_then(|word| Handle::parse(word).ok()).expect("the id is told");
    rig.engine.close().await;
    let next = Rig { engine: Rig::engine(&rig.lab), lab: Arc::into_inner(rig).expect("the only one").lab };
    let answer = next.bash(bash("echo next")).await;
    assert!(answer.notes.iter().any(|note| note.contains(id.as_str())), "{:?}", answer.notes);
    let slice = collect(&next, &id).await.expect("an outcome");
    assert_eq!((slice.state, String::from_utf8_lossy(&slice.bytes).into_owned()), (State::Exited(7), lines("left", 30)));
    next.engine.close().await;
    let again = Rig { engine: Rig::engine(&next.lab), lab: next.lab };
    let answer = again.bash(bash("echo again")).await;
    assert!(!answer.notes.iter().any(|note| note.contains(id.as_str())), "it was read: {:?}", answer.notes);
    assert_eq!(ledger(&again.lab), ["left"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_cut_again_and_again_while_it_comes_up_loses_nothing() {
    let rig = Arc::new(Rig::start());
    rig.run("true").await;
    let call = start(&rig, patient(&counted("often", 60)), context());
    begun(&rig.lab, "often").await;
    for bytes in [1, 1500, 3000, 4500, 6000] {
        rig.lab.relay.cut();
        rig.lab.relay.reset_traffic();
        let end = Instant::now() + Duration::from_secs(10);
        while rig.lab.relay.traffic().down < bytes && !call.is_finished() && Instant::now() < end {
            tokio::task::yield_now().await;
        }
    }
    rig.lab.relay.cut();
    check_whole(&call.await.expect("joins").expect("an answer"), "often", 60);
    assert_eq!(ledger(&rig.lab), ["often"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_ended_is_not_made_again_for_what_goes_on_beside() {
    let rig = Rig::start();
    rig.run("true").await;
    // What was read is told to the host beside the next call, and here that takes its time.
    rig.lab.relay.set_rtt(Duration::from_millis(600));
    rig.run("true").await;
    let before = rig.lab.relay.accepted();
    let disconnect = Action::Disconnect(towline_engine::action::Disconnect { end: true });
    let Body::Text(said) = rig.perform(disconnect).await.expect("it disconnects").body else { panic!("not a text") };
    assert!(said.ends_with(" Shared connections ended: 1."), "{said}");
    eventually_async(Duration::from_secs(20), || async { rig.lab.relay.open() == 0 }).await;
    rig.engine.close().await;
    assert_eq!(rig.lab.relay.accepted(), before);
    // Nor was it lost: nobody waited for anything there.
    let events = std::fs::read_to_string(rig.lab.state_dir().join("events.jsonl")).expect("the events");
    assert!(events.contains(r#""text":"opened""#) && !events.contains(r#""text":"lost"#), "{events}");
}

//! Carries out what goes wrong on one host.
//!
//! Holds to: only processes of this lab are killed, each by its pid; a fault that found nothing to hit is not counted. Leaves
//! out: which fault comes when (`plan`).

use std::path::Path;
use std::time::{Duration, Instant};

use towline_testkit::process::{self, Process};
use towline_testkit::relay::Side;

use super::field::{Field, lock};
use super::plan::{Dice, Fault};

/// Of so many faults one is alone, so that the time from its end to an answer can be told.
const MEASURED: usize = 30;
/// How long nothing else goes wrong before and after it.
const CALM: Duration = Duration::from_secs(3);

/// Does harm until the run is over, or so many faults were done.
pub(super) fn go_on(field: &Field, mut dice: Dice, most: usize) {
    let mut done = 0;
    while !field.is_over() && done < most {
        let (mut pause, mut fault) = Fault::next(&mut dice);
        let measured = done % MEASURED == MEASURED - 1;
        if measured {
            (pause, fault) = (CALM, Fault::Away(Duration::from_millis(dice.between(100, 3000))));
        }
        wait(field, pause);
        let from = field.now();
        if let Some(what) = carry_out(field, fault, &mut dice) {
            done += 1;
            let until = field.now();
            lock(&field.faults).push((from, until, format!("{}{what}", fault.kind())));
            if measured {
                *lock(&field.measured) = Some((from, until));
                wait(field, CALM);
                *lock(&field.measured) = None;
            }
        }
    }
    heal(field);
}

/// Makes the link whole and brings back whoever was killed.
pub(super) fn heal(field: &Field) {
    let relay = &field.lab.kit.relay;
    relay.thaw();
    relay.refuse(false);
    relay.set_rate(None);
    relay.set_rtt(Duration::ZERO);
    for towline in &field.towlines {
        if !towline.lives()
            && let Err(trouble) = towline.start()
        {
            field.violation(format!("towline does not start: {trouble}"));
        }
    }
}

/// Does one fault; tells what else is to be said of it, or nothing if there was nothing to hit.
fn carry_out(field: &Field, fault: Fault, dice: &mut Dice) -> Option<String> {
    let relay = &field.lab.kit.relay;
    let said = |time: Duration| Some(format!(" for {} ms", time.as_millis()));
    match fault {
        Fault::Cut | Fault::CutWithin(_) | Fault::HostGone(_) | Fault::ClientGone(_) if relay.open() == 0 => None,
        Fault::Cut => {
            relay.cut();
            Some(String::new())
        }
        Fault::CutWithin(bytes) => {
            relay.cut_after(bytes);
            let end = Instant::now() + Duration::from_millis(300);
            let before = relay.traffic().down;
            while relay.traffic().down < before + bytes && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(1));
            }
            if Instant::now() >= end {
                relay.cut();
            }
            Some(format!(" of {bytes} bytes"))
        }
        Fault::CutWhileUp(times) => {
            for _ in 0..times {
                relay.cut();
                let bytes = dice.between(1, 6000);
                let (before, end) = (relay.traffic().down, Instant::now() + Duration::from_millis(1500));
                while relay.traffic().down < before + bytes && Instant::now() < end && !field.is_over() {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            relay.cut();
            Some(format!(" {times} times"))
        }
        Fault::Away(time) => {
            relay.refuse(true);
            relay.cut();
            wait(field, time);
            relay.refuse(false);
            said(time)
        }
        Fault::Freeze(time) => {
            relay.freeze();
            wait(field, time);
            relay.thaw();
            said(time)
        }
        Fault::HostGone(time) => {
            relay.half_open(Side::Host);
            wait(field, time);
            relay.thaw();
            relay.cut();
            said(time)
        }
        Fault::ClientGone(time) => {
            relay.half_open(Side::Client);
            wait(field, time);
            relay.thaw();
            said(time)
        }
        Fault::Stale(time) => {
            relay.hold();
            let hit = kill_each(&ssh_processes(field));
            wait(field, time);
            relay.thaw();
            if hit == 0 { None } else { said(time) }
        }
        Fault::Slow(time) => {
            relay.set_rate(Some(dice.between(20_000, 300_000)));
            relay.set_rtt(Duration::from_millis(dice.between(20, 200)));
            wait(field, time);
            relay.set_rate(None);
            relay.set_rtt(Duration::ZERO);
            said(time)
        }
        Fault::Towline(time) => restart(field, time, dice),
        Fault::Master => one(&field.masters(), dice),
        Fault::Channel => one(&ssh_processes(field).into_iter().filter(|p| !p.command.contains("[mux]")).collect::<Vec<_>>(), dice),
        Fault::Lane => one(&lanes(field), dice),
        Fault::Supervisor => of_a_session(field, dice, "cur"),
        Fault::Shell => of_a_session(field, dice, "u."),
        Fault::Sshd => {
            let sshd = field.lab.kit.sshd.connection_processes();
            one(&sshd.into_iter().filter(|process| process.command.starts_with("sshd")).collect::<Vec<_>>(), dice)
        }
    }
}

fn wait(field: &Field, time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end && !field.is_over() {
        std::thread::sleep(Duration::from_millis(5).min(end.saturating_duration_since(Instant::now())));
    }
}

fn restart(field: &Field, time: Duration, dice: &mut Dice) -> Option<String> {
    let number = usize::try_from(dice.below(field.towlines.len() as u64)).unwrap_or(0);
    let towline = &field.towlines[number];
    if !towline.kill() {
        return None;
    }
    wait(field, time);
    if let Err(trouble) = towline.start() {
        field.violation(format!("towline {number} does not start again: {trouble}"));
    }
    Some(format!(" number {number}, started again after {} ms", time.as_millis()))
}

fn ssh_processes(field: &Field) -> Vec<Process> {
    let is_ssh =
        |process: &Process| process.command.starts_with("ssh") && !process.command.contains(" -O ") && !process.command.contains(" -G ");
    field.lab.kit.client_processes().into_iter().filter(is_ssh).collect()
}

/// The lanes: what sshd started for a channel, and is ours.
fn lanes(field: &Field) -> Vec<Process> {
    let sshd: Vec<u32> =
        field.lab.kit.sshd.connection_processes().iter().filter(|p| p.command.starts_with("sshd")).map(|p| p.pid).collect();
    field.lab.kit.sshd.session_processes().into_iter().filter(|process| sshd.contains(&process.parent)).collect()
}

fn kill_each(found: &[Process]) -> usize {
    for process in found {
        process::kill(process.pid);
    }
    found.len()
}

/// Kills one of these.
fn one(found: &[Process], dice: &mut Dice) -> Option<String> {
    let at = usize::try_from(dice.below(found.len() as u64)).ok()?;
    let process = found.get(at)?;
    process::kill(process.pid);
    Some(format!(" {}", process.pid))
}

/// Kills the process that a file of some session names.
fn of_a_session(field: &Field, dice: &mut Dice, file: &str) -> Option<String> {
    let sessions = std::fs::read_dir(field.root()?.join("s")).ok()?.flatten().map(|entry| entry.path());
    let mut found: Vec<(String, u32)> = sessions.flat_map(|dir| named_pids(&dir, file)).collect();
    found.sort();
    let at = usize::try_from(dice.below(found.len() as u64)).ok()?;
    let (name, pid) = found.get(at)?;
    process::kill(*pid);
    Some(format!(" {pid} of {name}"))
}

/// Live processes that are named in a session's files of this kind, with the session's name.
fn named_pids(dir: &Path, file: &str) -> Vec<(String, u32)> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let matching = entries.filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(file)));
    let session = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let read = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(path).ok()?;
        let words: Vec<&str> = text.split(' ').collect();
        let (pid, start) = if file == "cur" { (words.get(1)?, words.get(2)?) } else { (words.first()?, words.get(1)?) };
        let pid: u32 = pid.parse().ok()?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let born = status.rsplit_once(") ")?.1.split(' ').nth(19)?.to_owned();
        (born == start.trim()).then(|| (session.clone(), pid))
    };
    matching.filter_map(read).collect()
}

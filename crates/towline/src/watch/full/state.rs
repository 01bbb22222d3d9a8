//! What the full-screen view holds: a list of places, and for each the lines that it showed last.
//!
//! Holds to: pure; bounded in places and in lines; the newest is seen unless the person scrolled back. Leaves out: drawing.

use std::collections::{BTreeMap, VecDeque};

use towline_engine::events::{Event, Kind};

use crate::watch::render::{Line, Renderer};

/// Lines that a place keeps.
const LINES: usize = 1000;
/// Places that are kept; the one that was quiet for longest goes first.
const PLACES: usize = 100;
/// How long a command stays in the list after its end, in milliseconds.
const LINGER_MS: u64 = 15_000;
/// Lines of one scroll.
const SCROLL: usize = 10;

/// What can be chosen. The order is that of the list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    All,
    Host(String),
    Session(String, String),
    /// A command: host, session, process, call.
    Command(String, String, u32, u64),
}

/// One entry of the list.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) running: bool,
    pub(super) lines: VecDeque<Line>,
    renderer: Renderer,
    last: u64,
    ended: Option<u64>,
    /// The execution of a command, once it is known.
    id: Option<String>,
}

/// A key of the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Leave,
    Up,
    Down,
    Back,
    On,
    Newest,
}

/// Everything that is shown.
pub(super) struct State {
    stamp: fn(u64) -> String,
    pub(super) entries: BTreeMap<Place, Entry>,
    pub(super) chosen: Place,
    /// Lines between the newest and the last that is shown.
    pub(super) back: usize,
}

impl State {
    pub(super) fn new(stamp: fn(u64) -> String) -> Self {
        let mut state = Self { stamp, entries: BTreeMap::new(), chosen: Place::All, back: 0 };
        state.entry(Place::All, "all hosts", 0);
        state
    }

    fn entry(&mut self, place: Place, name: &str, at: u64) -> &mut Entry {
        let new = || Entry {
            name: name.to_owned(),
            running: false,
            lines: VecDeque::new(),
            renderer: Renderer::new(None, self.stamp),
            last: at,
            ended: None,
            id: None,
        };
        self.entries.entry(place).or_insert_with(new)
    }

    /// Takes an event in.
    pub(super) fn event(&mut self, event: &Event) {
        let (host, session) = (event.host.clone(), event.session.clone());
        let mut places = vec![(Place::All, "all hosts".to_owned())];
        if !host.is_empty() {
            places.push((Place::Host(host.clone()), host.clone()));
        }
        if !host.is_empty() && !session.is_empty() {
            let name = event.label.clone().unwrap_or_else(|| session.clone());
            places.push((Place::Session(host.clone(), session.clone()), name));
        }
        let command = Place::Command(host, session, event.pid, event.call);
        let begins = event.kind == Kind::Begin && event.tool == "Bash";
        if begins || self.entries.contains_key(&command) {
            places.push((command.clone(), event.text.lines().next().unwrap_or_default().to_owned()));
        }
        for (place, name) in places {
            let entry = self.entry(place, &name, event.at);
            entry.last = event.at;
            let lines = entry.renderer.event(event);
            keep(&mut entry.lines, lines);
        }
        if let Some(label) = &event.label
            && let Some(entry) = self.entries.get_mut(&Place::Session(event.host.clone(), event.session.clone()))
        {
            entry.name.clone_from(label);
        }
        if let Some(entry) = self.entries.get_mut(&command) {
            let goes_on = event.kind == Kind::End && event.exit.is_none() && event.text.starts_with("running");
            let over = matches!(event.kind, Kind::End | Kind::Ended) && !goes_on;
            entry.running = !over;
            entry.ended = over.then_some(event.at);
            entry.id = event.id.clone().or(entry.id.take());
        }
        self.told_by_another(event);
        self.bound();
    }

    /// A later call may tell the end of a command that its own call had left behind.
    fn told_by_another(&mut self, event: &Event) {
        let tells = event.kind == Kind::End && ["JobOutput", "JobStop"].contains(&event.tool.as_str());
        let open = ["running", "queued", "unknown"].iter().any(|word| event.text.starts_with(word));
        if !tells || open || event.failed == Some(true) || event.id.is_none() {
            return;
        }
        let same = |place: &Place, entry: &Entry| matches!(place, Place::Command(host, ..) if *host == event.host) && entry.id == event.id;
        for (_, entry) in self.entries.iter_mut().filter(|(place, entry)| same(place, entry)) {
            entry.running = false;
            entry.ended.get_or_insert(event.at);
        }
    }

    /// Time passes: what was held back is shown, commands that are over leave the list.
    pub(super) fn tick(&mut self, now: u64) {
        for entry in self.entries.values_mut() {
            let lines = entry.renderer.tick(now);
            keep(&mut entry.lines, lines);
        }
        let chosen = self.chosen.clone();
        self.entries.retain(|place, entry| *place == chosen || entry.ended.is_none_or(|at| now.saturating_sub(at) < LINGER_MS));
    }

    fn bound(&mut self) {
        while self.entries.len() > PLACES {
            let quiet = self.entries.iter().filter(|(place, _)| **place != Place::All && **place != self.chosen);
            let Some(place) = quiet.min_by_key(|(_, entry)| (entry.running, entry.last)).map(|(place, _)| place.clone()) else { return };
            self.entries.remove(&place);
        }
    }

    /// The list, in its order: each host, below it its sessions, below them their commands.
    pub(super) fn list(&self) -> Vec<(&Place, &Entry)> {
        let of = |place: &Place| match place {
            Place::All => (String::new(), String::new(), 0, 0, 0),
            Place::Host(host) => (host.clone(), String::new(), 1, 0, 0),
            Place::Session(host, session) => (host.clone(), session.clone(), 2, 0, 0),
            Place::Command(host, session, pid, call) => (host.clone(), session.clone(), 3, *pid, *call),
        };
        let mut all: Vec<_> = self.entries.iter().collect();
        all.sort_by_key(|(place, _)| of(place));
        all
    }

    /// Takes a key in; false if the view is left.
    pub(super) fn press(&mut self, key: Key) -> bool {
        let places: Vec<Place> = self.list().into_iter().map(|(place, _)| place.clone()).collect();
        let at = places.iter().position(|place| *place == self.chosen).unwrap_or(0);
        let longest = self.entries.get(&self.chosen).map_or(0, |entry| entry.lines.len().saturating_sub(1));
        match key {
            Key::Leave => return false,
            Key::Up => self.choose(&places, at.saturating_sub(1)),
            Key::Down => self.choose(&places, at + 1),
            Key::Back => self.back = (self.back + SCROLL).min(longest),
            Key::On => self.back = self.back.saturating_sub(SCROLL),
            Key::Newest => self.back = 0,
        }
        true
    }

    fn choose(&mut self, places: &[Place], at: usize) {
        if let Some(place) = places.get(at) {
            self.chosen = place.clone();
            self.back = 0;
        }
    }
}

fn keep(lines: &mut VecDeque<Line>, more: Vec<Line>) {
    lines.extend(more);
    let beyond = lines.len().saturating_sub(LINES);
    lines.drain(..beyond);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: Kind, call: u64, text: &str) -> Event {
        let (host, session) = ("prod".to_owned(), "c-1".to_owned());
        Event { kind, pid: 1, call, host, session, tool: "Bash".into(), text: text.into(), at: call, ..Event::default() }
    }

    #[test]
    fn memory_is_bounded_whatever_comes() {
        let mut state = State::new(|_| String::new());
        for call in 0..5000 {
            state.event(&Event { host: format!("h{}", call % 300), ..event(Kind::Begin, call, "cmd") });
            state.event(&event(Kind::Output, call, "a\nb\nc\n"));
        }
        assert!(state.entries.len() <= PLACES);
        assert!(state.entries.values().all(|entry| entry.lines.len() <= LINES));
        assert!(state.entries.contains_key(&Place::All));
    }

    #[test]
    fn a_command_leaves_the_list_some_time_after_its_end() {
        let mut state = State::new(|_| String::new());
        state.event(&event(Kind::Begin, 1, "make"));
        let commands = |state: &State| state.list().into_iter().filter(|(place, _)| matches!(place, Place::Command(..))).count();
        state.tick(LINGER_MS * 2);
        assert_eq!(commands(&state), 1);
        state.event(&event(Kind::End, 1, "running · 0 bytes"));
        state.tick(LINGER_MS * 2);
        assert_eq!(commands(&state), 1, "it goes on in the background");
        state.event(&Event { at: LINGER_MS * 2, exit: Some(0), ..event(Kind::Ended, 1, "exit 0") });
        state.tick(LINGER_MS * 2 + 1);
        assert_eq!(commands(&state), 1);
        state.tick(LINGER_MS * 4);
        assert_eq!(commands(&state), 0);
    }

    #[test]
    fn a_command_ends_in_the_list_when_whatever_call_told_its_end() {
        let running = |state: &State| state.entries.values().filter(|entry| entry.running).count();
        let told = |tool: &str, host: &str, id: &str, text: &str| Event {
            tool: tool.to_owned(),
            host: host.to_owned(),
            id: Some(id.to_owned()),
            ..event(Kind::End, 9, text)
        };
        let mut state = State::new(|_| String::new());
        state.event(&event(Kind::Begin, 1, "make"));
        let host = event(Kind::Begin, 1, "").host;
        state.event(&Event { id: Some("k3f9xx".to_owned()), ..event(Kind::End, 1, "running · 0 bytes") });
        for (tool, host, id, text, left) in [
            ("JobOutput", host.as_str(), "k3f9xx", "running · 9 bytes", 1),
            ("JobOutput", host.as_str(), "another", "exit 0 · 9 bytes", 1),
            ("JobOutput", "elsewhere", "k3f9xx", "exit 0 · 9 bytes", 1),
            ("Bash", host.as_str(), "k3f9xx", "exit 0 · 9 bytes", 1),
            ("JobStop", host.as_str(), "k3f9xx", "killed TERM", 0),
        ] {
            state.event(&told(tool, host, id, text));
            assert_eq!(running(&state), left, "{tool} {host} {id} {text}");
        }
        state.tick(LINGER_MS * 4);
        assert!(!state.entries.keys().any(|place| matches!(place, Place::Command(..))));
    }

    #[test]
    fn keys_choose_and_scroll() {
        let mut state = State::new(|_| String::new());
        state.event(&event(Kind::Begin, 1, "make"));
        state.event(&event(Kind::Output, 1, &"x\n".repeat(100)));
        for (key, chosen) in [(Key::Up, 0), (Key::Down, 1), (Key::Down, 2), (Key::Down, 3), (Key::Down, 3)] {
            assert!(state.press(key));
            assert_eq!(state.list()[chosen].0, &state.chosen, "{key:?}");
        }
        state.press(Key::Back);
        assert_eq!(state.back, SCROLL);
        state.press(Key::Newest);
        assert_eq!(state.back, 0);
        assert!(!state.press(Key::Leave));
    }
}

//! The marks by which a shell tells where its prompt is and how its last command ended (OSC 133), read from a terminal's output.
//!
//! Holds to: pure; it does not matter how the stream was cut; a sequence of any length takes bounded memory; whatever a host sends,
//! it is at worst a wrong status in its own terminal. Leaves out: every other sequence.

/// Longest sequence that is looked into: the marks are short.
const SEQUENCE: usize = 64;

/// Where a shell stands, by its marks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Prompt {
    /// How many prompts there were; 0 where the shell sets no marks.
    pub(crate) count: u64,
    /// A command runs: it was begun after the last prompt.
    pub(crate) running: bool,
    /// How the last command ended.
    pub(crate) status: Option<i32>,
    /// Something was drawn since the last prompt's mark: the prompt, usually.
    pub(crate) drawn: bool,
}

/// Reads a stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reader {
    state: State,
    prompt: Prompt,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    Escape,
    /// Within a control sequence.
    Control,
    /// Within an operating system command.
    Command(Vec<u8>),
    /// The same after an escape, which may begin its end.
    Ending(Vec<u8>),
}

impl Reader {
    /// Takes the next bytes.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.state = match (std::mem::take(&mut self.state), *byte) {
                (State::Text | State::Escape | State::Control, 0x1b) => State::Escape,
                (State::Escape | State::Ending(_), b']') => State::Command(Vec::new()),
                (State::Command(text), 0x1b) => State::Ending(text),
                (State::Command(text), 0x07) | (State::Ending(text), b'\\') => {
                    self.mark(&text);
                    State::Text
                }
                (State::Escape, b'[') | (State::Control, 0x20..=0x3f) => State::Control,
                (State::Text, byte) => {
                    self.prompt.drawn |= byte > b' ';
                    State::Text
                }
                (State::Escape | State::Control | State::Ending(_), _) | (State::Command(_), 0x18 | 0x1a) => State::Text,
                (State::Command(mut text), byte) => {
                    if text.len() < SEQUENCE {
                        text.push(byte);
                    }
                    State::Command(text)
                }
            };
        }
    }

    /// Where the shell stands.
    pub(crate) fn prompt(&self) -> Prompt {
        self.prompt
    }

    fn mark(&mut self, text: &[u8]) {
        let Some(rest) = text.strip_prefix(b"133;").filter(|_| text.len() < SEQUENCE) else { return };
        match rest.first() {
            Some(b'A') => {
                self.prompt.count += 1;
                self.prompt.running = false;
                self.prompt.drawn = false;
            }
            Some(b'C') => {
                self.prompt.running = true;
                self.prompt.status = None;
            }
            Some(b'D') => {
                self.prompt.running = false;
                let status = rest.split(|byte| *byte == b';').nth(1).and_then(|status| std::str::from_utf8(status).ok());
                self.prompt.status = status.and_then(|status| status.parse().ok());
            }
            Some(_) | None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(stream: &str) -> Prompt {
        let mut reader = Reader::default();
        reader.take(stream.as_bytes());
        reader.prompt()
    }

    #[test]
    fn marks_tell_prompts_commands_and_statuses() {
        for (stream, count, running, status) in [
            ("x", 0, false, None),
            ("\x1b]133;D;0\x07\x1b]133;A\x07$ ", 1, false, Some(0)),
            ("\x1b]133;A\x07$ ls\r\n\x1b]133;C\x07", 1, true, None),
            ("\x1b]133;A\x07$ \x1b]133;C\x07x\x1b]133;D;130\x1b\\\x1b]133;A\x1b\\", 2, false, Some(130)),
            ("\x1b]133;A;cl=m;aid=1\x07\x1b]133;D\x07", 1, false, None),
            ("\x1b]0;133;D;1\x07", 0, false, None),
            ("]133;A\x07 \x1b[133;A\x07", 0, false, None),
            ("\x1b]133;A", 0, false, None),
            ("\x1b]133;A\x18", 0, false, None),
        ] {
            let prompt = read(stream);
            assert_eq!((prompt.count, prompt.running, prompt.status), (count, running, status), "{stream:?}");
        }
        for (stream, drawn) in [
            ("x\x1b]133;A\x07", false),
            ("x\x1b]133;A\x07\x1b[?2004h\x1b[1;31m\x1b]0;title\x07\r", false),
            ("x\x1b]133;A\x07\x1b[?2004h$", true),
        ] {
            assert_eq!(read(stream).drawn, drawn, "{stream:?}");
        }
        let long = format!("\x1b]133;A{}\x07", "x".repeat(1000));
        assert_eq!(read(&long).count, 0);
    }

    proptest! {
        #[test]
        fn how_the_stream_is_cut_does_not_matter(bytes in proptest::collection::vec(proptest::sample::select(b"\x1b]133;ADC07\\\x07x".to_vec()), 0..60), cut in 0_usize..60) {
            let (mut whole, mut parts) = (Reader::default(), Reader::default());
            whole.take(&bytes);
            let cut = cut.min(bytes.len());
            parts.take(&bytes[..cut]);
            parts.take(&bytes[cut..]);
            prop_assert_eq!(whole.prompt(), parts.prompt());
            prop_assert_eq!(whole.state, parts.state);
        }
    }
}

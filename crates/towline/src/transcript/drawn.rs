//! What of a terminal's output draws: text, colours, the cursor, the alternate screen.
//!
//! Holds to: what acts on the terminal that plays it (the clipboard, the title, questions that it answers, modes of the keyboard and
//! the mouse) is left out, whatever the host sent, so that a recording is safe in every player. Leaves out: how it looks.

use vte::{Params, Parser, Perform};

/// Private modes that only draw: origin, wrap, the cursor's being seen, the alternate screen.
const MODES: [u16; 6] = [6, 7, 25, 47, 1047, 1049];
/// Those of them that show the alternate screen, or the usual one again.
const ALTERNATE: [u16; 3] = [47, 1047, 1049];
/// Final bytes of control sequences that only draw.
const DRAWS: &str = "@ABCDEFGHIJKLMPSTXZ`abdefgmrsu";

/// Takes output as it comes and gives what of it draws; characters and sequences may be cut anywhere.
#[derive(Default)]
pub(super) struct Drawn {
    parser: Parser,
    kept: Kept,
    /// Bytes of a character that has not ended. The parser itself loses what follows some of those that are cut.
    begun: Vec<u8>,
}

#[derive(Default)]
struct Kept {
    text: String,
    /// Text only: no sequences, and nothing of what a program drew on a screen of its own.
    bare: bool,
    /// The alternate screen is shown.
    alternate: bool,
}

impl Drawn {
    /// One that keeps the text alone.
    pub(super) fn bare() -> Self {
        Self { kept: Kept { bare: true, ..Kept::default() }, ..Self::default() }
    }

    /// What of these bytes draws.
    pub(super) fn take(&mut self, bytes: &[u8]) -> String {
        self.begun.extend_from_slice(bytes);
        let rest = self.begun.split_off(self.begun.len() - unfinished(&self.begun));
        self.parser.advance(&mut self.kept, &std::mem::replace(&mut self.begun, rest));
        std::mem::take(&mut self.kept.text)
    }
}

/// How many bytes at the end begin a character and do not end it.
fn unfinished(bytes: &[u8]) -> usize {
    let begins = |length: &usize| {
        let read = std::str::from_utf8(&bytes[bytes.len() - length..]);
        read.is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    };
    (1..=bytes.len().min(3)).find(begins).unwrap_or(0)
}

impl Kept {
    fn sequence(&mut self, text: &str) {
        if !self.bare {
            self.text.push_str(text);
        }
    }

    fn character(&mut self, c: char) {
        if !(self.bare && self.alternate) {
            self.text.push(c);
        }
    }
}

impl Perform for Kept {
    fn print(&mut self, c: char) {
        // The parser prints a delete, too, which draws nothing.
        if !c.is_control() && !towline_base::visible::is_tricky(c) {
            self.character(c);
        }
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            b'\n' | b'\t' => self.character(char::from(byte)),
            b'\r' | 0x08 | 0x0e | 0x0f => self.sequence(char::from(byte).encode_utf8(&mut [0; 4])),
            _ => {}
        }
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], ignored: bool, action: char) {
        let private = intermediates == b"?" && matches!(action, 'h' | 'l');
        let draws = match intermediates {
            [] => DRAWS.contains(action),
            _ => private && params.iter().all(|param| param.iter().all(|mode| MODES.contains(mode))),
        };
        if ignored || !draws {
            return;
        }
        if private && params.iter().flatten().any(|mode| ALTERNATE.contains(mode)) {
            let alternate = action == 'h';
            if self.bare && alternate && !self.alternate {
                self.text.push_str("\n[a program with a screen of its own]\n");
            }
            self.alternate = alternate;
        }
        let params = params.iter().map(|param| param.iter().map(u16::to_string).collect::<Vec<_>>().join(":"));
        let mark = if private { "?" } else { "" };
        self.sequence(&format!("\u{1b}[{mark}{}{action}", params.collect::<Vec<_>>().join(";")));
    }

    fn esc_dispatch(&mut self, intermediates: &[u8], ignored: bool, byte: u8) {
        match (intermediates, byte) {
            _ if ignored => {}
            ([], b'7' | b'8' | b'D' | b'E' | b'M') | ([b'(' | b')'], b'0' | b'B') => {
                let mut text = String::from('\u{1b}');
                text.extend(intermediates.iter().chain([&byte]).map(|byte| char::from(*byte)));
                self.sequence(&text);
            }
            // A full reset would reset the person's terminal, too.
            ([], b'c') => self.sequence("\u{1b}[0m\u{1b}[r\u{1b}[H\u{1b}[2J"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_that_does_not_end_takes_bounded_memory() {
        // Without vte's feature std the buffer lies within the parser; with it the buffer would grow as long as a host likes.
        assert!(size_of::<Parser>() > 1024, "{} bytes", size_of::<Parser>());
        let mut drawn = Drawn::default();
        drawn.take(b"\x1b]52;c;");
        for _ in 0..100 {
            assert_eq!(drawn.take(&[b'A'; 4096]), "");
        }
        assert_eq!(drawn.take(b"\x07after"), "after");
    }

    #[test]
    fn what_draws_is_kept_and_what_acts_is_not() {
        for (output, drawn, bare) in [
            ("a\u{1b}[1;31mred\u{1b}[0m\r\n", "a\u{1b}[1;31mred\u{1b}[0m\r\n", "ared\n"),
            (
                "\u{1b}[?1049h\u{1b}[H\u{1b}[2Jvim\u{1b}[?25l",
                "\u{1b}[?1049h\u{1b}[0H\u{1b}[2Jvim\u{1b}[?25l",
                "\n[a program with a screen of its own]\n",
            ),
            ("a\u{1b}[?1049hvim\u{1b}[?1049lb", "a\u{1b}[?1049hvim\u{1b}[?1049lb", "a\n[a program with a screen of its own]\nb"),
            ("\u{1b}(0qq\u{1b}(B", "\u{1b}(0qq\u{1b}(B", "qq"),
            ("\u{1b}[38:2:1:2:3mx", "\u{1b}[38:2:1:2:3mx", "x"),
            // Clipboard, title, questions, the mouse, the keyboard, printing, a string for the device, a reset.
            ("a\u{1b}]52;c;aGk=\u{7}b", "ab", "ab"),
            ("a\u{1b}]0;title\u{1b}\\b", "ab", "ab"),
            ("\u{1b}[c\u{1b}[>c\u{1b}[6n\u{1b}[?6n\u{1b}[18t\u{5}", "", ""),
            ("\u{1b}[?1000h\u{1b}[?2004h\u{1b}[?1h\u{1b}=\u{1b}[>4;2m\u{1b}[5i\u{1b}[!p\u{1b}[2 q", "", ""),
            ("\u{1b}P+q544e\u{1b}\\\u{1b}_x\u{1b}\\\u{1b}^y\u{1b}\\z", "z", "z"),
            ("\u{1b}c", "\u{1b}[0m\u{1b}[r\u{1b}[H\u{1b}[2J", ""),
            // A delete; bidirectional and tag characters.
            ("a\u{7f}b", "ab", "ab"),
            ("a\u{202e}b\u{e0041}c", "abc", "abc"),
        ] {
            assert_eq!(Drawn::default().take(output.as_bytes()), drawn, "{output:?}");
            assert_eq!(Drawn::bare().take(output.as_bytes()), bare, "{output:?}");
            let mut cut = Drawn::default();
            let pieces: String = output.as_bytes().iter().map(|byte| cut.take(&[*byte])).collect();
            assert_eq!(pieces, drawn, "cut: {output:?}");
        }
        assert_eq!(Drawn::default().take(b"a\xffb"), "a\u{fffd}b");
    }

    #[test]
    fn no_character_is_lost_where_another_is_cut() {
        let text = "\u{e9}a\u{20ac}\u{e9}ab\u{1f600}c\u{1b}[1m\u{e9}";
        for at in 0..text.len() {
            let (one, two) = text.as_bytes().split_at(at);
            let mut cut = Drawn::default();
            assert_eq!(cut.take(one) + &cut.take(two), text, "{at}");
        }
    }
}

//! What tmux says, and the marks of a shell in a terminal's output: read whole or not at all, however they were cut.
#![no_main]
#![allow(dead_code, reason = "files of the crates, of which the parsers are looked at")]

use libfuzzer_sys::fuzz_target;
use towline_fuzz::{Choices, pieces};

#[path = "../../crates/towline-engine/src/terminals/marks.rs"]
mod marks;
#[path = "../../crates/towline-transport/src/tmux/parse.rs"]
mod parse;

use parse::Notice;
// The parser finds these beside itself.
use towline_transport::tmux::{Dead, Look, Pane, PaneId, Size};

fn look(text: &str, back: u32) {
    let Some(look) = parse::look(text, back) else { return };
    assert_eq!(look.starts.len(), look.lines.len());
    assert!(look.starts.windows(2).all(|pair| pair[0] < pair[1]) && look.starts.first().is_none_or(|first| *first == 0));
    let rows = look.above + u64::from(look.size.rows);
    assert!(look.starts.iter().all(|start| *start < rows) && look.above <= u64::from(back));
    assert!(look.coloured.is_none_or(|coloured| coloured.len() <= look.lines.len()));
    assert!(look.lines.iter().all(|line| text.contains(line.as_str()) && !line.contains('\n')));
}

/// The bytes as tmux writes them for a control client.
fn output(bytes: &[u8]) {
    let mut line = b"%output %7 ".to_vec();
    for byte in bytes {
        match byte {
            0..=31 | b'\\' => line.extend(format!("\\{byte:03o}").into_bytes()),
            byte => line.push(*byte),
        }
    }
    assert_eq!(parse::notice(&line), Notice::Output(PaneId(7), bytes.to_vec()));
}

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices(data);
    let (what, seed) = (choices.below(6), choices.byte());
    let text = String::from_utf8_lossy(choices.0);
    match what {
        0 => {
            for pane in parse::panes(&text) {
                assert!(!pane.name.is_empty() && !pane.made.is_empty());
            }
            let _ = parse::version(&text);
        }
        1 => look(&text, u32::from(seed) % 8),
        2 => {
            // Rows, and the lines that they are when joined.
            let rows = text.matches('\n').count().min(40);
            look(&format!("0\t\t\t80\t{}\t2\t0\t{}\t7\t100\n{text}", rows / 2, seed % 2), 0);
        }
        3 => drop(parse::notice(choices.0)),
        4 => output(choices.0),
        _ => {
            let (mut whole, mut parts) = (marks::Reader::default(), marks::Reader::default());
            whole.take(choices.0);
            pieces(choices.0, seed).into_iter().for_each(|piece| parts.take(piece));
            assert_eq!(whole.prompt(), parts.prompt());
        }
    }
});

//! `towline transcript`: what was done in each session, from the files on this machine.
//!
//! Holds to: it asks no host; what is shown on a terminal holds no control characters, since the files hold none. Leaves out: writing
//! transcripts (`keep`).

mod cast;
mod drawn;
pub(crate) mod keep;
mod place;
pub(crate) mod record;
mod veil;

use std::path::{Path, PathBuf};
use std::time::Duration;

use towline_base::{Code, Failure};

use crate::cli::{Form, Transcript};
use crate::printer::Printer;
use crate::watch::{day_and_time, local_format, render};

/// Longest pause of a replay.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A moment as it stands in a transcript.
fn stamp(at: u64) -> String {
    local_format(at, cast::MOMENT)
}

/// Carries out one of the commands.
pub(crate) fn command(state_dir: &Path, what: &Transcript) -> Result<u8, Failure> {
    let directory = place::directory(state_dir);
    match what {
        Transcript::List => list(&directory),
        Transcript::Show { which } => Printer::text(&readable(&find(&directory, which)?)?),
        Transcript::Replay { which, speed } => {
            let path = find(&directory, which)?;
            let text = whole(&path)?;
            if !place::is_recording(&path) {
                return replay(&cast::pieces(&text), *speed);
            }
            let played = replay(&cast::recorded(&text), *speed)?;
            // Whatever the last screen was, the person's terminal is theirs again.
            Printer::open(cast::OVER.as_bytes())?;
            Ok(played)
        }
        Transcript::Export { which, form } => {
            let path = find(&directory, which)?;
            match form {
                Form::Text => Printer::text(&readable(&path)?),
                Form::Asciicast if place::is_recording(&path) => Printer::text(&cast::one(&whole(&path)?)),
                Form::Asciicast => Printer::text(&cast::asciicast(&whole(&path)?, which)),
            }
        }
    }
}

/// A transcript as text; of a terminal what was drawn, in the order in which it was.
fn readable(path: &Path) -> Result<String, Failure> {
    let text = whole(path)?;
    if !place::is_recording(path) {
        return Ok(text);
    }
    let mut bare = drawn::Drawn::bare();
    Ok(cast::recorded(&text).iter().map(|piece| bare.take(piece.text.as_bytes())).collect())
}

/// When a transcript was last written, in milliseconds since 1970.
fn written(path: &Path) -> u64 {
    let modified = std::fs::metadata(path).and_then(|meta| meta.modified()).ok();
    let since = modified.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok()).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// `HOST/SESSION` of a session's file, `HOST/NAME.cast` of a terminal's.
fn name(path: &Path) -> String {
    let part = |path: Option<&std::ffi::OsStr>| path.map(|part| part.to_string_lossy().into_owned()).unwrap_or_default();
    let host = place::host_of(&part(path.parent().and_then(Path::file_name)));
    let own = if place::is_recording(path) { path.file_name() } else { path.file_stem() };
    format!("{host}/{}", part(own))
}

fn list(directory: &Path) -> Result<u8, Failure> {
    let mut all = place::all(directory);
    all.sort_by_key(|path| std::cmp::Reverse(written(path)));
    if all.is_empty() {
        return Printer::text("There are no transcripts yet.");
    }
    let lines = all.iter().map(|path| {
        let bytes = [path.clone(), place::older(path)].iter().filter_map(|path| std::fs::metadata(path).ok()).map(|meta| meta.len()).sum();
        format!("{}  {:>11}  {}", day_and_time(written(path)), render::size(bytes), name(path))
    });
    Printer::text(&lines.collect::<Vec<_>>().join("\n"))
}

/// The transcript that was asked for: of a session, or the newest of a host.
fn find(directory: &Path, which: &str) -> Result<PathBuf, Failure> {
    let mut all: Vec<PathBuf> = place::all(directory);
    all.sort_by_key(|path| std::cmp::Reverse(written(path)));
    let wanted = |path: &PathBuf| {
        let name = name(path);
        name == which || name.rsplit_once('/').is_some_and(|(host, _)| host == which)
    };
    all.into_iter().find(wanted).ok_or_else(|| {
        Failure::new(Code::NotFound, format!("there is no transcript of {which:?}")).hint("`towline transcript list` shows them.")
    })
}

fn whole(path: &Path) -> Result<String, Failure> {
    let read = |path: &Path| std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let older = read(&place::older(path)).unwrap_or_default();
    match read(path) {
        Ok(text) => Ok(older + &text),
        // It was just moved aside.
        Err(_) if !older.is_empty() => Ok(older),
        Err(error) => Err(Failure::new(Code::Local, format!("{}: {error}", path.display()))),
    }
}

/// Prints a transcript as it came, with long pauses made short.
fn replay(pieces: &[cast::Piece<'_>], speed: f64) -> Result<u8, Failure> {
    if !(speed.is_finite() && speed > 0.0) {
        return Err(Failure::new(Code::BadInput, "--speed must be a number above 0"));
    }
    let mut last = 0.0;
    for piece in pieces {
        let pause = Duration::try_from_secs_f64((piece.at - last) / speed).unwrap_or(LONGEST_PAUSE);
        std::thread::sleep(pause.min(LONGEST_PAUSE));
        last = piece.at;
        if !Printer::open(piece.text.as_bytes())? {
            return Ok(0);
        }
    }
    Ok(0)
}

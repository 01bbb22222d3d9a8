//! Waiting for something to come in a terminal.
//!
//! Holds to: output wakes who waits; a look costs a few milliseconds, so there is a pause between two; when it is over is decided
//! elsewhere. Leaves out: what is told afterwards.

use std::time::Duration;

use regex::{Regex, RegexBuilder};
use tokio::time::Instant;
use towline_base::{Code, Failure};
use towline_transport::tmux::{Colours, Look};

use super::decide::{self, Seen, Until, Verdict, Why};
use super::place::{Fresh, Place};
use super::{BETWEEN, Open, Terminals, limit, view};
use crate::action::TerminalWait;
use crate::context::Context;

/// Pause between two looks while output comes.
const PAUSE: Duration = Duration::from_millis(20);
/// The death of a program makes no output: it is looked for this often.
const DEATH: Duration = Duration::from_millis(250);
/// Rows that one look of a search takes in at most.
const SEARCHED: u32 = 4000;
/// A search that has gone so far does not begin at its beginning any more.
const FAR: u64 = 1000;

/// How a wait ended.
#[derive(Debug, Default)]
pub(super) struct Waited {
    /// Why; `None` if nothing was waited for.
    pub(super) why: Option<Why>,
    /// Where a later search begins, if a pattern was found.
    pub(super) found: Option<Place>,
}

/// A search in what comes.
struct Search<'a> {
    pattern: Regex,
    from: Place,
    typed: &'a [String],
}

/// The wait's end, or the caller's.
async fn unless_given_up(waiting: impl Future<Output = Result<Waited, Failure>>, context: &Context) -> Result<Waited, Failure> {
    tokio::select! {
        waited = waiting => waited,
        () = context.cancel.cancelled() => Err(Failure::new(Code::Cancelled, "The call was given up; the terminal goes on.")),
        () = context.closing.cancelled() => Err(Failure::new(Code::Cancelled, "towline is stopping; the terminal goes on.")),
    }
}

impl Terminals {
    /// Waits for what was asked, in what comes after a place.
    pub(super) async fn wait(
        &self,
        open: &Open,
        wait: &TerminalWait,
        (place, typed): (Place, &[String]),
        timeout: Option<Duration>,
        context: &Context,
    ) -> Result<Waited, Failure> {
        let until = match wait {
            TerminalWait::Nothing => return Ok(Waited::default()),
            TerminalWait::Quiet => Until::Quiet,
            TerminalWait::Prompt => Until::Prompt,
            TerminalWait::Pattern(_) => Until::Pattern,
        };
        let prompts = place.flow;
        let search = match wait {
            TerminalWait::Pattern(text) => Some(Search { pattern: pattern(text)?, from: place, typed }),
            TerminalWait::Nothing | TerminalWait::Quiet | TerminalWait::Prompt => None,
        };
        let limit = limit(timeout, wait);
        unless_given_up(self.until(open, until, search, prompts.map(|flow| (flow.listener, flow.prompts)), limit), context).await
    }

    /// Waits for a terminal that was just opened to show something.
    pub(super) async fn begin(&self, open: &Open, limit: Duration, context: &Context) -> Result<Waited, Failure> {
        unless_given_up(self.until(open, Until::Start, None, None, limit), context).await
    }

    async fn until(
        &self,
        open: &Open,
        until: Until,
        mut search: Option<Search<'_>>,
        since: Option<(u64, u64)>,
        limit: Duration,
    ) -> Result<Waited, Failure> {
        let mut told = open.told.clone();
        let begun = Instant::now();
        let mut last: Option<Look> = None;
        loop {
            let now = *told.borrow_and_update();
            if now.over {
                return Err(gone(open));
            }
            let looked = Instant::now();
            let look = self.look_for(open, search.as_mut(), last.as_ref(), now.flow).await?;
            let found = search.as_mut().and_then(|search| search.find(&look, now.flow));
            let before = since.filter(|(listener, _)| *listener == now.flow.listener).map_or(0, |(_, prompts)| prompts);
            let seen = Seen {
                waited: begun.elapsed(),
                limit,
                silent: now.last.filter(|last| *last >= begun).map(|last| last.elapsed()),
                prompts: (now.prompt.count > 0).then(|| now.prompt.count.saturating_sub(before)),
                drawn: now.prompt.drawn,
                needs: view::awaits(&look),
                matched: found.is_some(),
                dead: look.dead.is_some(),
            };
            match decide::decide(until, &seen) {
                Verdict::Over(why) => return Ok(Waited { why: Some(why), found }),
                Verdict::Wait(time) => {
                    let _ = tokio::time::timeout(time.min(DEATH), told.changed()).await;
                    tokio::time::sleep_until(looked + PAUSE).await;
                }
            }
            last = Some(look);
        }
    }

    /// A look that takes in all that is searched.
    async fn look_for(
        &self,
        open: &Open,
        search: Option<&mut Search<'_>>,
        last: Option<&Look>,
        flow: super::place::Flow,
    ) -> Result<Look, Failure> {
        let Some(search) = search else { return self.look(open, 0, Colours::Dropped).await };
        // How far back is known from the look before; what came since is counted on top.
        let mut back = last.map_or(0, |last| search.from.back(last, Some(flow)));
        for _ in 0..3 {
            let rows = u32::try_from(back).unwrap_or(u32::MAX).saturating_add(BETWEEN).min(SEARCHED);
            let look = self.look(open, rows, Colours::Dropped).await?;
            back = search.from.back(&look, Some(flow));
            if back <= look.above || look.above >= u64::from(SEARCHED) {
                return Ok(look);
            }
        }
        self.look(open, SEARCHED, Colours::Dropped).await
    }
}

impl Search<'_> {
    /// Looks for the pattern; tells where a later search begins if it is there.
    fn find(&mut self, look: &Look, flow: super::place::Flow) -> Option<Place> {
        let fresh = self.from.after_cursor(look, Some(flow), self.typed);
        let text = fresh.new.lines.join("\n");
        if let Some(found) = self.pattern.find(&text) {
            return Some(behind(look, &fresh, &text, found.end(), flow));
        }
        if self.from.back(look, Some(flow)) > FAR {
            self.from = Place::before_line(look, Some(flow));
            self.typed = &[];
        }
        None
    }
}

/// The place behind a match that ends at that byte of the fresh text.
fn behind(look: &Look, fresh: &Fresh, text: &str, end: usize, flow: super::place::Flow) -> Place {
    let at = text[..end].matches('\n').count();
    let left = text[end..].find('\n').unwrap_or(text.len() - end);
    Place::found(look, fresh, at, left, Some(flow))
}

fn pattern(text: &str) -> Result<Regex, Failure> {
    RegexBuilder::new(text).multi_line(true).size_limit(1 << 20).build().map_err(|error| {
        let why = error.to_string();
        Failure::new(Code::BadInput, format!("pattern: it is no regular expression: {}", why.lines().last().unwrap_or_default()))
    })
}

fn gone(open: &Open) -> Failure {
    let text = format!("The terminal {} on {} is gone: tmux on this machine ended, and what ran in it was hung up.", open.name, open.alias);
    Failure::new(Code::Unknown, text).hint("TerminalOpen opens it anew.")
}

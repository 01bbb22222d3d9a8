//! Commands that are one call: `towline hosts`, `towline jobs`.

use towline_base::Failure;
use towline_engine::Action;
use towline_mcp::Work;
use towline_mcp::render::{self, Block, Question};

use crate::printer::Printer;
use crate::setup;

/// `towline hosts`.
pub(crate) async fn hosts<W: Work>(work: &W) -> Result<u8, Failure> {
    show(work, setup::call(None, None, Action::Hosts)).await
}

/// `towline jobs HOST`.
pub(crate) async fn jobs<W: Work>(work: &W, host: &str) -> Result<u8, Failure> {
    let host = setup::host(host)?;
    show(work, setup::call(Some(&host), None, Action::Jobs)).await
}

async fn show<W: Work>(work: &W, call: towline_engine::Call) -> Result<u8, Failure> {
    let answered = work.perform(call, setup::context()).await;
    work.close().await;
    Printer::prose(&text(&answered?)?)
}

/// An answer's text, as an agent would read it.
pub(crate) fn text(answer: &towline_engine::Answer) -> Result<String, Failure> {
    let blocks = render::answer(&Question::Other, answer)?;
    let texts = blocks.into_iter().filter_map(|block| match block {
        Block::Text(text) => Some(text),
        Block::Image(..) => None,
    });
    Ok(texts.collect::<Vec<_>>().join("\n"))
}

//! `towline mcp`: the server on standard input and output.

use towline_base::{Code, Failure};
use towline_mcp::{Selection, Server, Settings};

use crate::cli::{Common, Mcp};
use crate::setup;

/// Serves until the client goes or a signal comes; both are a good end.
pub(crate) async fn serve(common: &Common, options: Mcp) -> Result<u8, Failure> {
    let host = options.host.as_deref().map(setup::host).transpose()?;
    let tools = Selection::parse(&options.tools)?;
    let engine = setup::engine(common, options.cwd)?;
    let server = Server::new(engine, Settings { host, tools, conversation: setup::conversation(options.session_key) });
    let ended = towline_mcp::serve_stdio(server).await;
    ended.map(|_| 0).map_err(|error| Failure::new(Code::Local, format!("signals cannot be watched: {error}")))
}

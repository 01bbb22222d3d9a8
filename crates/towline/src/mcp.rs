//! `towline mcp`: the server on standard input and output.

use towline_base::{Code, Failure, env};
use towline_mcp::{Selection, Server, Settings};

use crate::cli::{Common, Mcp};
use crate::setup;

/// Serves until the client goes or a signal comes; both are a good end.
pub(crate) async fn serve(common: &Common, options: Mcp) -> Result<u8, Failure> {
    let host = options.host.as_deref().map(setup::host).transpose()?;
    let config = setup::config(common)?;
    let tools = options.tools.or_else(|| config.tools(&env::read));
    let tools = Selection::parse(tools.as_deref().unwrap_or("all"))?;
    let default_host = config.default_host(&env::read)?;
    let rules = config.rules.clone();
    let rules = if options.read_only { rules.read_only("--read-only") } else { rules };
    let engine = setup::engine_within(common, &config, options.cwd, rules)?;
    let server = Server::new(engine, Settings { host, default_host, tools, conversation: setup::conversation(options.session_key) });
    let ended = towline_mcp::serve_stdio(server).await;
    ended.map(|_| 0).map_err(|error| Failure::new(Code::Local, format!("signals cannot be watched: {error}")))
}

//! The MCP server: lifecycle, the list of tools, the way of a call, and the end.
//!
//! Holds to: nothing that waits for a host before the list is answered; a bounded number of calls in work; a panic ends
//! one call; what a client cancels is ended on its host, and what it leaves behind by going away goes on there.
//! Leaves out: parameters (`tools`), texts (`render`), bytes (`lines`).

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation, ListToolsResult, PaginatedRequestParams,
    RequestMetaObject, ServerCapabilities, ServerConfig, ToolAnnotations,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::Map;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use towline_base::{Code, Failure, HostAlias, limits};
use towline_engine::{Action, Answer, Call, Context, Reader};

use crate::ask::{Asking, Questions};
use crate::conversation::{Conversation, Key};
use crate::lines::Lines;
use crate::progress;
use crate::receipts::Receipts;
use crate::render::{self, Block, Question};
use crate::tools::{HostParameter, Selection, Tool};
use crate::work::Work;
use crate::{instructions, reference};

/// How long calls in work may take to tell their own end when the server stops.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// How long the whole end may take: half a second is promised, with the process's own end.
const ENDING: Duration = Duration::from_millis(330);

/// What a server is told once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The only host; `None` where each call names one.
    pub host: Option<HostAlias>,
    /// The host that a call works on which names none.
    pub default_host: Option<HostAlias>,
    /// The tools that are offered.
    pub tools: Selection,
    /// Whose conversation it is.
    pub conversation: Conversation,
}

/// Why a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The client closed its end.
    Closed,
    /// A signal asked for it.
    Stopped,
}

/// A server; cheap to clone.
#[derive(Clone)]
pub struct Server<W> {
    work: W,
    settings: Arc<Settings>,
    listed: Arc<Vec<rmcp::model::Tool>>,
    places: Arc<Semaphore>,
    questions: Questions,
    receipts: Receipts,
    closing: CancellationToken,
}

impl<W: Work> Server<W> {
    /// A server with these settings; does nothing yet.
    #[must_use]
    pub fn new(work: W, settings: Settings) -> Self {
        let listed = settings
            .tools
            .iter()
            .map(|tool| listed(tool, HostParameter::of(settings.host.as_ref(), settings.default_host.as_ref())))
            .collect();
        Self {
            work,
            settings: Arc::new(settings),
            listed: Arc::new(listed),
            places: Arc::new(Semaphore::new(limits::CALLS_IN_WORK)),
            questions: Questions::default(),
            receipts: Receipts::default(),
            closing: CancellationToken::new(),
        }
    }

    /// Carries out a call of a tool and says what its reader sees.
    async fn call(
        &self,
        request: CallToolRequestParams,
        asking: &Asking,
        context: &RequestContext<RoleServer>,
    ) -> Result<Vec<Block>, Failure> {
        let tool = self.settings.tools.find(&request.name)?;
        let call = tool.call(request.arguments.unwrap_or_default(), self.settings.host.as_ref(), self.settings.default_host.as_ref())?;
        let question = Question::of(&call.action);
        let connects = matches!(call.action, Action::Connect(_)) && call.session.is_none();
        let (mut surroundings, key, _reporter) = self.surroundings(context);
        surroundings.ask.clone_from(&asking.asker);
        let mut answer = self.perform(call, surroundings, &context.ct).await?;
        if connects && key == Key::Process {
            answer.notes.push("This conversation's session is named after the client's process and is not found again when the client is started anew; give towline mcp a --session-key, or name a session.".to_owned());
        }
        render::answer(&question, &answer)
    }

    /// What the engine is told of a call's surroundings, and what names its conversation.
    fn surroundings(&self, context: &RequestContext<RoleServer>) -> (Context, Key, Option<progress::Reporter>) {
        let client = context.client_info().map_or_else(|| "unknown".to_owned(), |info| format!("{} {}", info.name, info.version));
        let (own_session, key) = self.settings.conversation.session(fields(&context.meta), &client);
        let asked = context.meta.get_progress_token().map(|token| progress::report(context.peer.clone(), token));
        let (reporter, teller) = asked.unzip();
        let surroundings = Context {
            own_session,
            client,
            cancel: CancellationToken::new(),
            closing: self.closing.clone(),
            progress: teller,
            ask: None,
            reader: Reader::Agent,
            told: self.receipts.expect(context.id.clone()),
        };
        (surroundings, key, reporter)
    }

    /// Waits for a place, hands the call to the engine, and waits for its end, the client's cancellation or our own end.
    async fn perform(&self, call: Call, context: Context, gone: &CancellationToken) -> Result<Answer, Failure> {
        let place = tokio::select! {
            biased;
            () = self.closing.cancelled() => return Err(stopping("nothing was started")),
            () = gone.cancelled() => return Err(Failure::new(Code::Cancelled, "cancelled before it began: nothing was started")),
            place = self.place(&call) => place?,
        };
        let cancel = context.cancel.clone();
        let work = self.work.clone();
        let mut task = tokio::spawn(async move {
            let _place = place;
            work.perform(call, context).await
        });
        let ended = tokio::select! {
            biased;
            ended = &mut task => ended,
            // The service cancels calls when it ends, too, and is told to end only after this token was cancelled: so this
            // comes first, and only a client that still listens gets the work ended.
            () = self.closing.cancelled() => return self.last_words(task).await,
            () = gone.cancelled() => {
                cancel.cancel();
                task.await
            }
        };
        ended.unwrap_or_else(|error| Err(broken(&error)))
    }

    /// A place among the calls in work; what asks no host needs none, and waits for nobody.
    async fn place(&self, call: &Call) -> Result<Option<OwnedSemaphorePermit>, Failure> {
        if call.action == Action::Hosts {
            return Ok(None);
        }
        self.places.clone().acquire_owned().await.map(Some).map_err(|_| stopping("nothing was started"))
    }

    async fn last_words(&self, mut task: tokio::task::JoinHandle<Result<Answer, Failure>>) -> Result<Answer, Failure> {
        if let Ok(ended) = tokio::time::timeout(LAST_WORDS, &mut task).await {
            return ended.unwrap_or_else(|error| Err(broken(&error)));
        }
        task.abort();
        Err(stopping("what it started on the host goes on"))
    }
}

fn stopping(what: &str) -> Failure {
    Failure::new(Code::Local, format!("towline is stopping; {what}")).hint("Jobs and JobOutput tell of it after the next start.")
}

/// The failure of a call whose code panicked.
fn broken(error: &tokio::task::JoinError) -> Failure {
    tracing::error!(%error, "a call ended by a panic");
    Failure::new(Code::Internal, "this call ended by an error within towline; what it did on the host is not known")
}

fn fields(meta: &RequestMetaObject) -> &Map<String, serde_json::Value> {
    &meta.0.0
}

/// A row of the table as the protocol lists it.
fn listed(tool: &Tool, host: HostParameter) -> rmcp::model::Tool {
    let hints = tool.hints;
    let annotations = ToolAnnotations::new()
        .read_only(hints.read_only)
        .destructive(hints.destructive)
        .idempotent(hints.idempotent)
        .open_world(hints.open_world);
    rmcp::model::Tool::new(tool.name, tool.description, Arc::new(tool.schema(host))).with_title(tool.title).with_annotations(annotations)
}

fn shown(block: Block) -> ContentBlock {
    match block {
        Block::Text(text) => ContentBlock::text(text),
        Block::Image(mime, bytes) => ContentBlock::image(base64::engine::general_purpose::STANDARD.encode(bytes), mime),
    }
}

impl<W: Work> ServerHandler for Server<W> {
    fn get_info(&self) -> ServerConfig {
        let itself = Implementation::new("towline", reference::VERSION).with_title("towline");
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(itself)
            .with_instructions(instructions::text(self.settings.host.as_ref()))
    }

    async fn list_tools(&self, _: Option<PaginatedRequestParams>, _: RequestContext<RoleServer>) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.listed.as_ref().clone()))
    }

    async fn call_tool(&self, request: CallToolRequestParams, context: RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
        let asking = self.questions.asking(&request, &context);
        let called = self.call(request, &asking, &context).await;
        if let Some(required) = asking.required() {
            return Ok(required.into());
        }
        let result = match called {
            Ok(blocks) => CallToolResult::success(blocks.into_iter().map(shown).collect()),
            Err(failure) => CallToolResult::error(vec![ContentBlock::text(render::failure(&failure))]),
        };
        Ok(result.into())
    }
}

/// Serves one client over a reader and a writer, until the client goes, the output breaks or `stop` is done.
pub async fn serve<W: Work, R, O>(server: Server<W>, read: R, write: O, stop: impl Future<Output = ()>) -> Ending
where
    R: AsyncRead + Send + Unpin + 'static,
    O: AsyncWrite + Send + Unpin + 'static,
{
    let (work, places) = (server.work.clone(), server.places.clone());
    let (closing, end) = (server.closing.clone(), CancellationToken::new());
    let (transport, writer) = Lines::new(read, write, server.receipts.clone(), closing.clone());
    let service = tokio::spawn({
        let end = end.clone();
        async move {
            match rmcp::service::serve_server_with_ct(server, transport, end).await {
                Ok(running) => drop(running.waiting().await),
                Err(error) => tracing::debug!(%error, "the client never began"),
            }
        }
    });
    tokio::pin!(service);
    let ending = tokio::select! {
        _ = &mut service => Ending::Closed,
        () = closing.cancelled() => Ending::Closed,
        () = stop => Ending::Stopped,
    };
    closing.cancel();
    let rest = async {
        let answered = async {
            // Calls in work get to say their last words. A client that closed its input may have requests that were
            // read and not begun, and the service ends by itself when they are answered; otherwise it must be told.
            if ending == Ending::Stopped {
                let all = u32::try_from(limits::CALLS_IN_WORK).unwrap_or(u32::MAX);
                let _ = tokio::time::timeout(LAST_WORDS, places.acquire_many(all)).await;
            } else if !service.is_finished() {
                let _ = tokio::time::timeout(LAST_WORDS + Duration::from_millis(50), &mut service).await;
            }
            end.cancel();
            if !service.is_finished() {
                let _ = (&mut service).await;
            }
            let _ = writer.await;
        };
        tokio::join!(answered, work.close());
    };
    if tokio::time::timeout(ENDING, rest).await.is_err() {
        tracing::debug!("the end took too long and was cut short");
    }
    ending
}

/// Serves the client that started this process, on its standard input and output, until it goes or a signal comes.
///
/// # Errors
/// If signals cannot be watched.
pub async fn serve_stdio<W: Work>(server: Server<W>) -> std::io::Result<Ending> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let stop = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    };
    let (read, write) = rmcp::transport::stdio_pipes();
    Ok(serve(server, read, write, stop).await)
}

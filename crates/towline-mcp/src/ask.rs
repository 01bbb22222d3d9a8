//! Asking the person through the client: an elicitation where the client has it, in the way of its revision of the protocol.
//!
//! Holds to: a yes is a form that was accepted with `confirm` set to true, for this call with these arguments, once; everything else is
//! no yes, and where the client cannot ask at all nobody is asked. Leaves out: what has to be confirmed (the policy says it);
//! secrets, which no form asks for.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationSchema,
    InputRequest, InputRequests, InputRequiredResult, ProtocolVersion,
};
use rmcp::service::{Peer, RequestContext};
use sha2::{Digest as _, Sha256};
use towline_base::{Nonce, limits, visible};
use towline_engine::{Ask, Asker, Reply};

/// The name of the one question, and of the one field of its form.
const CONFIRM: &str = "confirm";
/// Characters of a command that the person is shown: what is longer nobody reads in a form.
const SHOWN: usize = 2_000;
/// Questions whose answers are waited for over several requests; the oldest is forgotten first.
const OPEN_QUESTIONS: usize = 64;

/// The questions that went out with an answer and whose replies come with another request.
#[derive(Clone, Default)]
pub(crate) struct Questions(Arc<Mutex<Vec<Open>>>);

struct Open {
    state: String,
    call: [u8; 32],
    about: Ask,
}

/// How the person can be asked in one call, and what has to be sent instead of an answer if that is so.
pub(crate) struct Asking {
    /// For the engine; `None` where the client cannot ask.
    pub(crate) asker: Option<Asker>,
    required: Arc<Mutex<Option<InputRequiredResult>>>,
}

impl Asking {
    /// The questions that the client has to answer before the call can go on.
    pub(crate) fn required(&self) -> Option<InputRequiredResult> {
        self.required.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Questions {
    /// How the person can be asked while this request is in work.
    pub(crate) fn asking(&self, request: &CallToolRequestParams, context: &RequestContext<RoleServer>) -> Asking {
        let required = Arc::new(Mutex::new(None));
        let asker = if !has_forms(context.client_capabilities().as_ref()) {
            None
        } else if context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28) {
            Some(self.with_next_request(request, required.clone()))
        } else {
            Some(by_request(context.peer.clone()))
        };
        Asking { asker, required }
    }

    /// The newer way: the call is answered with the question, and sent again with the reply.
    fn with_next_request(&self, request: &CallToolRequestParams, required: Arc<Mutex<Option<InputRequiredResult>>>) -> Asker {
        let questions = self.clone();
        let call = digest(request);
        let asked = request.request_state.as_deref().and_then(|state| self.take(state, &call));
        let reply = request.input_responses.as_ref().and_then(|responses| responses.get(CONFIRM).cloned());
        let reply = reply.and_then(|reply| serde_json::from_value::<ElicitResult>(reply).ok());
        Arc::new(move |ask| {
            let said = match (&asked, &reply) {
                (Some(asked), Some(reply)) if *asked == ask => read(reply),
                (Some(_) | None, Some(_) | None) => {
                    let state = questions.keep(call, ask.clone());
                    let form = InputRequest::Elicitation(ElicitRequest::new(form(&ask)));
                    let result = InputRequiredResult::new(Some(InputRequests::from([(CONFIRM.to_owned(), form)])), Some(state));
                    *required.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
                    Reply::Nobody("the client is asked first".to_owned())
                }
            };
            Box::pin(std::future::ready(said))
        })
    }

    fn keep(&self, call: [u8; 32], about: Ask) -> String {
        let state = Nonce::mint().as_str().to_owned();
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= OPEN_QUESTIONS {
            open.remove(0);
        }
        open.push(Open { state: state.clone(), call, about });
        state
    }

    /// What was asked under this state for this very call; each can be answered once.
    fn take(&self, state: &str, call: &[u8; 32]) -> Option<Ask> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = open.iter().position(|open| open.state == state)?;
        let found = open.remove(at);
        (found.call == *call).then_some(found.about)
    }
}

/// What a call asks for, so that a reply cannot be used for another.
fn digest(request: &CallToolRequestParams) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(request.name.as_bytes());
    hash.update([0]);
    hash.update(serde_json::to_vec(&request.arguments).unwrap_or_default());
    hash.finalize().into()
}

/// Whether the client shows forms: it says so, or says nothing more than that it can ask.
fn has_forms(capabilities: Option<&ClientCapabilities>) -> bool {
    let elicitation = capabilities.and_then(|capabilities| capabilities.elicitation.as_ref());
    elicitation.is_some_and(|elicitation| elicitation.form.is_some() || elicitation.url.is_none())
}

/// The older way: a request of the server's own while the call is in work.
fn by_request(peer: Peer<RoleServer>) -> Asker {
    Arc::new(move |ask| {
        let peer = peer.clone();
        Box::pin(async move {
            match peer.create_elicitation_with_timeout(form(&ask), Some(limits::PERSON_WAIT)).await {
                Ok(result) => read(&result),
                Err(error) => {
                    tracing::debug!(%error, "the client did not ask");
                    Reply::Nobody(format!("within {} s the client brought no reply", seconds(limits::PERSON_WAIT)))
                }
            }
        })
    })
}

fn seconds(time: Duration) -> u64 {
    time.as_secs()
}

/// The form.
fn form(ask: &Ask) -> ElicitRequestParams {
    let what: String = ask.what.chars().take(SHOWN).collect();
    let cut =
        if what.len() < ask.what.len() { format!("\n… and {} characters more", ask.what.chars().count() - SHOWN) } else { String::new() };
    let message = format!("towline: {}.\n\n{what}{cut}", ask.about);
    let schema = ElicitationSchema::builder()
        .required_bool_with(CONFIRM, |field| field.title("Do it").description("Only with this set is it done.").with_default(false))
        .build()
        .unwrap_or_else(|_| ElicitationSchema::new(std::collections::BTreeMap::new()));
    ElicitRequestParams::FormElicitationParams { meta: None, message: visible::to_text(message.as_bytes()).0, requested_schema: schema }
}

/// What a result says.
fn read(result: &ElicitResult) -> Reply {
    let confirmed = result.content.as_ref().and_then(|content| content.get(CONFIRM)).and_then(serde_json::Value::as_bool);
    match (&result.action, confirmed) {
        (ElicitationAction::Accept, Some(true)) => Reply::Yes,
        (ElicitationAction::Accept, Some(false) | None) | (ElicitationAction::Decline, _) => Reply::No,
        // Clients without a person answer so by themselves.
        (ElicitationAction::Cancel, _) => Reply::Nobody("the question was put away".to_owned()),
        (_, _) => Reply::Nobody("the client's reply is not known".to_owned()),
    }
}

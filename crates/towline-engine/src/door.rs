//! The door: the rules are asked, then the host where paths lead, then the person; what is permitted is written to the journal,
//! carried out, and completed there.
//!
//! Holds to: nothing is carried out that could not be written down first, unless the settings say otherwise; a question that nobody can answer is a refusal; a call that nobody wants any more asks
//! nobody. Leaves out: the rules (towline-policy), the texts of the question's form.

use std::collections::BTreeMap;

use towline_base::{Code, Failure, Handle, HostAlias, SessionName, limits};
use towline_policy::{Decision, Permit, Places, Question, Refusal};
use towline_proto::files::real;

use crate::Inner;
use crate::action::{Action, Call, Stream};
use crate::answer::{Answer, Body, State};
use crate::audit::{Begin, End, Line, OnFailure, Stood, arguments};
use crate::clean;
use crate::context::{Ask, Context, Reply};
use crate::events::Witness;
use crate::facts::Facts;
use crate::files::ToolLine as _;
use crate::host::InSession;
use crate::patience;
use crate::summary;

/// Why there is no permit: the rules, or what kept them from being asked.
enum NoPermit {
    Refused(Refusal),
    Failed(Failure),
}

impl Inner {
    /// The way of every call: decided, written down, carried out, written down.
    pub(crate) async fn through_the_door(
        &self,
        call: Call,
        session: &SessionName,
        context: &Context,
        witness: &Witness,
    ) -> Result<Answer, Failure> {
        clean::refuse_marks(&self.redactor, &call.action)?;
        let permit = match self.permit(&call, session, context).await {
            Ok(permit) => permit,
            Err(NoPermit::Failed(failure)) => return Err(failure),
            Err(NoPermit::Refused(refusal)) => {
                let rule = refusal.from.as_ref().map(ToString::to_string).unwrap_or_default();
                // A refusal stands whether or not it can be written down.
                if let Err(error) = self.journal.write(&self.beginning(&call, session, context, "refused", &rule)).await {
                    tracing::warn!(%error, "a refusal could not be written to the audit journal");
                }
                return Err(refusal.failure);
            }
        };
        let decision = if permit.is_confirmed() { "confirmed" } else { "permitted" };
        let number = self.journal.write(&self.beginning(&call, session, context, decision, permit.rule())).await;
        if let (Err(error), OnFailure::Refuse) = (&number, self.journal.options.on_failure) {
            let text = format!("The audit journal could not be written ({error}), so nothing was done.");
            return Err(Failure::new(Code::Audit, text));
        }
        let begun = tokio::time::Instant::now();
        let stream = if let Action::JobOutput(job) = &call.action { job.stream } else { Stream::Stdout };
        let mut done = self.carry_out(&permit, call, session, context, witness).await;
        let written = match number {
            Ok(of) => {
                let outcome = self.redactor.text(&summary::of_answer(done.as_ref())).chars().take(limits::AUDIT_TEXT_CHARACTERS).collect();
                let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                let execution = done.as_ref().ok().and_then(|answer| stood(&answer.body, stream)).map(|stood| {
                    let state = self.redactor.text(&stood.state).chars().take(limits::AUDIT_TEXT_CHARACTERS).collect();
                    Stood { state, ..stood }
                });
                self.journal.write(&Line::End(End { of, outcome, failed: done.is_err(), took, execution })).await
            }
            Err(error) => Err(error),
        };
        if let (Err(error), Ok(answer)) = (written, &mut done) {
            answer.notes.push(format!("the audit journal could not be completed: {error}"));
        }
        done
    }

    /// The line of an action's beginning.
    fn beginning(&self, call: &Call, session: &SessionName, context: &Context, decision: &str, rule: &str) -> Line {
        let clean = |text: &str| self.redactor.text(text).into_owned();
        Line::Begin(Begin {
            client: clean(&context.client),
            host: call.host.as_ref().map_or_else(String::new, ToString::to_string),
            session: session.to_string(),
            tool: call.action.tool().to_owned(),
            arguments: arguments::of(&call.action, &clean),
            decision: decision.to_owned(),
            rule: rule.to_owned(),
        })
    }

    /// Asks for a permit.
    async fn permit(&self, call: &Call, session: &SessionName, context: &Context) -> Result<Permit, NoPermit> {
        let facts = Facts::of(&call.action);
        let action = facts.seen(call.host.as_ref());
        let mut places = Places::Unknown;
        loop {
            match (self.rules.decide(&action, &places), call.host.as_ref()) {
                (Decision::Permit(permit), _) => return Ok(permit),
                (Decision::Refuse(refusal), _) => return Err(NoPermit::Refused(refusal)),
                (Decision::Ask(question), _) => return ask(question, call, context).await.map_err(NoPermit::Refused),
                (Decision::Resolve(paths), Some(host)) if places == Places::Unknown => {
                    places = self.resolve(host, session, paths, context).await.map_err(NoPermit::Failed)?;
                }
                (Decision::Resolve(_), _) => {
                    return Err(NoPermit::Failed(Failure::new(Code::Internal, "where a path leads was asked for twice")));
                }
            }
        }
    }

    /// Asks the host where paths lead: one round trip, and only where a rule speaks of directories.
    async fn resolve(&self, alias: &HostAlias, session: &SessionName, paths: Vec<String>, context: &Context) -> Result<Places, Failure> {
        if let Some(path) = paths.iter().find(|path| path.contains('\0')) {
            return Err(Failure::new(Code::BadInput, format!("{path:?} holds a NUL character, which no path can.")));
        }
        let host = self.hosts.get(alias)?;
        let asked = async {
            host.begin(session, context).await?;
            let line = InSession::new(&host.line, session);
            let names: Vec<Vec<u8>> = paths.iter().map(|path| path.as_bytes().to_vec()).collect();
            let reply = line.call(real::call(&names)).await?;
            let wrong = || Failure::new(Code::Protocol, "The host did not say where the paths lead; nothing was done.");
            let told = real::parse(reply.status, &reply.body).map_err(|_| wrong())?;
            if told.len() == paths.len() { Ok(told) } else { Err(wrong()) }
        };
        let told = tokio::select! {
            told = asked => told?,
            () = patience(context) => return Err(given_up()),
        };
        Ok(Places::Known(paths.into_iter().zip(told.into_iter().map(Result::ok)).collect::<BTreeMap<_, _>>()))
    }
}

/// How an execution stands that an answer tells of; of JobOutput, the stream that was asked for.
fn stood(body: &Body, stream: Stream) -> Option<Stood> {
    let of = |id: &Handle, state: &State, stdout, stderr| Stood {
        id: id.to_string(),
        state: summary::of_state(state),
        over: matches!(state, State::Exited(_) | State::Killed(_) | State::Lost(_)),
        stdout,
        stderr,
    };
    match body {
        Body::Execution(execution) => {
            let stderr = execution.stderr.as_ref().map(|stderr| stderr.total);
            Some(of(&execution.id, &execution.state, Some(execution.stdout.total), stderr))
        }
        Body::JobOutput(slice) => Some(match stream {
            Stream::Stdout => of(&slice.id, &slice.state, Some(slice.total), None),
            Stream::Stderr => of(&slice.id, &slice.state, None, Some(slice.total)),
        }),
        Body::Stopped(stopped) => Some(of(&stopped.id, &stopped.state, None, None)),
        Body::Jobs(_)
        | Body::Files(_)
        | Body::Written(_)
        | Body::Stats(_)
        | Body::Listing(_)
        | Body::Found(_)
        | Body::Text(_)
        | Body::Kept(_)
        | Body::Removed(_)
        | Body::Terminal(_) => None,
    }
}

/// Asks the person.
async fn ask(question: Question, call: &Call, context: &Context) -> Result<Permit, Refusal> {
    let Some(asker) = &context.ask else {
        return Err(question.unanswered("here nobody can be asked, so it was not done"));
    };
    let ask = Ask { about: format!("{} ({})", question.about, question.from), what: summary::of_action(&call.action) };
    let reply = tokio::select! {
        reply = asker(ask) => reply,
        () = patience(context) => Reply::Nobody("the call was given up".to_owned()),
    };
    match reply {
        Reply::Yes => Ok(question.confirmed()),
        Reply::No => Err(question.unanswered("the person said no")),
        Reply::Nobody(why) => Err(question.unanswered(&format!("nobody answered ({why}), so it was not done"))),
    }
}

fn given_up() -> Failure {
    Failure::new(Code::Cancelled, "The call was given up before anything was done.")
}

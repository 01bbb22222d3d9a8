//! An engine, a host, and short words to call it.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use towline_base::{Failure, HostAlias, SessionName};
use towline_engine::action::{Bash, OnTimeout, Place, Stderr};
use towline_engine::answer::Execution;
use towline_engine::{Action, Answer, Body, Call, Context, Engine, Settings};
use towline_testkit::{Lab, LabOptions};

pub(crate) struct Rig {
    pub(crate) lab: Lab,
    pub(crate) engine: Engine,
}

pub(crate) fn context() -> Context {
    Context {
        own_session: SessionName::parse("own").expect("a name"),
        client: "test".to_owned(),
        cancel: CancellationToken::new(),
        closing: CancellationToken::new(),
        progress: None,
        ask: None,
        reader: towline_engine::Reader::Agent,
        told: towline_engine::told_at_once(),
    }
}

pub(crate) fn bash(command: &str) -> Bash {
    Bash {
        command: command.to_owned(),
        timeout: Some(Duration::from_secs(60)),
        on_timeout: OnTimeout::Background,
        description: None,
        place: Place::Session,
        cwd: None,
        env: Vec::new(),
        env_secrets: Vec::new(),
        stdin: None,
        stderr: Stderr::Merged,
    }
}

pub(crate) fn execution(answer: &Answer) -> &Execution {
    let Body::Execution(execution) = &answer.body else { panic!("not an execution: {:?}", answer.body) };
    execution
}

impl Rig {
    pub(crate) fn start() -> Self {
        Self::with(LabOptions::default())
    }

    pub(crate) fn with(options: LabOptions) -> Self {
        let lab = Lab::with(options);
        let engine = Self::engine(&lab);
        Self { lab, engine }
    }

    /// Another towline of the same user.
    pub(crate) fn engine(lab: &Lab) -> Engine {
        Engine::new(Self::settings(lab))
    }

    pub(crate) fn settings(lab: &Lab) -> Settings {
        let ssh_options = vec!["-F".to_owned(), lab.ssh_config().to_string_lossy().into_owned()];
        Settings { ssh_options, ..Settings::new("ssh", lab.state_dir()) }
    }

    pub(crate) fn call(action: Action) -> Call {
        Call { host: Some(HostAlias::parse("lab").expect("a name")), session: None, action }
    }

    pub(crate) async fn perform(&self, action: Action) -> Result<Answer, Failure> {
        self.engine.perform(Self::call(action), context()).await
    }

    pub(crate) async fn bash(&self, bash: Bash) -> Answer {
        self.perform(Action::Bash(bash)).await.expect("Bash answers")
    }

    /// Output and state of a command in the conversation's session.
    pub(crate) async fn run(&self, command: &str) -> (String, towline_engine::answer::State) {
        let answer = self.bash(bash(command)).await;
        let execution = execution(&answer);
        (String::from_utf8_lossy(&execution.stdout.head).into_owned(), execution.state.clone())
    }
}

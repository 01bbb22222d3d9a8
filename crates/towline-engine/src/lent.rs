//! What the commands of a host are lent for one call: secrets as variables, and the agent that ssh forwards.
//!
//! Holds to: a secret goes only to the account that the settings mean, and is fetched when a call names it; the agent goes only to calls
//! over the connection that was asked for with it. Leaves out: which secret may go where (the policy says it), fetching (`Wallet`).

use std::time::Instant;

use towline_base::{Code, Failure, HostAlias, Secret, SecretName, limits};
use towline_transport::{AgentForwarding, Destination, Wallet};

use crate::action::Bash;
use crate::book::HostPlan;

/// The variable by which programs find an agent.
const AGENT: &str = "SSH_AUTH_SOCK";

/// What one host's commands may have.
#[derive(Clone, Debug)]
pub(crate) struct Lent {
    host: HostAlias,
    wallet: Wallet,
    account: Account,
    agent: AgentForwarding,
}

/// Whose account commands run under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Account {
    /// The one that the settings mean.
    Meant,
    /// One that an agent named.
    Asked,
}

/// A call of Bash with what it is lent.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) bash: Bash,
    pub(crate) secrets: Vec<(SecretName, Secret)>,
    pub(crate) agent: AgentForwarding,
}

impl From<Bash> for Asked {
    fn from(bash: Bash) -> Self {
        Self { bash, secrets: Vec::new(), agent: AgentForwarding::Off }
    }
}

impl Lent {
    /// What the commands of a host may be lent.
    pub(crate) fn of(wallet: &Wallet, destination: &Destination, plan: &HostPlan) -> Self {
        let account = if destination.options().user == plan.user { Account::Meant } else { Account::Asked };
        Self { host: destination.host().clone(), wallet: wallet.clone(), account, agent: destination.options().agent }
    }

    /// The call with the secrets that it names.
    pub(crate) async fn to(&self, bash: Bash) -> Result<Asked, Failure> {
        let mut secrets: Vec<(SecretName, Secret)> = Vec::new();
        for name in &bash.env_secrets {
            if bash.env.iter().any(|(other, _)| other == name.as_str()) {
                return Err(Failure::new(Code::BadInput, format!("env_secrets: {name} is also in env; give only one of them.")));
            }
            if !secrets.iter().any(|(other, _)| other == name) {
                secrets.push((name.clone(), self.secret("env_secrets", name).await?));
            }
        }
        let named = bash.env.iter().any(|(name, _)| name == AGENT);
        let agent = if named { AgentForwarding::Off } else { self.agent };
        Ok(Asked { bash, secrets, agent })
    }

    /// A secret that a parameter names.
    pub(crate) async fn secret(&self, parameter: &str, name: &SecretName) -> Result<Secret, Failure> {
        match self.account {
            Account::Meant => self.wallet.fetch(name, Instant::now() + limits::SECRET_WAIT).await,
            Account::Asked => {
                let text = format!("{parameter}: {name} is not for a user that a call named on {}; nothing was done with it.", self.host);
                Err(Failure::new(Code::Forbidden, text))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::{OnTimeout, Place, Stderr};
    use towline_base::SecretSource;
    use towline_transport::ConnectOptions;

    fn name(text: &str) -> SecretName {
        SecretName::parse(text).expect("a name")
    }

    /// What comes of a call at `h`, whose user is `me` by the settings.
    async fn lent(secrets: &[&str], env: &[(&str, &str)], options: ConnectOptions) -> Result<Vec<String>, Failure> {
        let wallet = Wallet::new([(name("TOKEN"), SecretSource::Command(vec!["echo".to_owned(), "abc".to_owned()]))].into());
        let host = HostAlias::parse("h").expect("a name");
        let plan = HostPlan { user: Some("me".to_owned()), ..HostPlan::plain(host.clone()) };
        let destination = Destination::new(host, options).expect("good options");
        let bash = Bash {
            command: "true".to_owned(),
            timeout: None,
            on_timeout: OnTimeout::Background,
            description: None,
            place: Place::Session,
            cwd: None,
            env: env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            env_secrets: secrets.iter().map(|text| name(text)).collect(),
            stdin: None,
            stderr: Stderr::Merged,
        };
        let asked = Lent::of(&wallet, &destination, &plan).to(bash).await?;
        let told = |(name, secret): &(SecretName, Secret)| format!("{name}={}", String::from_utf8_lossy(secret.reveal_to_the_host()));
        let agent = (asked.agent == AgentForwarding::On).then(|| "agent".to_owned());
        Ok(asked.secrets.iter().map(told).chain(agent).collect())
    }

    #[tokio::test]
    async fn a_call_is_lent_what_it_names_and_only_the_account_that_is_meant() {
        let plain = || ConnectOptions { user: Some("me".to_owned()), ..ConnectOptions::default() };
        let with_agent = || ConnectOptions { agent: AgentForwarding::On, ..plain() };
        let other_user = || ConnectOptions { user: Some("other".to_owned()), ..plain() };
        assert_eq!(lent(&[], &[], plain()).await, Ok(Vec::new()));
        assert_eq!(lent(&["TOKEN", "TOKEN"], &[], plain()).await, Ok(vec!["TOKEN=abc".to_owned()]));
        assert_eq!(lent(&[], &[], with_agent()).await, Ok(vec!["agent".to_owned()]));
        assert_eq!(lent(&[], &[(AGENT, "/own")], with_agent()).await, Ok(Vec::new()));
        for (secrets, env, options, code) in [
            (&["UNKNOWN"][..], &[][..], plain(), Code::Unknown),
            (&["TOKEN"], &[], other_user(), Code::Forbidden),
            (&["TOKEN"], &[("TOKEN", "x")], plain(), Code::BadInput),
        ] {
            let failure = lent(secrets, env, options).await.expect_err("refused");
            assert_eq!(failure.code, code, "{failure}");
        }
    }
}

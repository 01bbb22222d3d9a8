//! What the settings say of secrets: where each comes from, and which logins may use which.
//!
//! Holds to: a name that no secret has is an error, not a login that fails later; no value stands in the file. Leaves out: fetching them.

use std::collections::BTreeMap;

use toml::Spanned;
use towline_base::{Failure, SecretName, SecretSource};
use towline_engine::HostAccess;

use super::mean::{Layers, Line, Meaning};
use super::parse::nearest;
use super::said::Secret;

/// All secrets by name.
pub(crate) fn sources(meaning: &Meaning) -> Result<BTreeMap<SecretName, SecretSource>, Failure> {
    let Some(secrets) = &meaning.file.secrets else { return Ok(BTreeMap::new()) };
    let wrong = |name: &str, what: &str| meaning.source().wrong_key(&["secrets", name], what);
    let one = |(name, secret): (&String, &Secret)| {
        let known = SecretName::parse(name).map_err(|error| wrong(name, &format!("secrets: {error}")))?;
        let source = source(meaning, secret).map_err(|why| wrong(name, &format!("secrets.{name}: {why}")))?;
        Ok((known, source))
    };
    secrets.as_ref().iter().map(one).collect()
}

fn source(meaning: &Meaning, secret: &Secret) -> Result<SecretSource, &'static str> {
    let Secret { command, env, file, keyring } = secret;
    match (command, env, file, keyring) {
        (Some(words), None, None, None) if words.as_ref().is_empty() => Err("the command has no words"),
        (Some(words), None, None, None) => Ok(SecretSource::Command(words.as_ref().clone())),
        (None, Some(name), None, None) => Ok(SecretSource::Env(name.as_ref().clone())),
        (None, None, Some(file), None) => Ok(SecretSource::File(meaning.path(file.as_ref()).into())),
        (None, None, None, Some(entry)) => {
            let entry = entry.as_ref();
            Ok(SecretSource::Keyring { service: entry.service.clone(), user: entry.user.clone() })
        }
        (_, _, _, _) => Err("say one of command, env, file and keyring"),
    }
}

/// What the logins of a host may use.
pub(crate) fn access(meaning: &Meaning, layers: &Layers<'_>, lines: &mut Vec<Line>) -> Result<HostAccess, Failure> {
    let mut access = HostAccess::default();
    if let Some((name, at)) = layers.pick("password", |host| host.password.as_ref(), lines)? {
        access.password = Some(known(meaning, name, at)?);
    }
    if let Some((files, at)) = layers.pick("passphrases", |host| host.passphrases.as_ref(), lines)? {
        let one = |(file, name): (&String, &String)| Ok((meaning.path(file).into(), known(meaning, name, at)?));
        access.passphrases = files.iter().map(one).collect::<Result<_, Failure>>()?;
    }
    if let Some((name, at)) = layers.pick("one_time_code", |host| host.one_time_code.as_ref(), lines)? {
        access.one_time_code = Some(known(meaning, name, at)?);
    }
    if let Some((name, at)) = layers.pick("sudo_password", |host| host.sudo_password.as_ref(), lines)? {
        access.sudo = Some(known(meaning, name, at)?);
    }
    if let Some((files, at)) = layers.pick("agent_keys", |host| host.agent_keys.as_ref(), lines)? {
        let wrong = |name: &String| meaning.source().wrong(at, &format!("agent_keys: {name:?} needs an absolute path, or one below ~/"));
        let one = |(name, file): (&String, &String)| {
            let file = std::path::PathBuf::from(meaning.path(file));
            if file.is_absolute() { Ok((name.clone(), file)) } else { Err(wrong(name)) }
        };
        access.agent_keys = files.iter().map(one).collect::<Result<_, Failure>>()?;
    }
    Ok(access)
}

/// The name of a secret that there is.
fn known(meaning: &Meaning, name: &str, at: usize) -> Result<SecretName, Failure> {
    let names: Vec<&str> = meaning.file.secrets.iter().flat_map(Spanned::get_ref).map(|(name, _)| name.as_str()).collect();
    match SecretName::parse(name) {
        Ok(known) if names.contains(&name) => Ok(known),
        Ok(_) | Err(_) => {
            let meant = nearest(name, &names).map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
            Err(meaning.source().wrong(at, &format!("there is no secret {name:?}{meant}")).hint("`secrets` says them all."))
        }
    }
}

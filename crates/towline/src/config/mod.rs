//! The settings: where the file is, whether it may be trusted, what it says and means.
//!
//! Holds to: no file at all is fine; a file that another could have written is refused, with the way to mend it; a project's own
//! file can only tighten. Leaves out: deciding anything; the engine gets plain values.

mod mean;
mod parse;
mod place;
mod rules;
mod said;
mod secrets;
mod tell;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use towline_base::env::Variable;
use towline_base::{Code, Failure, HostAlias, SecretName, SecretSource, limits};
use towline_engine::audit::{OnFailure, Options, Sync};
use towline_engine::policy::{Policy, Verdict};
use towline_engine::{AgentForwarding, HostBook, HostPlan, LiteralPasswords, Rules};

use mean::Meaning;
use parse::Source;
pub(crate) use tell::{check, reference};

/// A project's own file, in the directory that towline was started in.
const PROJECT: &str = ".towline.toml";

/// Reads a variable of the environment.
type Read<'a> = &'a dyn Fn(Variable) -> Option<OsString>;

/// Everything that files and environment say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Config {
    meaning: Meaning,
    /// Where the file is, or would be.
    place: Option<PathBuf>,
    /// The file, if there is one.
    found: bool,
    /// Rules of the file, tightened by the project's.
    pub(crate) rules: Rules,
}

impl Config {
    /// Reads the file that was named, or the usual one if it is there, and the project's.
    pub(crate) fn load(named: Option<&Path>, read: Read<'_>, directory: &Path) -> Result<Self, Failure> {
        let home = read(Variable::Home).map(|home| home.to_string_lossy().into_owned()).unwrap_or_default();
        let said = named.map(Path::to_owned).or_else(|| read(Variable::Config).map(PathBuf::from));
        let place = said.clone().or_else(|| usual(read));
        let text = match &place {
            Some(path) => trusted(path, said.is_some())?,
            None => None,
        };
        let name = place.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        let found = text.is_some();
        let text = text.unwrap_or_default();
        let name = shortened(&name, &home);
        let source = Source { name: &name, text: &text };
        let meaning = Meaning::of(parse::parse(source)?, source, &home)?;
        let mut rules = meaning.rules.clone();
        rules.tighter.extend(project(directory)?);
        Ok(Self { meaning, place, found, rules })
    }

    /// The default host.
    pub(crate) fn default_host(&self, read: Read<'_>) -> Result<Option<HostAlias>, Failure> {
        let named = read(Variable::DefaultHost).and_then(|name| name.into_string().ok());
        let said = named.or_else(|| self.meaning.file.default_host.as_ref().map(|host| host.as_ref().clone()));
        Ok(said.map(|name| HostAlias::parse(&name)).transpose()?)
    }

    /// Where the default host was said.
    pub(crate) fn default_host_from(&self, read: Read<'_>) -> &'static str {
        if read(Variable::DefaultHost).is_some() {
            Variable::DefaultHost.name()
        } else if self.meaning.file.default_host.is_some() {
            "the settings"
        } else {
            "built in"
        }
    }

    /// The tools to offer, where the command line does not say.
    pub(crate) fn tools(&self, read: Read<'_>) -> Option<String> {
        let named = read(Variable::Tools).and_then(|name| name.into_string().ok());
        named.or_else(|| self.meaning.file.tools.as_ref().map(|tools| tools.as_ref().clone()))
    }

    /// The program to start as ssh, where the environment does not say.
    pub(crate) fn ssh(&self) -> Option<PathBuf> {
        let programs = self.meaning.file.programs.as_ref()?.as_ref();
        programs.ssh.as_ref().map(|ssh| PathBuf::from(self.meaning.path(ssh.as_ref())))
    }

    /// The program to start as tmux, where the environment does not say.
    pub(crate) fn tmux(&self) -> Option<PathBuf> {
        let programs = self.meaning.file.programs.as_ref()?.as_ref();
        programs.tmux.as_ref().map(|tmux| PathBuf::from(self.meaning.path(tmux.as_ref())))
    }

    /// Whether transcripts are kept: unless the environment or the file says no.
    pub(crate) fn transcripts(&self, read: Read<'_>) -> bool {
        match read(Variable::Transcripts) {
            Some(value) => value != "off",
            None => self.meaning.file.transcripts.as_ref().is_none_or(|kept| *kept.as_ref()),
        }
    }

    /// The state directory, where neither the command line nor the environment says.
    pub(crate) fn state_dir(&self) -> Option<PathBuf> {
        self.meaning.file.state_dir.as_ref().map(|dir| PathBuf::from(self.meaning.path(dir.as_ref())))
    }

    /// How the audit journal is kept.
    pub(crate) fn audit(&self) -> Options {
        let usual = Options::default();
        let Some(audit) = self.meaning.file.audit.as_ref().map(toml::Spanned::as_ref) else { return usual };
        let on_failure = match audit.on_failure.as_ref().map(toml::Spanned::as_ref) {
            Some(said::OnFailure::GoOn) => OnFailure::GoOn,
            Some(said::OnFailure::Refuse) | None => OnFailure::Refuse,
        };
        let sync = if audit.sync.as_ref().is_some_and(|sync| *sync.as_ref()) { Sync::EachLine } else { Sync::Later };
        let file_bytes = audit.file_mb.as_ref().map_or(usual.file_bytes, |mb| mb.as_ref().clamp(&1, &4096) * 1024 * 1024);
        let files = audit.files.as_ref().map_or(usual.files, |files| (*files.as_ref()).max(1));
        Options { on_failure, sync, file_bytes, files }
    }

    /// What the engine asks for each host, once.
    pub(crate) fn book(&self) -> HostBook {
        let (meaning, names) = (self.meaning.clone(), self.meaning.names());
        let names = names.iter().filter_map(|name| HostAlias::parse(name).ok()).collect();
        let rules = self.rules.clone();
        HostBook::new(names, move |name: &HostAlias| -> Result<HostPlan, Failure> {
            let plan = meaning.host(name)?.plan;
            // What the file wants does not stand against what a project or a flag refuses.
            let refused = rules.policy_for(Some(name)).forward_agent.iter().any(|rule| rule.says == Verdict::Refuse);
            Ok(HostPlan { agent: if refused { AgentForwarding::Off } else { plan.agent }, ..plan })
        })
    }

    /// The secrets, and where they come from.
    pub(crate) fn secrets(&self) -> Result<BTreeMap<SecretName, SecretSource>, Failure> {
        secrets::sources(&self.meaning)
    }

    /// Whether a password in a tool's parameters is taken at all; on which host, the rules say.
    pub(crate) fn literal_passwords(&self) -> LiteralPasswords {
        let Rules { hosts, groups, others, general, tighter: _ } = &self.rules;
        let all = hosts.iter().chain(groups).map(|scope| &scope.policy).chain([others, general]);
        let taken = |policy: &Policy| policy.password.iter().any(|rule| rule.says != Verdict::Refuse);
        if all.into_iter().any(taken) { LiteralPasswords::Taken } else { LiteralPasswords::Refused }
    }
}

/// A path as people write it: with `~` for their home directory.
fn shortened(path: &str, home: &str) -> String {
    match path.strip_prefix(home) {
        Some(rest) if !home.is_empty() && rest.starts_with('/') => format!("~{rest}"),
        Some(_) | None => path.to_owned(),
    }
}

/// `~/.config/towline/config.toml`, by the XDG rules.
fn usual(read: Read<'_>) -> Option<PathBuf> {
    let xdg = read(Variable::XdgConfig).map(PathBuf::from).filter(|dir| dir.is_absolute());
    let home = || read(Variable::Home).map(|home| PathBuf::from(home).join(".config"));
    xdg.or_else(home).map(|dir| dir.join("towline/config.toml"))
}

/// The text of a file of the user's own that nobody else may write; `None` if there is none and none was named.
fn trusted(path: &Path, named: bool) -> Result<Option<String>, Failure> {
    let shown = path.display();
    let wrong = |what: String| Failure::new(Code::Settings, format!("{shown}: {what}"));
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !named => return Ok(None),
        Err(error) => return Err(wrong(format!("it cannot be read: {error}"))),
    };
    let meta = file.metadata().map_err(|error| wrong(error.to_string()))?;
    if !meta.is_file() {
        return Err(wrong("it is not a file".to_owned()));
    }
    let user = rustix::process::geteuid().as_raw();
    if meta.uid() != user && meta.uid() != 0 {
        let text = format!("it belongs to another user ({}), who could make towline start a program", meta.uid());
        return Err(wrong(text).hint(format!("Make it your own: cp {shown} {shown}.new && mv {shown}.new {shown}")));
    }
    if meta.permissions().mode() & 0o022 != 0 {
        return Err(
            wrong("others may write it, and could make towline start a program".to_owned()).hint(format!("Run: chmod go-w {shown}"))
        );
    }
    Ok(Some(contents(file, &wrong)?))
}

fn contents(file: std::fs::File, wrong: &dyn Fn(String) -> Failure) -> Result<String, Failure> {
    let mut text = String::new();
    let most = limits::SETTINGS_BYTES;
    file.take(most as u64 + 1).read_to_string(&mut text).map_err(|error| wrong(format!("it cannot be read: {error}")))?;
    if text.len() > most {
        return Err(wrong(format!("it is longer than {most} bytes")));
    }
    Ok(text)
}

/// What the project's own file adds.
fn project(directory: &Path) -> Result<Vec<towline_engine::policy::Scope>, Failure> {
    let path = directory.join(PROJECT);
    let name = path.display().to_string();
    let wrong = |what: String| Failure::new(Code::Settings, format!("{name}: {what}"));
    let file = match std::fs::File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        // Whoever made it unreadable may have meant it to hold.
        Err(error) => return Err(wrong(format!("it cannot be read: {error}"))),
    };
    if !file.metadata().is_ok_and(|meta| meta.is_file()) {
        return Err(wrong("it is not a file".to_owned()));
    }
    let text = contents(file, &wrong)?;
    let source = Source { name: &name, text: &text };
    rules::of_project(&parse::parse(source)?, source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn load(home: &Path, project: &Path) -> Result<Config, Failure> {
        let read = |variable: Variable| (variable == Variable::Home).then(|| home.as_os_str().to_owned());
        Config::load(None, &read, project)
    }

    fn write(path: &Path, text: &str, mode: u32) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn no_file_is_fine_and_a_named_one_must_be_there() {
        let home = tempfile::tempdir().unwrap();
        let config = load(home.path(), home.path()).unwrap();
        assert!(!config.found && config.tools(&|_| None).is_none());
        let missing = home.path().join("none.toml");
        let read = |_: Variable| None;
        assert!(Config::load(Some(&missing), &read, home.path()).unwrap_err().text.contains("none.toml: it cannot be read"));
        let variable = |wanted: Variable| (wanted == Variable::Config).then(|| missing.clone().into_os_string());
        assert!(Config::load(None, &variable, home.path()).is_err());
    }

    #[test]
    fn a_file_that_others_may_write_is_refused_with_the_way_to_mend_it() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(".config/towline/config.toml");
        for (mode, good) in [(0o600, true), (0o644, true), (0o620, false), (0o602, false), (0o666, false)] {
            write(&path, "tools = \"coding\"", mode);
            match load(home.path(), home.path()) {
                Ok(config) => assert!(good && config.tools(&|_| None).as_deref() == Some("coding"), "{mode:o}"),
                Err(failure) => assert!(!good && failure.to_string().contains("chmod go-w"), "{mode:o}: {failure}"),
            }
        }
    }

    #[test]
    fn a_projects_file_tightens_and_a_broken_one_stops() {
        let home = tempfile::tempdir().unwrap();
        let project = tempfile::tempdir().unwrap();
        write(&project.path().join(PROJECT), "[policy]\nwithout = ['Bash']\n", 0o644);
        let config = load(home.path(), project.path()).unwrap();
        assert_eq!(config.rules.tighter.len(), 1);
        write(&project.path().join(PROJECT), "[hosts.prod]\nssh = 'evil'\n", 0o644);
        assert!(load(home.path(), project.path()).unwrap_err().text.contains(".towline.toml:2: there is no key \"ssh\" here"));
    }

    #[test]
    fn the_environment_stands_over_the_file() {
        let home = tempfile::tempdir().unwrap();
        write(&home.path().join(".config/towline/config.toml"), "default_host = 'a'\ntools = 'coding'\ntranscripts = false", 0o600);
        let config = load(home.path(), home.path()).unwrap();
        let none = |_: Variable| None;
        let some = |variable: Variable| (variable == Variable::DefaultHost).then(|| OsString::from("b"));
        assert_eq!(config.default_host(&none).unwrap().unwrap().as_str(), "a");
        assert_eq!(config.default_host(&some).unwrap().unwrap().as_str(), "b");
        for (said, kept) in [(None, false), (Some("on"), true), (Some("off"), false)] {
            let read = |variable: Variable| said.filter(|_| variable == Variable::Transcripts).map(OsString::from);
            assert_eq!(config.transcripts(&read), kept, "{said:?}");
        }
    }
}

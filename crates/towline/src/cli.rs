//! What can be said on the command line; help, man page, completions and reference are made from it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use towline_base::redact::Redactor;

/// The exit code when towline could not do its work.
pub(crate) const TOWLINE_FAILED: u8 = 125;
/// The exit code when something was found to be wrong.
pub(crate) const FOUND_WRONG: u8 = 1;

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    check, audit verify: something is wrong, and the report says what;
       policy explain: it is refused
  2    the command line is wrong
  125  towline could not do its work (no connection, …); nothing was run,
       or what became of it is told
  run: the command's own exit code; 128 + n where signal n ended it;
       130 after Ctrl-C";

/// The tools of coding agents on every host that ssh reaches.
///
/// towline works on any host that `ssh HOST` reaches, with nothing installed there. Agents reach it as an MCP server
/// (`towline mcp`); people and scripts by the other commands.
#[derive(Debug, Parser)]
#[command(name = "towline", version, max_term_width = 80, after_long_help = EXIT_CODES, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Common {
    /// Have ssh read this file in the place of ~/.ssh/config
    #[arg(long, global = true, value_name = "FILE", display_order = 900)]
    pub(crate) ssh_config: Option<PathBuf>,
    /// Read this settings file (also `TOWLINE_CONFIG`)
    #[arg(long, global = true, value_name = "FILE", display_order = 899)]
    pub(crate) config: Option<PathBuf>,
    /// Keep towline's own state here (also `TOWLINE_STATE_DIR`)
    #[arg(long, global = true, value_name = "DIR", display_order = 901)]
    pub(crate) state_dir: Option<PathBuf>,
    /// The secrets that are taken out of what towline says; nothing that can be said.
    #[arg(skip)]
    pub(crate) redactor: Redactor,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve an MCP client on standard input and output
    Mcp(Mcp),
    /// Run a command on a host, as the Bash tool does
    #[command(long_about = RUN)]
    Run(Run),
    /// Try every tool on a host and say what was found
    Check {
        /// The host, as ssh knows it
        host: String,
    },
    /// List the hosts that are configured or connected
    Hosts,
    /// List a host's commands that run or whose outcome was not read
    Jobs {
        /// The host, as ssh knows it
        host: String,
    },
    /// List what towline keeps on a host, and remove it
    #[command(long_about = CLEAN)]
    Clean(Clean),
    /// Show what agents do on your hosts while they do it
    #[command(long_about = WATCH)]
    Watch(Watch),
    /// Type into an agent's own shell session
    #[command(long_about = ATTACH)]
    Attach {
        /// The host, as ssh knows it, and the session (default: the one in which an agent worked last)
        #[arg(value_name = "HOST[/SESSION]")]
        target: String,
    },
    /// Read what was done in each session
    #[command(long_about = TRANSCRIPT)]
    Transcript {
        #[command(subcommand)]
        what: Transcript,
    },
    /// Log in to a host in this terminal, once; towline then uses the connection
    Auth {
        /// The host, as ssh knows it
        host: String,
    },
    /// Show a host's key, and have ssh accept it
    Trust {
        /// The host, as ssh knows it
        host: String,
        /// The fingerprint that the host's owner told; without it, you are asked
        #[arg(long, value_name = "SHA256:…")]
        fingerprint: Vec<String>,
    },
    /// Look at the settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Look at the rules
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// List what was done, or check the journal of it
    Audit(Audit),
    /// Print the completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man {
        /// The page of this command
        subcommand: Option<String>,
    },
    /// Print a page of the generated reference
    #[command(hide = true)]
    Reference {
        /// The page
        page: Page,
    },
}

const RUN: &str = "\
Run a command on a host, as the Bash tool does.

The words after -- are joined by blanks and given to the host's shell, as ssh does. The command has an id and its \
outcome is kept on the host: it goes on when the link is cut, when standard output is closed, and when towline is \
killed. Only Ctrl-C ends it, with all its processes.

Standard output and standard error are passed on byte by byte, and live. On a terminal, control characters are \
written \\xHH unless --raw is given.";

const CLEAN: &str = "\
List what towline keeps on a host, and remove it.

Without --all, outcomes go that were read or are older than a week, and sessions that had no command for an hour. With --all \
everything goes, to the last byte: running commands and live sessions are ended, also those of other conversations, and towline's \
own connection to the host, too. What will go is listed before.";

/// Options of `towline clean`.
#[derive(Debug, Args)]
pub(crate) struct Clean {
    /// The host, as ssh knows it
    pub(crate) host: String,
    /// Remove everything, what runs included
    #[arg(long)]
    pub(crate) all: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Only list what is kept
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,
}

const WATCH: &str = "\
Show what agents do on your hosts while they do it.

Every call of every towline of yours on this machine is shown: the command and its output as it comes, what changed in \
files, what was found, links that were lost and came back, what was refused. It asks no host itself; while it is \
open, each towline looks at the output of its running commands. Output that comes faster than a person reads is left \
out, and it is said how much.

Colours are used on a terminal unless NO_COLOR is set. Whatever a host prints is shown as text: no escape sequence of \
it reaches your terminal.";

const ATTACH: &str = "\
Type into an agent's own shell session.

You get a prompt in the shell that the agent uses: the same directory, variables, functions. Each line runs there as a \
command of its own, is recorded and shown like the agent's, and the agent is told with its next command in that session \
what you ran. A backslash at the end of a line continues it. Ctrl-C ends the running command, Ctrl-D leaves; neither \
ends the session.

Commands have no terminal: for vim or top, use ssh or a terminal of towline's.";

const TRANSCRIPT: &str = "\
Read what was done in each session.

Each session has a transcript on this machine, readable by you alone: the lines of `towline watch`. It is bounded, and the \
oldest go first. TOWLINE_TRANSCRIPTS=off keeps none.";

/// Options of `towline watch`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "they are flags of the command line, one each")]
pub(crate) struct Watch {
    /// Only what is done on this host
    pub(crate) host: Option<String>,
    /// Print each event as a line of JSON
    #[arg(long, conflicts_with = "full")]
    pub(crate) json: bool,
    /// Use the whole terminal: hosts, sessions and running commands on one side, the chosen one's output on the other
    #[arg(long)]
    pub(crate) full: bool,
    /// Show it in a window of towline's tmux server, beside the host's terminals, and attach to it
    #[arg(long, requires = "host", conflicts_with_all = ["json", "full", "no_follow"])]
    pub(crate) tmux: bool,
    /// Begin so long ago: 30s, 10m, 2h, 1d, 0 or all
    #[arg(long, value_name = "TIME", default_value = "10m")]
    pub(crate) since: String,
    /// End where the stream ends now
    #[arg(long, conflicts_with = "full")]
    pub(crate) no_follow: bool,
}

/// What to do with transcripts.
#[derive(Debug, Subcommand)]
pub(crate) enum Transcript {
    /// List them, the newest first
    List,
    /// Print one
    Show {
        /// Whose: HOST/SESSION, HOST/NAME.cast of a terminal, or HOST for the newest there
        which: String,
    },
    /// Print one as it came, with long pauses made short
    Replay {
        /// Whose: HOST/SESSION, HOST/NAME.cast of a terminal, or HOST for the newest there
        which: String,
        /// So many times as fast
        #[arg(long, default_value_t = 1.0)]
        speed: f64,
    },
    /// Print one in a form for others
    Export {
        /// Whose: HOST/SESSION, HOST/NAME.cast of a terminal, or HOST for the newest there
        which: String,
        /// The form
        #[arg(long = "format", default_value = "text")]
        form: Form,
    },
}

/// A form of an exported transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// The text
    Text,
    /// asciicast version 2, for asciinema and other players
    Asciicast,
}

/// Options of `towline mcp`.
#[derive(Debug, Args)]
pub(crate) struct Mcp {
    /// Work on this host only; the tools then have no host parameter
    #[arg(long)]
    pub(crate) host: Option<String>,
    /// Begin every session in this directory of the host
    #[arg(long, value_name = "DIR")]
    pub(crate) cwd: Option<String>,
    /// Offer these tools: all, coding, a family (shell, files, search, hosts, terminals) or names, separated by commas
    ///
    /// Also `TOWLINE_TOOLS` and `tools` in the settings; all of them where nobody says.
    #[arg(long, value_name = "SET")]
    pub(crate) tools: Option<String>,
    /// Only look: no commands, no changes, no forwards, whatever else is permitted
    #[arg(long)]
    pub(crate) read_only: bool,
    /// Name the conversation, so that its shell is found again after a restart (also `TOWLINE_SESSION_KEY`)
    #[arg(long, value_name = "KEY")]
    pub(crate) session_key: Option<String>,
}

/// Commands about the settings.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print what is in force, and from where each value comes
    Check {
        /// The host to print it for
        host: Option<String>,
    },
}

/// Commands about the rules.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Say what each rule says of a call, and which decides; exit code 1 if it is refused
    Explain {
        /// The host
        host: String,
        /// The tool
        tool: String,
        /// Its parameters as NAME=VALUE; a word without = is its first parameter
        arguments: Vec<String>,
    },
}

/// Options of `towline audit`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Audit {
    #[command(subcommand)]
    pub(crate) command: Option<AuditCommand>,
    /// Only on this host
    #[arg(long)]
    pub(crate) host: Option<String>,
    /// Only by this tool
    #[arg(long)]
    pub(crate) tool: Option<String>,
    /// Only in this session
    #[arg(long)]
    pub(crate) session: Option<String>,
    /// Only for clients whose name begins so
    #[arg(long)]
    pub(crate) client: Option<String>,
    /// Only of the last so many hours
    #[arg(long, value_name = "HOURS")]
    pub(crate) since: Option<u64>,
    /// Only what failed or was refused
    #[arg(long)]
    pub(crate) failed: bool,
    /// At most so many, the last ones
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 50)]
    pub(crate) limit: usize,
    /// Print JSON, one action a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// Commands about the journal.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Look the whole journal through for any change, cut or gap; exit code 1 if there is one
    Verify,
}

/// Options of `towline run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The host, as ssh knows it
    pub(crate) host: String,
    /// Run in a copy of this session's state
    #[arg(long, value_name = "NAME")]
    pub(crate) session: Option<String>,
    /// Run in this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) cwd: Option<String>,
    /// Set a variable; may be given several times
    #[arg(long = "env", short = 'e', value_name = "NAME=VALUE")]
    pub(crate) variables: Vec<String>,
    /// End the command after so many seconds
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<f64>,
    /// Read standard input to its end and give it to the command (default: it reads nothing)
    #[arg(long)]
    pub(crate) stdin: bool,
    /// Do not wait: print the command's id
    #[arg(long)]
    pub(crate) detach: bool,
    /// Write control characters to a terminal as they are
    #[arg(long)]
    pub(crate) raw: bool,
    /// The command
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) words: Vec<String>,
}

/// A page of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Page {
    /// The tools and their answers
    Tools,
    /// The command line
    Cli,
    /// The error codes
    Errors,
    /// The settings
    Config,
    /// The environment variables
    Env,
    /// The event stream
    Events,
    /// Bounds and their reasons.
    Limits,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}

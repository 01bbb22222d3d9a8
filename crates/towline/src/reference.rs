//! Completions, manual pages and the pages of docs/reference, all made from the tables that the program itself uses.

use std::fmt::Write as _;

use clap::{Command, CommandFactory as _};
use towline_base::env::Variable;
use towline_base::{Code, Failure};

use crate::cli::{Cli, Page};

/// The completions for a shell.
pub(crate) fn completions(shell: clap_complete::Shell) -> Vec<u8> {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "towline", &mut out);
    out
}

/// The manual page, of the whole or of one command.
pub(crate) fn man(subcommand: Option<&str>) -> Result<Vec<u8>, Failure> {
    let mut whole = Cli::command();
    whole.build();
    let command = match subcommand {
        None => whole,
        Some(name) => {
            let found = whole.get_subcommands().find(|command| command.get_name() == name && !command.is_hide_set()).cloned();
            found.ok_or_else(|| Failure::new(Code::BadInput, format!("there is no command {name:?}")))?
        }
    };
    let mut out = Vec::new();
    clap_mangen::Man::new(command).render(&mut out).map_err(|error| Failure::new(Code::Local, error.to_string()))?;
    Ok(out)
}

/// A page, as Markdown.
pub(crate) fn page(page: Page) -> String {
    match page {
        Page::Tools => towline_mcp::reference::tools(),
        Page::Cli => cli(),
        Page::Errors => errors(),
        Page::Config => crate::config::reference(),
        Page::Env => environment(),
        Page::Events => events(),
        Page::Limits => limits(),
    }
}

fn cli() -> String {
    let mut page = String::from("# Command line\n");
    let mut whole = Cli::command().term_width(80);
    whole.build();
    help(&mut page, &mut whole);
    let names: Vec<_> =
        whole.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help").map(|c| c.get_name().to_owned()).collect();
    for name in names {
        if let Some(command) = whole.find_subcommand_mut(&name) {
            help(&mut page, command);
        }
    }
    page
}

fn help(page: &mut String, command: &mut Command) {
    let title = command.get_bin_name().unwrap_or("towline").to_owned();
    let text = command.render_long_help().to_string();
    let lines: Vec<_> = text.lines().map(str::trim_end).collect();
    let _ = write!(page, "\n## {title}\n\n```text\n{}\n```\n", lines.join("\n").trim_end());
}

fn errors() -> String {
    let mut page = String::from(
        "# Error codes\n\nThe word stands in brackets after an error's text. Native texts of Read, Write, Edit, Glob and Grep stand\nwithout one.\n\n| code | meaning | what helps |\n|---|---|---|\n",
    );
    for code in Code::ALL {
        let _ = writeln!(page, "| `{}` | {} | {} |", code.word(), code.meaning().trim(), code.hint());
    }
    page
}

fn limits() -> String {
    let mut page = String::from(
        "# Limits\n\nWhat a limit cuts off is always told, with how to get the rest. None of them can be set.\n\n| limit | value | what it bounds, and why |\n|---|---|---|\n",
    );
    for limit in towline_base::limits::ALL {
        let _ = writeln!(page, "| `{}` | {} | {} |", limit.name.to_lowercase(), (limit.value)(), limit.meaning.trim());
    }
    page
}

fn events() -> String {
    let mut page = String::from(
        "# Event stream\n\n`towline watch --json` prints one event on each line, a JSON object with these fields; what does not apply is\nleft out. Text holds no control characters but newline and tab.\n\n| field | meaning |\n|---|---|\n",
    );
    for (name, meaning) in towline_engine::events::FIELDS {
        let _ = writeln!(page, "| `{name}` | {meaning} |");
    }
    page
}

fn environment() -> String {
    let mut page = String::from("# Environment\n\nAn empty variable counts as not set.\n\n| variable | meaning |\n|---|---|\n");
    for variable in Variable::ALL {
        let _ = writeln!(page, "| `{}` | {} |", variable.name(), variable.meaning().trim());
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum as _;

    #[test]
    fn every_page_is_there_and_the_same_each_time() {
        for one in Page::value_variants() {
            let text = page(*one);
            assert!(text.starts_with("# ") && text.ends_with('\n'), "{one:?}");
            assert_eq!(text, page(*one));
        }
        assert!(page(Page::Cli).contains("## towline run\n"));
        assert!(!page(Page::Cli).contains("reference"));
    }

    #[test]
    fn help_fits_80_columns() {
        for line in cli().lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}

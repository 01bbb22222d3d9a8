//! What a screen seems to wait for.
//!
//! Holds to: pure, and a guess by the look of the screen: it is told as one ("seems"). Where the shell marks its prompts, the marks
//! decide and not this. Leaves out: full-screen programs that are not known by their last rows.

use std::sync::LazyLock;

use regex::Regex;

/// What a program seems to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaits {
    /// A password, passphrase, PIN or code.
    Password,
    /// Yes or no.
    YesNo,
    /// A key, in a pager.
    Pager,
    /// Anything, in an editor.
    Editor,
    /// A line, in an interpreter.
    Interpreter,
    /// A command, at a shell's prompt.
    Shell,
}

impl Awaits {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Password => "a password",
            Self::YesNo => "yes or no",
            Self::Pager => "a key (pager)",
            Self::Editor => "keys (editor)",
            Self::Interpreter => "input (interpreter's prompt)",
            Self::Shell => "a command (shell prompt)",
        }
    }
}

/// A screen, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen<'a> {
    /// The lines, from the top.
    pub(crate) lines: &'a [String],
    /// The row with the cursor, without blanks at its end.
    pub(crate) row: &'a str,
    /// The cursor's column.
    pub(crate) column: usize,
    /// A full-screen program has the alternate screen.
    pub(crate) alternate: bool,
}

/// The regular expressions, each looked for in the row of the cursor.
struct Looks {
    password: Regex,
    yes_no: Regex,
    pager: Regex,
    database: Regex,
    interpreter: Regex,
    shell: Regex,
}

static LOOKS: LazyLock<Looks> = LazyLock::new(|| Looks {
    password: regex(
        r"(?i)(password|passwd|passphrase|passcode|passwort|kennwort|mot de passe|contrase.a|senha|wachtwoord|parola|пароль|密码|密碼|パスワード|암호|\bpin\b|verification code|one-time|\botp\b|\btoken\b|secret)[^:：?]*[:：?]\s*$",
    ),
    yes_no: regex(r"(?i)([\[(](y/n|n/y|yes/no|j/n|o/n|s/n)(/\[?\w+\]?)?[\])]|\(y or n\))\s*[:?]?\s*$"),
    pager: regex(r"^(:|\(END\)|--More--.*|-- More --.*|lines \d+-\d+.*|.*\(END\)|.* \d+%|Manual page .*|.*press q to quit.*)$"),
    // psql: the state of its input, that of a transaction, and who one is.
    database: regex(r#"^\w[\w.-]*[=@^!\-*'"$(][*!?]?[#>]$"#),
    interpreter: regex(
        r"^(>>>|\.\.\.|\s+\.\.\.>|In \[\d+\]:|irb.*[>*]|\(gdb\)|\(lldb\)|\(Pdb\)|ipdb>|\[\d+\] pry.*>|sqlite>|mysql>|MariaDB \[.*\]>|\w+ ?>|>|julia>|ghci>|iex\(\d+\)>|scala>|jshell>|ftp>|sftp>)$",
    ),
    shell: regex(r"^[^\s].{0,200}?[$#%❯➜λ]$|^[$#%❯➜λ]$|^PS .*>$|^~>$|^~?/[^\s>]*>$|^\w+@[^\s>]+ [^>]*>$"),
});

fn regex(text: &str) -> Regex {
    Regex::new(text).expect("a constant pattern that the tests compile")
}

/// What the screen seems to wait for; `None` if it does not look like anything known.
pub(crate) fn awaits(screen: &Screen<'_>) -> Option<Awaits> {
    let row = screen.row;
    // Who waits for a line leaves the cursor behind his question.
    let at_end = screen.column >= row.chars().count().min(row.len()) || row.is_empty();
    if at_end && LOOKS.password.is_match(row) {
        return Some(Awaits::Password);
    }
    if at_end && LOOKS.yes_no.is_match(row) {
        return Some(Awaits::YesNo);
    }
    if screen.alternate && is_editor(screen.lines) {
        return Some(Awaits::Editor);
    }
    if LOOKS.pager.is_match(row) && (screen.alternate || row != ":" || screen.column == 1) {
        return Some(Awaits::Pager);
    }
    if screen.alternate {
        // less begins with the file's name for a prompt.
        let last = screen.lines.last().is_some_and(|last| last == row) && screen.lines.len() > 2;
        return (at_end && last && !row.is_empty() && !row.contains(' ')).then_some(Awaits::Pager);
    }
    if !at_end {
        return None;
    }
    // psql ends in # for whom a shell does: for the superuser.
    if LOOKS.database.is_match(row) {
        return Some(Awaits::Interpreter);
    }
    if LOOKS.shell.is_match(row) && !row.starts_with(">>>") {
        return Some(Awaits::Shell);
    }
    LOOKS.interpreter.is_match(row).then_some(Awaits::Interpreter)
}

/// Whether the rows are those of vi, nano or emacs.
fn is_editor(lines: &[String]) -> bool {
    let mut last = lines.iter().rev().filter(|line| !line.is_empty()).take(3);
    let known = |line: &String| {
        line.starts_with("-- ") && line.contains(" --")
            || line.contains("^G Help")
            || line.contains("^G Get Help")
            || line.starts_with("-UU")
            || line.starts_with("-UUU")
            || line.starts_with('"') && (line.contains('L') || line.contains("line"))
    };
    last.any(known) || lines.iter().filter(|line| *line == "~").count() >= 3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(row: &str, lines: &[&str], alternate: bool) -> Option<Awaits> {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        awaits(&Screen { lines: &lines, row: row.trim_end(), column: row.chars().count(), alternate })
    }

    #[test]
    fn rows_are_known_by_their_look() {
        for (row, expected) in [
            ("[sudo] password for jo: ", Some(Awaits::Password)),
            ("Password:", Some(Awaits::Password)),
            ("jo@10.0.0.1's password: ", Some(Awaits::Password)),
            ("Enter passphrase for key '/home/jo/.ssh/id': ", Some(Awaits::Password)),
            ("Enter PIN for ECDSA-SK key: ", Some(Awaits::Password)),
            ("Verification code: ", Some(Awaits::Password)),
            ("Mot de passe : ", Some(Awaits::Password)),
            ("密码：", Some(Awaits::Password)),
            ("Do you want to continue? [Y/n] ", Some(Awaits::YesNo)),
            ("Proceed (yes/no)? ", Some(Awaits::YesNo)),
            ("Are you sure you want to continue connecting (yes/no/[fingerprint])? ", Some(Awaits::YesNo)),
            ("jo@host:~/src$ ", Some(Awaits::Shell)),
            ("root@host:/# ", Some(Awaits::Shell)),
            ("bash-5.2# ", Some(Awaits::Shell)),
            ("host% ", Some(Awaits::Shell)),
            ("$ ", Some(Awaits::Shell)),
            ("❯ ", Some(Awaits::Shell)),
            ("jo@host ~> ", Some(Awaits::Shell)),
            (">>> ", Some(Awaits::Interpreter)),
            ("... ", Some(Awaits::Interpreter)),
            ("In [3]: ", Some(Awaits::Interpreter)),
            ("postgres=# ", Some(Awaits::Interpreter)),
            ("my.db-> ", Some(Awaits::Interpreter)),
            ("postgres(# ", Some(Awaits::Interpreter)),
            ("postgres=*# ", Some(Awaits::Interpreter)),
            ("db=!> ", Some(Awaits::Interpreter)),
            ("postgres'*# ", Some(Awaits::Interpreter)),
            ("postgres$# ", Some(Awaits::Interpreter)),
            ("postgres\"# ", Some(Awaits::Interpreter)),
            ("sqlite> ", Some(Awaits::Interpreter)),
            ("   ...> ", Some(Awaits::Interpreter)),
            ("mysql> ", Some(Awaits::Interpreter)),
            ("db-> ", Some(Awaits::Interpreter)),
            ("> ", Some(Awaits::Interpreter)),
            ("(gdb) ", Some(Awaits::Interpreter)),
            ("--More--(12%)", Some(Awaits::Pager)),
            ("(END)", Some(Awaits::Pager)),
            (":", Some(Awaits::Pager)),
            ("compiling 12 of 40", None),
            ("the password was wrong", None),
            ("", None),
        ] {
            assert_eq!(look(row, &[row], false), expected, "{row}");
        }
    }

    #[test]
    fn full_screen_programs_are_known_by_their_last_rows() {
        for (row, lines, expected) in [
            ("", &["text", "~", "~", "~", "-- INSERT --"][..], Some(Awaits::Editor)),
            ("x", &["x", "~", "~", "~", "\"a\" 1L, 2B"][..], Some(Awaits::Editor)),
            ("", &["  GNU nano 7.2", "", "^G Help      ^O Write Out"][..], Some(Awaits::Editor)),
            ("long.txt", &["line 1", "line 2", "long.txt"][..], Some(Awaits::Pager)),
            (":", &["line 1", "line 2", ":"][..], Some(Awaits::Pager)),
            ("(END)", &["line 1", "(END)"][..], Some(Awaits::Pager)),
            ("Manual page ls(1) line 1 (press h for help or q to quit)", &["LS(1)"][..], Some(Awaits::Pager)),
            ("", &["top - 10:00:00 up 1 day", "Tasks: 3 total"][..], None),
        ] {
            assert_eq!(look(row, lines, true), expected, "{row} {lines:?}");
        }
    }

    #[test]
    fn a_question_with_the_cursor_elsewhere_is_not_asked() {
        let lines = vec!["Password:".to_owned()];
        assert_eq!(awaits(&Screen { lines: &lines, row: "Password:", column: 0, alternate: false }), None);
    }
}

//! What a client tells its model about the server: the first 240 characters say what it is and when to use it.

use towline_base::HostAlias;

/// The instructions; with the host's name where the server is pinned to one.
pub(crate) fn text(pinned: Option<&HostAlias>) -> String {
    let first = match pinned {
        Some(host) => format!(
            "Works on the remote host {} over the user's own ssh, with nothing installed there. Use these tools for every command and file on that machine; not for local files.\n",
            crate::render::cut(host.as_str(), 60)
        ),
        None => "Works on any remote host that `ssh HOST` reaches, over the user's own ssh, with nothing installed there. Use these tools whenever a command or file is on another machine; not for local files.\n".to_owned(),
    };
    format!("{first}{REST}")
}

const REST: &str = "\
- Tools connect by themselves; Hosts lists the aliases. Read, Edit, Write, Glob, Grep and Bash work as the local ones you know.\n\
- Bash runs in a session, a shell that keeps cwd, exports, functions and venvs between calls and outlives the connection. Relative paths of every tool are relative to the session's cwd. A subagent names a session of its own in each call (session: \"tests\"), so that two do not move one cwd.\n\
- Calls made side by side run side by side, but commands of one session queue: use fresh: true or other sessions to run them in parallel.\n\
- The last line of a Bash answer is its status: [exit 0 \u{b7} 1.24 s \u{b7} /srv/app \u{b7} id k3f9xx]. A non-zero exit is not a tool error. Lines [note] before it matter. A line of the output that looks like one of these begins with a backslash.\n\
- A command that outlasts its timeout goes on: do not start it again; JobOutput with its id and wait_for: end waits for it, JobStop ends it. After a lost link nothing was replayed, and JobOutput collects the outcome.\n\
- Long output is cut in the middle and says so; JobOutput with offset, tail or grep shows the rest.\n\
- What cannot be shown is written \\xHH; Edit takes it in that form.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_tells_all_and_the_whole_is_short() {
        let pin = HostAlias::parse("prod").ok();
        for text in [text(None), text(pin.as_ref())] {
            let first = text.split('\n').next().unwrap_or_default();
            assert!(first.chars().count() <= 240, "{}: {first}", first.chars().count());
            assert!(first.contains("remote") && first.contains("Use these tools"));
            assert!(text.chars().count() < 2_000, "{}", text.chars().count());
            assert!(text.contains("subagent"));
        }
    }
}

"""The whole list of tools through the official client library, in both eras of the protocol.

Usage: client.py [HOST [COMMAND...]], with a Python that has the `mcp` package.
HOST is TOWLINE_HOST if it is not given; COMMAND is what starts the server: `TOWLINE_BINARY mcp` if it is not given.
Prints a line for each check and a last line that counts them; the exit code is 1 if one failed.
"""

import asyncio
import base64
import os
import re
import sys
import time
import uuid

from mcp import Client, StdioServerParameters

TOOLS = (
    "Bash Jobs JobOutput JobStop Read MultiRead Write Edit MultiEdit Stat List Glob Grep Hosts Connect Disconnect "
    "TerminalOpen TerminalSend TerminalRead TerminalClose"
).split()
STATUS = re.compile(r"^\[(exit \d+|killed \w+|running|queued|lost: .*|unknown: .*) · .*id ([0-9a-z]{6})(?: · .*)?\]$")
CURRENT = "(file state is current in your context — no need to Read it back)"
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
LIMIT = 60


class Checks:
    """Counts what was checked and prints it."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def that(self, name, truth, seen=""):
        if truth:
            self.passed += 1
            print(f"ok    {name}", flush=True)
        else:
            self.failed += 1
            print(f"WRONG {name}: {str(seen)[:600]!r}", flush=True)


class Agent:
    """A connected client that calls tools on one host, in a session of its own."""

    def __init__(self, client, host, checks, era):
        self.client, self.host, self.checks, self.era = client, host, checks, era
        self.session = f"py-{uuid.uuid4().hex[:8]}"

    async def raw(self, tool, arguments, **options):
        return await asyncio.wait_for(self.client.call_tool(tool, arguments, **options), LIMIT)

    async def call(self, tool, **arguments):
        arguments.setdefault("host", self.host)
        if tool not in ("Jobs", "JobOutput", "JobStop", "Hosts"):
            arguments.setdefault("session", self.session)
        if tool == "Hosts":
            del arguments["host"]
        result = await self.raw(tool, arguments)
        text = "\n".join(block.text for block in result.content if block.type == "text")
        return bool(result.is_error), text, result

    async def expect(self, name, tool, wanted, error=False, **arguments):
        """Calls a tool; `wanted` is the text, its beginning with a `…` at the end, or a test of it."""
        try:
            failed, text, _ = await self.call(tool, **arguments)
        except Exception as trouble:  # every kind of it is a failed check
            self.checks.that(f"{self.era}: {name}", False, trouble)
            return ""
        if callable(wanted):
            fits = bool(wanted(text))
        elif wanted.endswith("…"):
            fits = text.startswith(wanted[:-1])
        else:
            fits = without_notes(text) == wanted
        self.checks.that(f"{self.era}: {name}", fits and failed == error, text)
        return text

    async def bash(self, command, **arguments):
        return (await self.call("Bash", command=command, **arguments))[1]


def without_notes(text):
    """What stands beside the notes, of which any answer may have some."""
    return "\n".join(line for line in text.split("\n") if not line.startswith("[note] "))


def ended(output, code=0):
    """A test of a Bash answer: this output, then the status line."""

    def test(text):
        *lines, last = without_notes(text).split("\n")
        match = STATUS.match(last)
        return match and match[1] == f"exit {code}" and "\n".join(lines) == output

    return test


async def listing(agent, mode):
    checks, era = agent.checks, agent.era
    tools = (await agent.client.list_tools()).tools
    checks.that(f"{era}: every tool is listed", [tool.name for tool in tools] == TOOLS, [tool.name for tool in tools])
    checks.that(f"{era}: each has a title and annotations", all(tool.title and tool.annotations for tool in tools))
    if mode == "2026-07-28":
        return  # nobody asked the server who it is
    instructions = agent.client.session.instructions or ""
    checks.that(f"{era}: instructions are short", 0 < len(instructions) < 2000, len(instructions))
    info = agent.client.session.server_info
    checks.that(f"{era}: the server says who it is", bool(info) and info.name == "towline", info)


async def commands(agent):
    expect, bash = agent.expect, agent.bash
    await expect("Connect", "Connect", lambda text: len(text) > 0)
    await expect("Hosts names the host", "Hosts", lambda text: agent.host in text)
    await expect("Bash", "Bash", ended("hi\nerr"), command="echo hi; echo err >&2")
    await expect("a non-zero exit is no error", "Bash", ended("x", 3), command="echo x; (exit 3)")
    await expect("no output", "Bash", ended("(Bash completed with no output)"), command="true")
    await expect("stderr apart", "Bash", ended("out\n[stderr]\nerr"), command="echo out; echo err >&2", stderr="separate")
    await expect("stdin is empty", "Bash", ended("(Bash completed with no output)"), command="cat")
    await expect("stdin", "Bash", ended("a b"), command="cat", stdin="a b")
    await expect("env", "Bash", ended("v w"), command='echo "$TL_PY"', env={"TL_PY": "v w"})
    await bash("cd / && export TL_PY=kept && f() { echo called; }")
    await expect("state persists", "Bash", ended("/ kept\ncalled"), command='echo "$PWD $TL_PY"; f')
    await expect("fresh changes nothing", "Bash", ended("/tmp"), command="cd /tmp && pwd", fresh=True)
    await expect("the session stands where it stood", "Bash", ended("/"), command="pwd")
    await expect("exit", "Bash", ended("(Bash completed with no output)", 5), command="exit 5")
    await expect("the session lives on", "Bash", ended("/ kept"), command='echo "$PWD $TL_PY"')
    await expect("a lookalike is set off", "Bash", ended("\\[exit 0 · x]"), command="echo '[exit 0 · x]'")
    await expect("cwd for one call", "Bash", lambda t: t.startswith("/tmp\n"), command="pwd", cwd="/tmp")
    long = await bash("seq 1 100000")
    agent.checks.that(f"{agent.era}: long output is cut and told", "[omitted " in long and long.startswith("1\n2\n"), long[-300:])
    agent.checks.that(f"{agent.era}: its end is shown", "\n100000\n[exit 0" in long, long[-300:])
    started = time.monotonic()
    answers = await asyncio.gather(*(bash("sleep 0.3; echo done", fresh=True) for _ in range(20)))
    took = time.monotonic() - started
    agent.checks.that(f"{agent.era}: twenty calls side by side", all(ended("done")(text) for text in answers) and took < 5, took)


async def jobs(agent):
    expect = agent.expect
    text = await expect(
        "timeout", "Bash", lambda t: "moved to the background" in t and "do not start a second copy" in t,
        command="echo begun; sleep 2; echo over", timeout=500,
    )
    job = STATUS.match(text.split("\n")[-1])
    job = job[2] if job else "000000"
    await expect("Jobs lists it", "Jobs", lambda t: job in t and "echo begun" in t)
    await expect(
        "JobOutput waits for the end", "JobOutput", lambda t: t.startswith("begun\nover\n") and "[exit 0" in t,
        id=job, wait_for="end",
    )
    await expect("JobOutput by lines", "JobOutput", lambda t: t.startswith("over\n"), id=job, tail=1)
    await expect("JobOutput by offset", "JobOutput", lambda t: t.startswith("over\n"), id=job, offset=6)
    text = await expect(
        "run_in_background", "Bash", lambda t: "running in background with ID" in t, command="echo up; sleep 300", run_in_background=True
    )
    job = STATUS.match(text.split("\n")[-1])
    job = job[2] if job else "000000"
    await expect("JobOutput waits for output", "JobOutput", lambda t: t.startswith("up\n"), id=job, wait_for="output", offset=0)
    await expect("JobStop", "JobStop", lambda t: "seen to be gone" in t, id=job)
    await expect(
        "a true deadline", "Bash", lambda t: t.startswith("a\n") and "[killed TERM" in t,
        command="echo a; sleep 100", timeout=500, on_timeout="kill",
    )


async def files(agent, base):
    expect = agent.expect
    await agent.bash(f"mkdir -p '{base}' && cd '{base}'")
    path = f"{base}/d/w.txt"
    await expect("Write, new", "Write", f"File created successfully at: {path} {CURRENT}…", file_path="d/w.txt", content="one\ntwo\n")
    await expect("Write, existing", "Write", f"The file {path} has been updated successfully. {CURRENT}…", file_path=path, content="one\ntwo\nthree\n")
    await expect("Read", "Read", "1\tone\n2\ttwo\n3\tthree\n4\t", file_path=path)
    await expect("Read a window", "Read", lambda t: t.startswith("2\ttwo\n[note] "), file_path=path, offset="2", limit=1)
    await expect("Edit", "Edit", lambda t: t.startswith(f"The file {path} has been updated successfully. {CURRENT}") and "2\t2" in t,
                 file_path=path, old_string="two", new_string="2")
    await expect("Edit, no match", "Edit", "String to replace not found in file.\nString: nope…", error=True,
                 file_path=path, old_string="nope", new_string="x")
    await expect("Edit, nothing to change", "Edit", "No changes to make: old_string and new_string are exactly the same.", error=True,
                 file_path=path, old_string="one", new_string="one")
    await expect("MultiEdit", "MultiEdit", f"The file {path} has been updated…", file_path=path,
                 edits=[{"old_string": "one", "new_string": "1"}, {"old_string": "three", "new_string": "3"}])
    await expect("MultiRead", "MultiRead", lambda t: t.startswith(f"==> {path} <== 6 bytes\n1\t1\n2\t2\n3\t3\n4\t") and "<== error" in t,
                 files=[{"file_path": path}, {"file_path": "gone"}])
    await expect("Read, missing", "Read", f"File does not exist. Note: your current working directory is {base}.", error=True, file_path="gone")
    await expect("Read, a directory", "Read", f"EISDIR: illegal operation on a directory, read '{base}/d'", error=True, file_path="d")
    await expect("Write base64", "Write", "File created…", file_path="p.png", content=PIXEL, base64=True)
    _, _, result = await agent.call("Read", file_path="p.png")
    image = next((block for block in result.content if block.type == "image"), None)
    agent.checks.that(f"{agent.era}: an image is an image", image is not None and base64.b64decode(image.data) == base64.b64decode(PIXEL), result)
    await expect("Write, append", "Write", lambda t: "added at its end" in t, file_path=path, content="4\n", append=True)
    await expect("Stat", "Stat", lambda t: "file, 8 bytes" in t and "gone: " in t, paths=[path, "gone"])
    await expect("List", "List", lambda t: t.startswith(f"{base}:") and "\td/" in t and "\tp.png" in t)
    await expect("Glob", "Glob", "d/w.txt", pattern="**/*.txt")
    await expect("Grep, content", "Grep", "d/w.txt:2:2", pattern="^2$", output_mode="content", path=base)
    await expect("Grep, files", "Grep", "Found 1 file\nd/w.txt", pattern="^2$")
    await expect("Grep, nothing", "Grep", "No matches found", pattern="nothing like it", output_mode="content")
    await expect("Grep, a missing path", "Grep", "Path does not exist: …", error=True, pattern="x", path="nodir")


async def mistakes(agent):
    expect = agent.expect
    await expect("a missing parameter is named", "Bash", lambda t: '"command"' in t and "[bad_input]" in t, error=True)
    await expect("an unknown parameter is named", "Bash", lambda t: '"cmd"' in t, error=True, command="x", cmd="x")
    await expect("a host that is an option", "Bash", lambda t: "[bad_host]" in t, error=True, command="x", host="-oProxyCommand=touch x")
    await expect("a host that is not known", "Bash", lambda t: "[" in t, error=True, command="x", host="no-such-host.invalid")
    await expect("an unknown tool", "TodoWrite", lambda t: "no tool" in t, error=True)
    await expect("the server lives on", "Bash", ended("alive"), command="echo alive")


async def progress(agent):
    told = []

    async def listen(amount, total, message):
        told.append((amount, message))

    arguments = {"host": agent.host, "session": agent.session, "command": "for i in 1 2 3 4; do echo line $i; sleep 0.5; done"}
    await agent.raw("Bash", arguments, progress_callback=listen)
    rising = all(one[0] < two[0] for one, two in zip(told, told[1:]))
    agent.checks.that(f"{agent.era}: progress is told", 2 <= len(told) <= 6 and rising and "line" in (told[-1][1] or ""), told)


async def cancel(agent, base):
    mark = f"{base}/cancelled"
    task = asyncio.create_task(agent.bash(f"touch '{mark}.begun'; sleep 3; touch '{mark}.late'"))
    for _ in range(100):
        if "begun" in await agent.bash(f"ls '{base}'", fresh=True):
            break
        await asyncio.sleep(0.05)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass
    text = await agent.bash(f"sleep 3.5; ls '{base}'", fresh=True)
    agent.checks.that(f"{agent.era}: a cancelled call is ended on the host", "cancelled.begun" in text and "cancelled.late" not in text, text)
    await agent.expect("the session lives on after it", "Bash", ended("alive"), command="echo alive")


async def era(mode, host, server, checks):
    base = f"/tmp/towline-py-{uuid.uuid4().hex[:8]}"
    async with Client(server, mode=mode, read_timeout_seconds=LIMIT) as client:
        version = client.session.protocol_version
        agent = Agent(client, host, checks, version)
        await listing(agent, mode)
        await commands(agent)
        await jobs(agent)
        await files(agent, base)
        await mistakes(agent)
        await progress(agent)
        await cancel(agent, base)
        await agent.expect("cleaned up", "Bash", ended("(Bash completed with no output)"), command=f"cd / && rm -rf '{base}'")
        await agent.expect("Disconnect", "Disconnect", lambda text: len(text) > 0, end=True)
        ending = time.monotonic()
    took = time.monotonic() - ending
    checks.that(f"{version}: the server ends when its input does", took < 1, took)
    return version


async def main():
    words = sys.argv[1:]
    host = words[0] if words else os.environ.get("TOWLINE_HOST", "")
    command = words[1:] or [os.environ.get("TOWLINE_BINARY", "towline"), "mcp"]
    if not host:
        print(__doc__)
        return 2
    server = StdioServerParameters(command=command[0], args=command[1:], env=dict(os.environ))
    checks = Checks()
    versions = []
    for mode in ("legacy", "2026-07-28", "auto"):
        try:
            versions.append(await era(mode, host, server, checks))
        except Exception as trouble:  # the other era is still of interest
            checks.that(f"{mode}: a whole session", False, repr(trouble))
    checks.that("both eras were spoken", len(set(versions)) >= 2, versions)
    print(f"{checks.passed} checks passed, {checks.failed} failed, through the mcp package in {len(versions)} ways of connecting")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

"""Drives `towline mcp` through the official MCP client library, over the project that stands on the host.

Usage: demo.py BINARY HOST PROJECT PIDFILE. The environment says how towline finds the throw-away sshd.
"""

import asyncio
import os
import re
import signal
import sys

from mcp import Client
from mcp.client.stdio import StdioServerParameters

from show import Show, Stopwatch

PATIENCE = 60  # seconds for one call

NEW_TEST = '''import unittest

from tides.bar import PERIOD, can_pass


class Neap(unittest.TestCase):
    def test_one_period_later_it_is_the_same(self):
        for hours in range(12):
            self.assertEqual(can_pass(4, 2, hours, 3), can_pass(4, 2, hours + PERIOD, 3))
'''


class Agent:
    """A client of one server, and the host it works on."""

    def __init__(self, client, host, show):
        self.client, self.host, self.show = client, host, show

    async def ask(self, tool, arguments):
        with Stopwatch() as watch:
            result = await self.client.call_tool(tool, {"host": self.host, **arguments})
        text = "\n".join(part.text for part in result.content if part.type == "text")
        return text, bool(result.is_error), watch.milliseconds

    async def call(self, tool, detail, expected, **arguments):
        """Calls a tool, shows the call, and says so where the answer lacks what it must hold."""
        text, is_error, spent = await self.ask(tool, arguments)
        wrong = None
        if is_error:
            wrong = "the tool could not do its work"
        elif not re.search(expected, text):
            wrong = f"the answer does not hold {expected!r}"
        self.show.call(tool, detail, spent, text, wrong)
        return text


def server(binary, pidfile):
    """How the server is started: a shell notes its process id and becomes it."""
    start = 'echo $$ >"$1" && exec "$2" mcp'
    return StdioServerParameters(command="/bin/sh", args=["-c", start, "towline", pidfile, binary], env=dict(os.environ))


async def look_around(agent, project):
    agent.show.title("An agent looks around")
    await agent.call("Connect", f"cwd={project}", re.escape(project.rsplit("/", 1)[-1]), cwd=project)
    await agent.call("Glob", "**/*.py", r"tides/bar\.py", pattern="**/*.py")
    await agent.call("Grep", "def .*pass", r"def can_pass", pattern=r"def .*pass", output_mode="content")
    await agent.call("Read", "tides/bar.py", r"water > draught - margin", file_path=f"{project}/tides/bar.py")


async def fix(agent, project):
    agent.show.title("It runs the tests, fixes the bug, and runs them again")
    tests = "python3 -m unittest 2>&1"
    await agent.call("Bash", tests, r"FAILED \(failures=1\)[\s\S]*exit 1 ", command=tests)
    edit = {"old_string": "water > draught - margin", "new_string": "water > draught + margin"}
    await agent.call("Edit", "tides/bar.py: draught - margin => draught + margin", "bar.py", file_path=f"{project}/tides/bar.py", **edit)
    await agent.call("Write", "tests/test_neap.py", "test_neap", file_path=f"{project}/tests/test_neap.py", content=NEW_TEST)
    await agent.call("Bash", tests, r"Ran 5 tests[\s\S]*OK[\s\S]*exit 0 ", command=tests)


async def remember(agent):
    agent.show.title("A shell keeps its state between calls")
    first = "cd tides && export HARBOUR=Figueira && bar() { grep \"$HARBOUR\" ../harbours.csv; }"
    await agent.call("Bash", first, "exit 0 ", command=first)
    await agent.call("Bash", "bar; pwd", r"Figueira,2\.1[\s\S]*/tides", command="bar; pwd")
    await agent.call("Bash", "exit 3", "exit 3 ", command="exit 3")
    await agent.call("Bash", 'echo "still here: $HARBOUR"', "still here: Figueira", command='echo "still here: $HARBOUR"')


async def side_by_side(agent, project):
    show = agent.show
    show.title("Twenty calls side by side")
    waits = [("Bash", {"command": f"sleep 0.3; echo {number}", "fresh": True}, rf"^{number}\n") for number in range(10)]
    reads = [("Read", {"file_path": f"{project}/harbours.csv"}, "Greymouth") for _ in range(10)]
    with Stopwatch() as watch:
        answers = await asyncio.gather(*(agent.ask(tool, arguments) for tool, arguments, _ in waits + reads))
    good = [not is_error and bool(re.search(want, text)) for (text, is_error, _), (_, _, want) in zip(answers, waits + reads)]
    wrong = None if all(good) else f"{good.count(False)} of them are not what they should be"
    detail = "10 commands that sleep 0.3 s each and 10 Reads"
    together = f"{sum(good)} right answers; one after the other the sleeps alone take 3000 ms"
    show.calls += len(answers) - 1
    show.call("20 calls", detail, watch.milliseconds, together, wrong)


async def outlive(agent):
    """Starts a command that takes longer than the call may wait; returns its id."""
    agent.show.title("towline is killed while a command runs")
    command = "sleep 2; echo the tide came in"
    text = await agent.call("Bash", f"{command}   (timeout 300 ms)", r"running", command=command, timeout=300)
    found = re.search(r"id (\w+)\]\s*$", text)
    return found.group(1) if found else None


async def collect(agent, identity):
    await agent.call("JobOutput", f"id={identity}, asked of a new towline", r"the tide came in[\s\S]*exit 0 ", id=identity, wait=10000)
    await agent.call("Disconnect", "end=true", "", end=True)


async def first_server(binary, host, project, pidfile, show):
    """Works through the session, and kills the server at the end; returns the id of the command that goes on."""
    with Stopwatch() as watch:
        client = Client(server(binary, pidfile), read_timeout_seconds=PATIENCE)
        await client.__aenter__()
        tools = (await client.list_tools()).tools
    try:
        show.call("tools/list", "from the start of the process", watch.milliseconds, ", ".join(tool.name for tool in tools))
        agent = Agent(client, host, show)
        await look_around(agent, project)
        await fix(agent, project)
        await remember(agent)
        await side_by_side(agent, project)
        identity = await outlive(agent)
        kill(pidfile, show)
        return identity
    finally:
        await client.__aexit__(None, None, None)


def kill(pidfile, show):
    with open(pidfile, encoding="ascii") as file:
        pid = int(file.read())
    os.kill(pid, signal.SIGKILL)
    show.line(f"  kill -9 {pid}")


async def main():
    binary, host, project, pidfile = sys.argv[1:]
    show = Show()
    show.line("towline: a coding agent's tools on a host that only has sshd and sh")
    identity = await first_server(binary, host, project, pidfile, show)
    if identity:
        async with Client(server(binary, pidfile), read_timeout_seconds=PATIENCE) as client:
            await collect(Agent(client, host, show), identity)
    show.title("Summary")
    show.line(f"  {show.calls} calls, {len(show.failures)} of them wrong")
    for failure in show.failures:
        show.line(show.paint("31", f"  {failure}"))
    return 1 if show.failures or not identity else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

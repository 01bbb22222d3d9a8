"""Prints calls and answers for a person: 80 columns, colours only where somebody looks at them."""

import os
import sys
import time

WIDTH = 80
LINES = 4  # of an answer


class Show:
    def __init__(self, out=sys.stdout):
        self.out = out
        self.colours = out.isatty() and not os.environ.get("NO_COLOR")
        self.calls = 0
        self.milliseconds = 0.0
        self.failures = []

    def paint(self, code, text):
        return f"\x1b[{code}m{text}\x1b[0m" if self.colours else text

    def line(self, text=""):
        print(text, file=self.out, flush=True)

    def title(self, text):
        self.line(f"\n{self.paint('1', text)}")

    def call(self, tool, detail, milliseconds, answer, wrong=None):
        """One call: its name, what it was asked, its time, and the beginning of its answer."""
        self.calls += 1
        self.milliseconds += milliseconds
        mark = self.paint("31", "x") if wrong else self.paint("32", "*")
        spent = f"{milliseconds:.1f} ms" if milliseconds < 100 else f"{milliseconds:.0f} ms"
        room = WIDTH - 2 - len(tool) - 2 - len(spent) - 2
        detail = one_line(detail, room)
        gap = " " * (room - len(detail) + 2)
        self.line(f"{mark} {self.paint('1', tool)}  {detail}{gap}{self.paint('36', spent)}")
        self.answer(answer)
        if wrong:
            self.failures.append(f"{tool}: {wrong}")
            self.line(f"    {self.paint('31', one_line('wrong: ' + wrong, WIDTH - 4))}")

    def answer(self, text):
        lines = text.rstrip("\n").split("\n")
        # The last line often says how it ended: it is shown even where the middle is not.
        shown = lines if len(lines) <= LINES else lines[: LINES - 1] + [None] + lines[-1:]
        for line in shown:
            text = f"... {len(lines) - LINES} more lines" if line is None else line
            self.line(self.paint("2", f"    {one_line(text, WIDTH - 4)}".rstrip()))


def one_line(text, width):
    """A text in one line of that width; what is cut is marked, tabs and control characters are spaces."""
    flat = "".join(c if c.isprintable() else " " for c in text)
    return flat if len(flat) <= width else flat[: max(width - 3, 0)] + "..."


class Stopwatch:
    def __enter__(self):
        self.begin = time.perf_counter()
        return self

    def __exit__(self, *_):
        self.milliseconds = (time.perf_counter() - self.begin) * 1000

"""Run both sides of the pages in this folder and compare the portfolios: `make docs-peers`.

A block of a peer, ``{code-block} python`` with ``:class: peer``, leaves its portfolio as `theirs`; ours, in an ordinary
fence, as `ours`. Both run in the order of the page, in one namespace. Below its title each task states the largest
difference that was measured; more than ten times as much fails, which leaves room for other versions and machines.
Needs the environment of the benchmarks, which has the peers.
"""

import contextlib
import io
import itertools
import re
import sys
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np

HERE = Path(__file__).parent
FENCE = re.compile(r"^```(?P<kind>python|\{code-block\} python)\n(?P<code>.*?)^```", re.MULTILINE | re.DOTALL)
STATED = re.compile(r"Largest difference of a \w+: `([^`]+)`")
ROOM = 10


class Task(NamedTuple):
    """A section of a page: what it compares, what it states, and its blocks, each with its first line."""

    title: str
    stated: float | None
    blocks: list[tuple[int, str]]
    has_peer: bool


def tasks(page: Path) -> list[Task]:
    """Sections of a page that hold code to run, in order."""
    text = page.read_text("utf-8")
    starts = [0, *(match.start() for match in re.finditer(r"^## ", text, re.MULTILINE)), len(text)]
    found = []
    for start, end in itertools.pairwise(starts):
        section = text[start:end]
        fences = list(FENCE.finditer(section))
        if not fences:
            continue
        # Options of a directive become comments, so that lines keep their numbers.
        code = [re.sub(r"^:", "#:", fence["code"], flags=re.MULTILINE) for fence in fences]
        lines = [text.count("\n", 0, start + fence.start("code")) for fence in fences]
        stated = STATED.search(section)
        title = section.splitlines()[0].removeprefix("## ") if start else "data"
        has_peer = any(":class: peer" in fence["code"] for fence in fences)
        found.append(Task(title, float(stated[1]) if stated else None, list(zip(lines, code, strict=True)), has_peer))
    return found


def difference(page: Path, task: Task, namespace: dict[str, object]) -> float:
    """Run the blocks of a task; largest difference of the two portfolios, NaN where only ours is run."""
    namespace.pop("theirs", None)
    namespace.pop("ours", None)
    for line, code in task.blocks:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile("\n" * line + code, page, "exec"), namespace)
    if not task.has_peer:
        return float("nan")
    theirs, ours = (np.asarray(namespace[side], dtype=float).squeeze() for side in ("theirs", "ours"))
    if theirs.shape != ours.shape:
        raise ValueError(f"{page.name}, {task.title}: shapes {theirs.shape} and {ours.shape}")
    return float(np.max(np.abs(theirs - ours)))


def main() -> int:
    """Print a line for each task; 1 if one of them fails, or states nothing."""
    failed = 0
    print(f"{'page':<18}{'task':<50}{'measured':>10}{'stated':>10}")
    for page in sorted(HERE.glob("*.md")):
        namespace: dict[str, object] = {"__name__": "__main__"}
        for task in tasks(page):
            measured = difference(page, task, namespace)
            if not task.has_peer:
                if "ours" in namespace:
                    print(f"{page.stem:<18}{task.title:<50}{'ours alone':>10}")
                continue
            passes = task.stated is not None and measured <= ROOM * task.stated
            failed += not passes
            stated = "none" if task.stated is None else f"{task.stated:.0e}"
            print(f"{page.stem:<18}{task.title:<50}{measured:>10.1e}{stated:>10}{'' if passes else '  FAILED'}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())

"""The pages keep their word: their Python runs, prints what they show, and includes what exists."""

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = {page.name: page for page in sorted(DOCS.glob("*.md"))}
FENCE = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def python_blocks(page):
    """First line (counted from 0), code, and the output that the page shows right below, if any."""
    text = page.read_text("utf-8")
    fences = list(FENCE.finditer(text))
    for fence, following in zip(fences, [*fences[1:], None], strict=True):
        if fence[1] != "python":
            continue
        adjacent = following and not text[fence.end() : following.start()].strip()
        shown = following[2] if adjacent and following[1] == "text" else None
        yield text.count("\n", 0, fence.start(2)), fence[2], shown


def run(page, line, code, namespace):
    """Run a block, with tracebacks that point to the line of the page; what it prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile("\n" * line + code, page, "exec"), namespace)
    return printed.getvalue()


def lines(text):
    return [line.rstrip() for line in text.strip("\n").splitlines()]


@pytest.mark.parametrize("name", [n for n, page in PAGES.items() if any(python_blocks(page))])
def test_python_blocks_run_in_order_and_print_what_the_page_shows(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    for line, code, shown in python_blocks(PAGES[name]):
        printed = run(PAGES[name], line, code, namespace)
        assert lines(printed) == lines(shown or ""), f"{name}, block at line {line}"

"""The README keeps its word: its Python runs, and its commands exist."""

import re
from pathlib import Path

from benchmarks.headline import MARKS, table

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"


def fenced_blocks() -> list[tuple[int, str, str]]:
    """First line (counted from 0), language and text of each fenced block."""
    text = README.read_text("utf-8")
    fences = re.finditer(r"^```(\w*)[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [(text.count("\n", 0, m.start(2)), m[1], m[2]) for m in fences]


def test_python_blocks_run_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = [(line, code) for line, language, code in fenced_blocks() if language == "python"]
    assert blocks, "the README shows no Python"
    namespace = {"__name__": "__main__"}
    for line, code in blocks:
        # The empty lines make a traceback point to the line of the README.
        exec(compile("\n" * line + code, README, "exec"), namespace)


def test_commands_are_targets_of_the_makefile():
    shell = "".join(code for _, language, code in fenced_blocks() if language != "python")
    inline = re.findall(r"`make ([\w-]+)", README.read_text("utf-8"))
    named = set(re.findall(r"^(?:\$ )?make ([\w-]+)", shell, re.MULTILINE)) | set(inline)
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert {"demo", "test"} <= named <= set(targets)


def test_the_headline_is_what_the_benchmarks_measured():
    text = README.read_text("utf-8")
    assert table().join(MARKS) in text
    assert len(text.splitlines()) < 200


def test_links_lead_somewhere():
    targets = re.findall(r"\]\(([^)#]+)", README.read_text("utf-8"))
    assert [target for target in targets if not (ROOT / target).exists()] == []

"""The pages keep their word: their Python runs, prints what they show, and includes what exists."""

import ast
import contextlib
import importlib
import io
import re
import runpy
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest

from trackfolio import MinTrackingError, metrics
from trackfolio.datasets import load_sp500

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
# Pages by their path within docs; what the build generates lies in _build and in generated.
PAGES = {
    page.relative_to(DOCS).as_posix(): page
    for page in sorted(DOCS.rglob("*.md"))
    if not {"_build", "generated"}.intersection(page.parts)
}
FENCE = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def python_blocks(page):
    """First line (counted from 0), code, and the output that the page shows right below, if any."""
    text = page.read_text("utf-8")
    fences = list(FENCE.finditer(text))
    for fence, following in zip(fences, [*fences[1:], None], strict=False):
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


def printed_by(example):
    command = [sys.executable, DOCS / "examples" / example]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_the_demo_prints_the_figures_of_the_data():
    output = printed_by("track_sp500.py")

    X, y = load_sp500(start="2014", return_X_y=True)
    model = MinTrackingError(max_weights=0.1).fit(X.loc[:"2019"], y.loc[:"2019"])
    expected = [f"{model.solution_.objective:.6%}", f"{model.solution_.lower_bound:.6%}"]
    for rows in (slice(None, "2019"), slice("2020", None)):
        benchmark, portfolio = y.loc[rows], X.loc[rows].to_numpy() @ model.weights_
        rmse = np.sqrt(np.mean((portfolio - benchmark) ** 2))
        gain = np.prod(1 + portfolio) - np.prod(1 + benchmark)
        expected += [f"{rmse:.3%}", f"{rmse * np.sqrt(252):.3%}", f"{gain:.3%}"]
        for measure in (metrics.tracking_error, metrics.mean_active_return):
            expected += [f"{measure(benchmark, portfolio):.3%}"]
        ratio = metrics.information_ratio(benchmark, portfolio)
        expected += [f"{ratio:.2f}", f"{ratio * np.sqrt(252):.2f}"]
    expected += [f"{name:<6}{weight:7.2%}" for name, weight in zip(X.columns, model.weights_, strict=True)]
    assert [figure for figure in expected if figure not in output] == []
    assert max(map(len, output.splitlines())) <= 100


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of old versions of matplotlib, within
@pytest.mark.parametrize("path", sorted(DOCS.glob("pictures/*.py")), ids=lambda path: path.stem)
def test_pictures_draw_what_can_be_seen(path):
    import matplotlib

    matplotlib.use("agg")
    pyplot = importlib.import_module("matplotlib.pyplot")
    pyplot.close("all")  # pages may have drawn
    runpy.run_path(str(path), run_name="__main__")
    [axes] = [figure.axes for figure in map(pyplot.figure, pyplot.get_fignums())]
    pyplot.close("all")
    for ax in axes:
        if not ax.axison:  # its place is taken by the panels of a display
            continue
        drawn = [np.asarray(line.get_ydata(), dtype=float) for line in ax.get_lines()]
        drawn += [np.array([bar.get_height() for bar in bars]) for bars in ax.containers]
        drawn += [path.vertices[:, 1] for areas in ax.collections for path in areas.get_paths()]
        # A rolling window has no value at first.
        assert max(np.count_nonzero(np.isfinite(values)) for values in drawn) >= 20
        assert min(np.mean(np.isfinite(values)) for values in drawn) > 0.9
        assert ax.get_ylabel() or ax.get_title()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("path", sorted(DOCS.glob("gallery/plot_*.py")), ids=lambda path: path.stem)
def test_examples_of_the_gallery_run_and_draw(path, tmp_path, monkeypatch):
    import matplotlib

    matplotlib.use("agg")
    pyplot = importlib.import_module("matplotlib.pyplot")
    pyplot.close("all")
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(path), run_name="__main__")
    assert pyplot.get_fignums()
    pyplot.close("all")


def directives(page, name):
    """Argument and options of each directive of a page."""
    pattern = rf"^(?:```\{{{name}\}}|\.\. {name}::) *(\S+)\n((?: *:[\w-]+:.*\n)*)"
    for match in re.finditer(pattern, page.read_text("utf-8"), re.MULTILINE):
        yield match[1], dict(re.findall(r":([\w-]+): *(.*)", match[2]))


INCLUDES = [(n, *d) for n, page in PAGES.items() for d in directives(page, "literalinclude")]


@pytest.mark.parametrize(("name", "path", "options"), INCLUDES)
def test_included_code_exists(name, path, options):
    source = (DOCS / path).read_text("utf-8")
    defined = {node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)}
    assert options.get("pyobject") in {None, *defined}
    assert options.get("start-at", "") in source


def test_pages_include_real_terms_and_every_picture():
    shown = {options.get("pyobject") for _, _, options in INCLUDES}
    assert {"Exposure", "MaxTurnover", "RootMeanSquare", "Conic"} <= shown
    pictures = {path for page in PAGES.values() for path, _ in directives(page, "plot")}
    assert pictures == {str(p.relative_to(DOCS)) for p in DOCS.glob("pictures/*.py")}


def contents(page):
    """Pages that the table of contents of a page names."""
    for listed in re.findall(r"^```\{toctree\}\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        for entry in re.findall(r"^[^:\s]+$", listed, re.MULTILINE):
            yield str((page.parent / entry).relative_to(DOCS))


def test_every_page_is_in_one_contents():
    patterns = [pattern for page in PAGES.values() for pattern in contents(page)]
    pages = {str(page.relative_to(DOCS).with_suffix("")) for page in [*PAGES.values(), DOCS / "api.rst"]} - {"index"}
    pages.add("generated/gallery/index")  # made by the build
    assert {page for page in pages if sum(fnmatch(page, pattern) for pattern in patterns) != 1} == set()
    assert [pattern for pattern in patterns if not any(fnmatch(page, pattern) for page in pages)] == []

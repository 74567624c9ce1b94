"""Input of which nobody knows where it comes from: never run, never larger than said, never a name of a file."""

import ast
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import trackfolio
from trackfolio import MinTrackingError
from trackfolio.cli import main
from trackfolio.report import report

SOURCES = sorted(Path(trackfolio.__file__).parent.rglob("*.py"))
EVIL = '<script>alert("1")</script>'


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: "/".join(path.parts[-2:]))
def test_nothing_that_is_read_can_be_run(path):
    tree = ast.parse(path.read_text("utf-8"))
    nodes = list(ast.walk(tree))
    called = {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert not called & {"eval", "exec", "compile", "__import__"}
    names = {
        alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    names |= {str(node.module).split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not names & {"pickle", "cloudpickle", "marshal", "shelve", "subprocess", "yaml"}
    read = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    assert not read & {"read_pickle", "allow_pickle", "system", "popen"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_small_parquet_file_that_is_large_in_memory_is_refused(folder):
    pytest.importorskip("pyarrow")
    dates = pd.date_range("1700-01-01", periods=100_000)
    frame = pd.DataFrame(1.0, dates, ["I", *(f"A{i}" for i in range(20))])
    frame.to_parquet("bomb.parquet")
    assert Path("bomb.parquet").stat().st_size < 2_000_000
    result = CliRunner().invoke(main, ["track", "bomb.parquet", "-b", "I", "--max-size", "2MB"])
    assert result.exit_code == 2
    assert "in memory 17.6 MB; the limit is 2 MB" in result.output


@pytest.mark.parametrize("content", [b"PAR1 and then nothing", b"\x00\xff\xfe", b"Date,A,I\n" + b"9" * 100_000])
def test_files_that_are_nothing_are_told(folder, content):
    Path("odd.csv").write_bytes(content)
    result = CliRunner().invoke(main, ["track", "odd.csv", "-b", "I"])
    assert result.exit_code == 2
    assert "odd.csv" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("name", [EVIL, "../../etc/passwd", " a  b ", "=cmd|' /C calc'!A0", "%n%s", "\u202eabc"])
def test_names_stay_text_and_name_no_file(folder, name):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        0.01 * rng.standard_normal((60, 3)), pd.bdate_range("2024-01-01", periods=60), [name, "../b", "<img src=x>"]
    )
    y = X.mean(axis=1).rename(EVIL)
    model = MinTrackingError().fit(X, y)
    portfolio = model.predict(X).relative_to(y)
    report(portfolio, "sheet.html", title=EVIL, estimator=model)
    assert [path.name for path in folder.iterdir()] == ["sheet.html"]
    page = Path("sheet.html").read_text("utf-8")
    for text in (page, portfolio._repr_html_()):
        assert "<script" not in text.lower()
        assert "<img src=x" not in text.lower()

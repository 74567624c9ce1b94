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


def bombs(pyarrow):
    """Columns that are small in the file and large in memory."""
    n, long = 1000, 100_000
    indices = pyarrow.array([0] * n, pyarrow.int32())
    prices = pyarrow.array([1.0] * n)
    text = pyarrow.DictionaryArray.from_arrays(indices, pyarrow.array(["x" * long]))
    days = pyarrow.array(pd.date_range("2020-01-01", periods=n))
    lists = pyarrow.array([[1.0] * 100] * n)
    return {
        "text of 100 MB in memory": {"Date": text, "I": prices},
        "column 'I': dictionary": {"Date": days, "I": text},
        "column 'I': list": {"Date": days, "I": lists},
        "column 'Date': list": {"Date": lists, "I": prices},
        "column 'I': binary": {"Date": days, "I": pyarrow.array([b"x"] * n)},
    }


@pytest.mark.parametrize("place", range(5))
def test_text_and_lists_of_parquet_are_measured_before_they_are_laid_out(folder, place):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    message, columns = list(bombs(pyarrow).items())[place]
    parquet.write_table(pyarrow.table(columns), "bomb.parquet", compression="zstd")
    assert Path("bomb.parquet").stat().st_size < 100_000
    before, pool = pyarrow.total_allocated_bytes(), pyarrow.default_memory_pool()
    result = CliRunner().invoke(main, ["track", "bomb.parquet", "-b", "I", "--max-size", "50MB"])
    assert result.exit_code == 2
    assert message in result.output
    assert len(result.output) < 500
    assert pool.max_memory() - before < 50_000_000


def test_text_of_names_in_parquet_is_measured(folder):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    pd.DataFrame({"A": [1.0, 1.1, 1.0], "I": [1.0, 1.1, 1.2]}, pd.date_range("2020", periods=3)).to_csv("p.csv")
    text = next(iter(bombs(pyarrow).values()))["Date"]
    parquet.write_table(pyarrow.table({"asset": text, "group": text}), "groups.parquet", compression="zstd")
    options = ["--groups", "groups.parquet", "--max-group", "1", "--max-size", "50MB"]
    result = CliRunner().invoke(main, ["track", "p.csv", "-b", "I", *options])
    assert result.exit_code == 2
    assert "groups.parquet has text of 200 MB in memory" in result.output


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

"""The command line: the library's numbers, refusals that help, clean stdout, exit codes, and its page."""

import inspect
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import click
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from numpy.testing import assert_allclose

from trackfolio import MeanRisk, MinTrackingError
from trackfolio.cli import main
from trackfolio.constraints import GroupBounds, MaxTurnover
from trackfolio.datasets import load_sp500, make_index_market
from trackfolio.model_selection import WalkForward, backtest, frontier
from trackfolio.risks import CVaR

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "command_line.md"
START = "2019"
COMMAND = [sys.executable, "-m", "trackfolio"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"}


def write_files(folder):
    """The files that the page speaks of, and some more."""
    data = load_sp500(start=START)
    prices = data.prices.join(data.index)
    prices.to_csv(folder / "prices.csv")
    data.prices.to_csv(folder / "stocks.csv")
    data.index.to_csv(folder / "index.csv")
    sectors = pd.Series("other", index=data.prices.columns, name="group").rename_axis("asset")
    sectors[["AAPL", "MSFT", "AMD"]] = "tech"
    sectors["GE"] = None
    sectors.to_csv(folder / "sectors.csv")
    gaps = prices.copy()
    gaps.iloc[5, 0] = gaps.iloc[10, 2] = gaps.iloc[11, 2] = np.nan
    gaps.to_csv(folder / "gaps.csv")
    return prices


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    write_files(folder)
    return folder


@pytest.fixture(scope="module")
def returns():
    return load_sp500(start=START, return_X_y=True)


@pytest.fixture
def run(files, tmp_path, monkeypatch):
    """Run in a folder of its own, with links to the files."""
    for file in files.iterdir():
        (tmp_path / file.name).symlink_to(file)
    monkeypatch.chdir(tmp_path)
    options = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}
    runner = CliRunner(**options)

    def invoke(*arguments, code=0, stdin=None):
        result = runner.invoke(main, [str(each) for each in arguments], input=stdin)
        assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
        return result

    return invoke


def weights_of(text, names):
    return pd.read_csv(io.StringIO(text), index_col="asset")["weight"].reindex(names, fill_value=0.0)


def write(text, name="f.csv"):
    Path(name).write_text(text, encoding="utf-8")
    return name


def table(*rows, header="Date,A,B,I"):
    return "\n".join([header, *rows]) + "\n"


# The numbers of the library.


def test_track_gives_the_weights_of_the_library(run, returns):
    X, y = returns
    result = run("track", "prices.csv", "--benchmark", "SP500", "--max-weight", 0.1, "--min-weight", 0.01)
    expected = MinTrackingError(max_weights=0.1, min_weights=0.01).fit(X, y)
    weights = weights_of(result.stdout, X.columns)
    assert_allclose(weights, expected.weights_, rtol=0, atol=1e-12)
    assert pd.read_csv(io.StringIO(result.stdout))["weight"].is_monotonic_decreasing
    assert result.stdout.startswith("asset,weight\n")
    assert f"{expected.solution_.lower_bound:.6g}" in result.stderr
    assert "20 assets, 1005 returns from 2019-01-03 to 2022-12-28, against SP500." in result.stderr


def test_track_with_all_limits(run, returns):
    X, y = returns
    run("track", "prices.csv", "-b", "SP500", "-o", "previous.csv")
    limits = ["--max-weight", 0.3, "--groups", "sectors.csv", "--max-group", 0.75, "--max-group", "tech=0.15"]
    limits += ["--previous", "previous.csv", "--max-turnover", 0.25, "--risk", "cvar", "--confidence", 0.9]
    result = run("track", "prices.csv", "-b", "SP500", *limits)
    groups = dict.fromkeys(X.columns, "other") | dict.fromkeys(["AAPL", "MSFT", "AMD"], "tech") | {"GE": None}
    previous = pd.Series(MinTrackingError().fit(X, y).weights_, X.columns)
    expected = MinTrackingError(
        CVaR(0.9),
        max_weights=0.3,
        constraints=[GroupBounds(groups, upper={"other": 0.75, "tech": 0.15}), MaxTurnover(0.25)],
    ).fit(X, y, previous_weights=previous)
    assert_allclose(weights_of(result.stdout, X.columns), expected.weights_, rtol=0, atol=1e-6)


def test_track_few_names(run, returns):
    X, y = returns
    result = run("track", "prices.csv", "-b", "SP500", "-k", 4, "--min-position", 0.1, "--start", "2022")
    rows = X.index >= "2022-01-04"
    expected = MinTrackingError(cardinality=4, min_position=0.1).fit(X[rows], y[rows])
    assert_allclose(weights_of(result.stdout, X.columns), expected.weights_, rtol=0, atol=1e-9)
    assert "4 of 20 assets held" in result.stderr


def test_index_from_a_file_and_whole_shares(run, returns):
    X, y = returns
    result = run("track", "stocks.csv", "-b", "index.csv", "--value", 50_000, "--shares", "orders.csv")
    portfolio = MinTrackingError().fit(X, y).predict(X)
    assert_allclose(weights_of(result.stdout, X.columns), portfolio.weights, rtol=0, atol=1e-12)
    last = load_sp500(start=START).prices.iloc[-1]
    expected = portfolio.to_shares(last, 50_000).table
    orders = pd.read_csv("orders.csv", index_col="asset")
    assert (orders["shares"] == expected["shares"]).all()
    assert "Whole shares written to orders.csv." in result.stderr


def test_returns_in_place_of_prices(run, returns):
    X, y = returns
    X.join(y).to_csv("returns.csv")
    result = run("track", "returns.csv", "-b", "SP500", "--returns")
    assert_allclose(weights_of(result.stdout, X.columns), MinTrackingError().fit(X, y).weights_, rtol=0, atol=1e-12)
    assert "looks like prices" in run("track", "prices.csv", "-b", "SP500", "--returns", code=2).stderr
    wrong = write(table("2020-01-01,0.1,0,0", "2020-01-02,-1.5,0,0", "2020-01-03,0,0.1,0"))
    assert "line 3, column 'A': -1.5 is no simple return" in run("track", wrong, "-b", "I", "--returns", code=2).stderr


@pytest.mark.parametrize(("rebalance", "train", "cv"), [
    ("QE", "365D", WalkForward("365D", freq="QE")),
    ("63", "252", WalkForward(252, 63)),
])  # fmt: skip
def test_backtest_gives_the_returns_of_the_library(run, returns, rebalance, train, cv):
    X, y = returns
    options = ["--train", train, "--rebalance", rebalance, "--cost", 0.001, "--fee", 0.00252, "--max-turnover", 0.05]
    result = run("backtest", "prices.csv", "-b", "SP500", *options, "--weights-out", "weights.parquet")
    expected = backtest(
        MinTrackingError(constraints=[MaxTurnover(0.05)]), X, y, cv=cv, transaction_costs=0.001, management_fee=1e-5
    )
    found = pd.read_csv(io.StringIO(result.stdout), index_col="date", parse_dates=True)
    assert_allclose(found["net"], expected.net.returns, rtol=0, atol=1e-12)
    assert_allclose(found["gross"], expected.gross.returns, rtol=0, atol=1e-12)
    assert_allclose(found["benchmark"], y.loc[found.index], rtol=0, atol=1e-15)
    assert (found.index == expected.net.dates).all()
    targets = pd.read_parquet("weights.parquet").set_index("date")
    assert_allclose(targets, expected.targets, rtol=0, atol=1e-12)


def test_training_rows_with_a_calendar_are_rows(run, returns):
    X, y = returns
    folds = [
        (train[-200:], test) for train, test in WalkForward(1, freq="QE", expanding=True).split(X) if len(train) >= 200
    ]
    expected = backtest(MinTrackingError(), X, y, cv=folds)
    options = ["--train", 200, "--rebalance", "QE", "--out", "net.json"]
    run("backtest", "prices.csv", "-b", "SP500", *options)
    rows = json.loads(Path("net.json").read_text())
    assert_allclose([row["net"] for row in rows], expected.net.returns, rtol=0, atol=1e-12)
    assert rows[0]["date"] == f"{expected.net.dates[0]:%Y-%m-%d}"
    expanding = run("backtest", "prices.csv", "-b", "SP500", "--train", 200, "--rebalance", "QE", "--expanding")
    longer = backtest(MinTrackingError(), X, y, cv=[(np.arange(train[-1] + 1), test) for train, test in folds])
    assert_allclose(pd.read_csv(io.StringIO(expanding.stdout))["net"], longer.net.returns, rtol=0, atol=1e-12)


def test_memory_keeps_fits(run, tmp_path):
    (tmp_path / "kept").mkdir()
    options = ["--train", 252, "--rebalance", "QE", "--memory", "kept", "--start", "2021"]
    first = run("backtest", "prices.csv", "-b", "SP500", *options)
    assert any((tmp_path / "kept").rglob("*.pkl"))
    assert run("backtest", "prices.csv", "-b", "SP500", *options).stdout == first.stdout
    options = ["--train", 9, "--rebalance", 9, "--memory", "nowhere"]
    assert "does not exist" in run("backtest", "prices.csv", "-b", "SP500", *options, code=2).stderr


def test_frontier_gives_the_table_of_the_library(run, returns):
    X, y = returns
    run(
        "frontier",
        "prices.csv",
        "-b",
        "SP500",
        "--risk",
        "cvar",
        "--points",
        3,
        "-o",
        "f.csv",
        "--weights-out",
        "w.csv",
    )
    expected = frontier(MeanRisk(CVaR(0.95)), X, y, values=3)
    found = pd.read_csv("f.csv", index_col="max_tracking_error")
    assert_allclose(found.drop(columns="gap"), expected.table.drop(columns="gap"), rtol=1e-6)
    weights = pd.read_csv("w.csv", index_col="max_tracking_error")
    assert_allclose(weights, [model.weights_ for model in expected], rtol=0, atol=1e-6)


def test_demo(run):
    result = run("demo")
    X, y = (part.loc[:"2019"] for part in load_sp500(start="2014", return_X_y=True))
    model = MinTrackingError(max_weights=0.1).fit(X, y)
    assert f"{model.solution_.lower_bound:.6%}" in result.stdout
    assert all(
        f"{name:<6}{weight:7.2%}" in result.stdout for name, weight in zip(X.columns, model.weights_, strict=True)
    )


# What files may look like.


def variants(prices):
    swapped = prices.iloc[::-1]
    return {
        "german": (prices.to_csv(sep=";", decimal=",", date_format="%d.%m.%Y"), []),
        "british": (prices.to_csv(date_format="%d/%m/%Y"), []),
        "american": (prices.to_csv(sep="\t", date_format="%m/%d/%Y"), []),
        "compact": (prices.to_csv(sep="|", date_format="%Y%m%d"), []),
        "told": (prices.to_csv(date_format="%d %b %y"), ["--date-format", "%d %b %y"]),
        "zones": (prices.to_csv(date_format="%Y-%m-%d 00:00:00-05:00"), []),
        "last first": ("\ufeff" + swapped.to_csv(), []),
        "crlf": ("\n" + prices.to_csv(lineterminator=",\r\n"), []),
    }


@pytest.mark.parametrize("variant", variants(pd.DataFrame({"A": [1.0]}, index=pd.to_datetime(["2020-01-31"]))))
def test_files_of_all_kinds_give_the_same(run, files, variant):
    prices = pd.read_csv(files / "prices.csv", index_col="Date", parse_dates=True)
    text, options = variants(prices)[variant]
    found = run("track", "-", "-b", "SP500", *options, stdin=text.encode("utf-8"))
    assert found.stdout == run("track", "prices.csv", "-b", "SP500").stdout
    assert ("sorted by date" in found.stderr) == (variant == "last first")


@pytest.mark.parametrize("as_index", [True, False])
def test_parquet_gives_the_same_as_csv(run, files, as_index):
    prices = pd.read_csv(files / "prices.csv", index_col="Date", parse_dates=True)
    (prices if as_index else prices.reset_index()).to_parquet("prices.parquet")
    run("track", "prices.parquet", "-b", "SP500", "-o", "weights.parquet")
    run("track", "prices.csv", "-b", "SP500", "-o", "weights.csv")
    assert_allclose(
        pd.read_parquet("weights.parquet")["weight"], pd.read_csv("weights.csv")["weight"], rtol=0, atol=1e-15
    )
    run("track", "prices.csv", "-b", "SP500", "--previous", "weights.parquet", "--max-turnover", 0.1)


GOOD = ("2020-01-01,1,2,2", "2020-01-02,1.1,2.1,2.2", "2020-01-03,1,2,2.1", "2020-01-13,1,2.1,2.1")
PROBLEMS = {
    "empty": ("", "f.csv is empty"),
    "no rows": ("Date,A,I\n", "has a header, but no rows"),
    "too few rows": (table(*GOOD[:2]), "has 2 rows of numbers, 3 are needed"),
    "no header": ("\n".join(GOOD), "line 1 holds numbers, where names are expected"),
    "one field": ("Date A I\n", "line 1 has one field only"),
    "no dates": ("A,B,I\n1,2,3\n4,5,6\n", "line 2: '1' in the first column is not a date"),
    "bad date": (table(GOOD[0], "", "2020-01-35,1,1,1"), "f.csv, line 4: '2020-01-35' is not a date"),
    "other form": (table(GOOD[0], "03.01.2020,1,1,1"), "line 3: '03.01.2020' is not a date of the same form"),
    "missing date": (table(GOOD[0], ",1,1,1"), "line 3: there is no date"),
    "short year": (table("31.12.20,1,1,1"), "'31.12.20' in the first column is not a date that is recognised"),
    "ambiguous": (table(*(f"0{day}/01/2020,1,1,1" for day in (1, 2, 3))), "'02/01/2020' in line 3: say their form"),
    "dates twice": (table(*GOOD[:2], GOOD[0]), "line 4: the date 2020-01-01 is in line 2 already"),
    "names twice": ("Date,A,A,I\n2020-01-01,1,2,3\n", "more than one column is named 'A'"),
    "no name": (table(*GOOD, header="Date,A,,I"), "column 3 has numbers, but no name"),
    "zero": (table(*GOOD[:2], "2020-01-03,0,1,1"), "a price must be positive, but prices: 'A', 2020-01-03 is 0"),
    "negative": (table(*GOOD[:2], "2020-01-03,-1,1,1"), "Give --returns if they are."),
    "infinite": (table(*GOOD[:2], "2020-01-03,inf,1,1"), "a price must be finite"),
    "text": (table(*GOOD[:2], "2020-01-03,x,1,1"), "line 4, column 'A': 'x' is no number"),
    "truth": (table("2020-01-03,True,1,1"), "column 'A': 'True' is no number"),
    "thousands": (table(*GOOD[:2], '2020-01-03,"1,200.5",1,1'), "Thousands separators are not read"),
    "thousands, german": (table("13.2.2020;1.200,5;1", header="Date;A;I"), "'1.200,5' is no number. Thousands"),
    "comma or thousand": (table("13.2.2020;1,200;1", header="Date;A;I"), "'1,200' can be a decimal mark, or stand"),
    "decimal comma": (table("2020-01-03,1,5,1,5,1,5"), "line 2: there are more fields than the 4 of"),
    "one field more": (table("2020-01-03,1,5,1,5"), "there are more fields than the 4 of the header"),
    "gap": (table(*GOOD[:2], "2020-01-03,,1,1"), "missing in 1 of 2 columns: 'A' (1, first in line 4)"),
    "gap in the index": (table(*GOOD[:2], "2020-01-03,1,1"), "'I' (1, first in line 4). Give --missing drop-dates,"),
}  # fmt: skip


@pytest.mark.parametrize("problem", PROBLEMS)
def test_what_is_wrong_with_a_file_is_said(run, problem):
    text, message = PROBLEMS[problem]
    result = run("track", write(text), "-b", "I", code=2)
    assert message in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_files_that_are_not_text(run):
    Path("f.csv").write_bytes(b"Date,A,\xe4\n2020-01-01,1,2\n")
    assert "line 1: the text is not in UTF-8 (byte 0xe4)" in run("track", "f.csv", "-b", "I", code=2).stderr
    Path("f.csv").write_bytes("Date,A,I\n".encode("utf-16"))
    assert "in UTF-16" in run("track", "f.csv", "-b", "I", code=2).stderr
    Path("f.csv").write_bytes(b"PAR1 and nothing else")
    assert "cannot be read as Parquet" in run("track", "f.csv", "-b", "I", code=2).stderr
    dates = pd.to_datetime(["2020-01-01", None, "2020-01-03"])
    pd.DataFrame({"A": [1.0, 1.1, 1.0], "I": [1.0, 1.1, 1.2]}, index=dates).to_parquet("f.parquet")
    assert "f.parquet, row 2: there is no date." in run("track", "f.parquet", "-b", "I", code=2).stderr


def test_files_that_are_too_large(run):
    assert "kB, the limit is 10 kB" in run("track", "prices.csv", "-b", "SP500", "--max-size", "10kB", code=2).stderr
    result = run("track", "-", "-b", "I", "--max-size", "10", code=2, stdin="Date,A,I\n2020-01-01,1,2")
    assert "standard input has more than 10 bytes" in result.stderr
    assert "is not a size" in run("track", "prices.csv", "-b", "SP500", "--max-size", "much", code=2).stderr


def test_ambiguous_dates_can_be_told(run):
    rows = [f"0{day}/01/2020,{price}" for day, price in ((1, "1,2,2"), (2, "1.1,2,2.1"), (3, "1,2.1,2"))]
    file = write(table(*rows))
    assert "from 2020-01-02 to 2020-01-03" in run("track", file, "-b", "I", "--date-format", "%d/%m/%Y").stderr
    assert "from 2020-02-01 to 2020-03-01" in run("track", file, "-b", "I", "--date-format", "%m/%d/%Y").stderr
    assert "line 2" in run("track", file, "-b", "I", "--date-format", "%Y-%m-%d", code=2).stderr


def test_names_that_are_not_there_bring_a_suggestion(run):
    assert "Did you mean 'SP500'?" in run("track", "prices.csv", "-b", "SP50", code=2).stderr
    assert "Did you mean 'AAPL'?" in run("track", "prices.csv", "-b", "SP500", "--exclude", "appl", code=2).stderr
    limits = ["--groups", "sectors.csv", "--max-group", "tec=0.1"]
    assert "Did you mean 'tech'?" in run("track", "prices.csv", "-b", "SP500", *limits, code=2).stderr
    holdings = write("asset,weight\nAAPLE,1\n")
    limits = ["--previous", holdings, "--max-turnover", "0.1"]
    assert "Did you mean 'AAPL'?" in run("track", "prices.csv", "-b", "SP500", *limits, code=2).stderr


def test_columns_that_are_excluded_may_hold_anything(run):
    file = write(table("2020-01-01,1,x,2", "2020-01-02,1.1,y,2.1", "2020-01-03,1,z,2"))
    assert run("track", file, "-b", "I", "--exclude", "B").stdout == "asset,weight\nA,1.0\n"


def test_gaps_are_dropped_as_told_and_never_in_silence(run):
    assert (
        "'AAPL' (1, first in line 7), 'BAC' (2, first in line 12)"
        in run("track", "gaps.csv", "-b", "SP500", code=2).stderr
    )
    assets = run("track", "gaps.csv", "-b", "SP500", "--missing", "drop-assets", "-q")
    assert assets.stderr == ""
    said = run("track", "gaps.csv", "-b", "SP500", "--missing", "drop-assets")
    assert "2 of 20 assets left out: AAPL, BAC." in said.stderr
    assert said.stdout == run("track", "prices.csv", "-b", "SP500", "--exclude", "AAPL", "--exclude", "BAC").stdout
    dates = run("track", "gaps.csv", "-b", "SP500", "--missing", "drop-dates")
    assert "3 of 1006 dates left out: 2019-01-09, 2019-01-16, 2019-01-17." in dates.stderr
    assert run("track", "gaps.csv", "-b", "SP500", "--start", "2019-02").exit_code == 0


def test_dates_of_an_index_in_a_file_of_its_own_are_joined(run):
    file = write(table(*GOOD))
    index = write(table("2020-01-01,2", "2020-01-03,2.1", "2020-01-13,2.2", "2020-01-14,2.1", header="Date,I"), "i.csv")
    result = run("track", file, "-b", index, "--exclude", "I")
    assert "2 dates that only one of f.csv and i.csv has are left out." in result.stderr
    assert "2 assets, 2 returns from 2020-01-03 to 2020-01-13" in result.stderr
    assert "cannot be joined" in run("track", file, "-b", index, "--exclude", "I", "--returns", code=2).stderr
    assert "must have one column besides the dates" in run("track", "stocks.csv", "-b", "gaps.csv", code=2).stderr


# Options, output and exit codes.


@pytest.mark.parametrize(("options", "message"), [
    (["--start", "31.12.2020"], "write 2020-12-31, 2020-12 or 2020"),
    (["--start", "2020-02-31"], "is not a date"),
    (["--start", "2030"], "none of them from 2030 to the last"),
    (["--value", "100"], "--value and --shares go together"),
    (["--max-turnover", "0.1"], "--max-turnover needs --previous"),
    (["--max-group", "0.1"], "--groups and --max-group go together"),
    (["--groups", "sectors.csv", "--max-group", "x=y"], "neither a weight"),
    (["--groups", "index.csv", "--max-group", "0.3"], "leaves out"),
    (["--confidence", "0.9"], "--confidence is of --risk cvar"),
    (["--risk", "fear"], "Invalid value for '--risk'"),
    (["--time-limit", "5"], "give --cardinality or --min-position"),
    (["--cardinalty", "5"], "--cardinality"),
    (["--sep", ";"], "the header has one field only, if columns are separated by ';'"),
    (["--max-weight", "5"], "--max-weight 5 is above 1: weights are shares of 1, 5 % is 0.05."),
    (["--max-group", "tech=30", "--groups", "sectors.csv"], "--max-group 30 is above 1"),
    (["--sep", "ab"], "is not one character"),
    (["--out", "weights.txt"], "ends with none of .csv, .parquet, .json"),
    (["--out", "none/weights.csv"], "there is no folder none"),
    (["--out", "prices.csv", "--force"], "is read by this command"),
    (["--out", "a.csv", "--shares", "a.csv", "--value", "1"], "the place for two tables"),
])  # fmt: skip
def test_options_that_cannot_be(run, options, message):
    result = run("track", "prices.csv", "-b", "SP500", *options, code=2)
    assert message in result.stderr
    assert result.stdout == ""


def test_backtest_options_that_cannot_be(run):
    for train, rebalance, message in (
        ("9999", "ME", "do not fit into"), ("365D", "21", "is not a number of rows"), ("0", "ME", "at least one row"),
        ("100", "XX", "--rebalance must be a frequency"), ("9999", "21", "No fold in"),
    ):  # fmt: skip
        options = ["--train", train, "--rebalance", rebalance]
        assert message in run("backtest", "prices.csv", "-b", "SP500", *options, code=2).stderr


def test_nothing_is_overwritten_without_force(run):
    arguments = ["track", "prices.csv", "-b", "SP500", "--start", "2022", "--out", "weights.csv"]
    Path("weights.csv").write_text("mine")
    assert "weights.csv exists" in run(*arguments, code=2).stderr
    assert Path("weights.csv").read_text() == "mine"
    run(*arguments, "--force")
    assert Path("weights.csv").read_text().startswith("asset,weight\n")


def test_formats_go_by_suffix_or_option(run):
    arguments = ["track", "prices.csv", "-b", "SP500", "--start", "2022"]
    expected = pd.read_csv(io.StringIO(run(*arguments).stdout))
    assert_allclose(pd.DataFrame(json.loads(run(*arguments, "--format", "json").stdout))["weight"], expected["weight"])
    run(*arguments, "--format", "parquet", "--out", "weights")
    pd.testing.assert_frame_equal(pd.read_parquet("weights"), expected, check_dtype=False)


def test_limits_that_contradict_one_another_exit_with_1(run):
    result = run("track", "prices.csv", "-b", "SP500", "--max-weight", 0.04, code=1)
    assert "the weights must add up to 1, but --max-weight add up to only 0.8: raise --max-weight." in result.stderr
    assert "This is enough: raise --max-weight from 0.04 to at least 0.05.\n" in result.stderr
    run("track", "prices.csv", "-b", "SP500", "--max-weight", 0.05, "--out", "even.csv")
    limits = ["--previous", "even.csv", "--max-turnover", 0.01, "--groups", "sectors.csv", "--max-group", "tech=0.05"]
    result = run("track", "prices.csv", "-b", "SP500", *limits, code=1)
    assert "together: --max-turnover, --max-group." in result.stderr


def test_a_search_that_stops_is_said_and_strict_exits_with_3(run):
    arguments = ["track", "prices.csv", "-b", "SP500", "-k", 10, "--time-limit", 0.01, "--out", "weights.csv"]
    result = run(*arguments, "--strict", code=3)
    assert re.search(r"Stopped \(time\) before a proof: .* the gap is \d+\.\d+%", result.stderr)
    assert len(pd.read_csv("weights.csv")) <= 10
    run(*arguments, "--force")


def test_searches_that_stop_within_backtests_and_frontiers_are_counted(run):
    limits = ["-k", 10, "--time-limit", 0.01, "--start", "2021", "--strict", "-o", "out.csv", "--force"]
    result = run("backtest", "prices.csv", "-b", "SP500", "--train", 252, "--rebalance", "QE", *limits, code=3)
    assert "3 of 3 searches stopped before a proof; their largest gap is" in result.stderr
    result = run("frontier", "prices.csv", "-b", "SP500", "--points", 2, *limits, code=3)
    assert re.search(r"of 2 searches stopped before a proof", result.stderr)
    assert len(pd.read_csv("out.csv")) == 2


def test_tracebacks_are_for_debug(run, monkeypatch, capfd):
    def fail(*args, **options):
        raise RuntimeError("of ours")

    monkeypatch.setattr(MinTrackingError, "fit", fail)
    result = run("track", "prices.csv", "-b", "SP500", code=1)
    assert result.stderr.splitlines()[-1] == "Error: RuntimeError: of ours (--debug shows where)"
    assert "Traceback" in run("track", "prices.csv", "-b", "SP500", "--debug", code=1).stderr


def test_reports_are_written_by_the_report_module(run, monkeypatch):
    calls = []
    stub = types.ModuleType("trackfolio.report")
    stub.report = lambda subject, path, *, title=None, overwrite=False: calls.append((subject, path, title, overwrite))
    monkeypatch.setitem(sys.modules, "trackfolio.report", stub)
    common = ["prices.csv", "-b", "SP500", "--start", "2021", "--report", "sheet.html"]
    run("track", *common)
    run("backtest", *common, "--train", 252, "--rebalance", "QE", "--force")
    run("frontier", *common, "--points", 3)
    run("demo", "--report", "sheet.html")
    kinds = [type(subject).__name__ for subject, *_ in calls]
    assert kinds == ["Portfolio", "Backtest", "Portfolio", "Portfolio"]
    assert [call[1] for call in calls] == ["sheet.html"] * 4
    assert [call[3] for call in calls] == [False, True, False, False]
    Path("sheet.html").touch()
    assert "sheet.html exists" in run("demo", "--report", "sheet.html", code=2).stderr


def test_help_names_every_option_and_its_unit():
    for command in main.commands.values():
        context = click.Context(command, info_name=command.name, max_content_width=100)
        text = " ".join(command.get_help(context).split())
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.opts[0] in text
                assert parameter.help, parameter.name
            is_number = isinstance(parameter.type, click.types.FloatRange | click.types.FloatParamType)
            if is_number:
                assert re.search(r"share of|Seconds|[Ll]evel|per year|money", parameter.help), parameter.name
        assert "Examples:" in text
        assert "\b" not in text


# As a process.


def process(*arguments, folder, **options):
    return subprocess.run(
        [*COMMAND, *arguments], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, **options
    )


def started(*arguments, folder):
    pipes = dict.fromkeys(["stdin", "stdout", "stderr"], subprocess.PIPE)
    return subprocess.Popen([*COMMAND, *arguments], cwd=folder, env=ENVIRONMENT, text=True, **pipes)


def test_help_and_version_are_there_at_once(files):
    process("--version", folder=files)  # with a warm cache
    for option in ("--help", "--version"):
        start = time.perf_counter()
        assert process(option, folder=files).returncode == 0
        # 0.06 s where nothing else runs; never what scikit-learn takes to load.
        assert time.perf_counter() - start < 1.0
    command = [sys.executable, "-X", "importtime", "-m", "trackfolio", "--help"]
    modules = subprocess.run(command, cwd=files, env=ENVIRONMENT, capture_output=True, text=True).stderr
    assert {"numpy", "pandas", "sklearn"}.intersection(modules.replace("|", " ").split()) == set()


def test_a_pipe_that_closes_ends_quietly(files):
    line = f"{sys.executable} -m trackfolio backtest - -b SP500 --train 252 --rebalance QE -q < prices.csv | head -n 2"
    run = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], cwd=files, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert run.stdout.startswith("date,net,gross,benchmark\n")
    assert (run.stderr, run.returncode) == ("", 0)
    # A reader that is gone before anything is written.
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as gone:
        command = [*COMMAND, "track", "prices.csv", "-b", "SP500", "-q"]
        run = subprocess.run(command, cwd=files, env=ENVIRONMENT, stdout=gone, stderr=subprocess.PIPE, text=True)
    assert (run.stderr, run.returncode) == ("", 0)


def test_an_interrupt_exits_with_130(files):
    with started("track", "-", "-b", "SP500", folder=files) as running:
        assert running.stderr.readline() == "Tracking SP500 with standard input ...\n"
        time.sleep(0.2)
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=20)
    assert running.returncode == 130, errors
    assert errors.strip() == "Interrupted."


def test_an_interrupted_search_writes_the_best_so_far(tmp_path):
    X, y = make_index_market(120, 300, random_state=0, return_X_y=True)
    X.join(y).to_csv(tmp_path / "returns.csv")
    with started(
        "track", "returns.csv", "--returns", "-b", "Index", "-k", "15", "-o", "w.csv", folder=tmp_path
    ) as running:
        while "120 assets" not in running.stderr.readline():
            pass
        time.sleep(3)
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=30)
    assert running.returncode == 130, errors
    assert "Traceback" not in errors
    # On a busy machine, the interrupt may come before the search has found anything.
    if "Stopped (interrupt)" in errors:
        assert len(pd.read_csv(tmp_path / "w.csv")) <= 15
    else:
        assert errors.strip().endswith("Interrupted.")


def test_warnings_are_one_line(files, tmp_path):
    code = (
        "import sys, warnings\n"
        "from trackfolio.cli import main\n"
        "import trackfolio.tracking as t\n"
        "fit = t.MinTrackingError.fit\n"
        "def warned(self, *a, **k):\n"
        "    warnings.warn('max_weights is\\nodd', UserWarning)\n"
        "    return fit(self, *a, **k)\n"
        "t.MinTrackingError.fit = warned\n"
        "main(['track', 'prices.csv', '-b', 'SP500', '-q'])\n"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=files, env=ENVIRONMENT, capture_output=True, text=True)
    assert run.stderr == "Warning: --max-weight is odd\n"
    assert run.stdout.startswith("asset,weight\n")


# The page.


def shell_blocks():
    """Line, commands and what is shown right below."""
    text = PAGE.read_text("utf-8")
    for match in re.finditer(r"^```sh\n(.*?)^```\n\n```text\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield text.count("\n", 0, match.start()) + 1, match[1], match[2]


def without_effort(text):
    """Output without what differs from machine to machine: seconds, gaps, the last digits of numbers."""
    text = re.sub(r"gap -?[\d.e-]+; (\w+), [\d.e-]+ s", r"gap; \1", text)
    return re.sub(r"-?\d+\.\d{7,}", lambda match: f"{float(match[0]):.5g}", text)


def printed_by(block, folder):
    """What a terminal shows of a block, run by a shell with the program `trackfolio`."""
    program = folder / "bin" / "trackfolio"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m trackfolio "$@"\n')
    program.chmod(0o755)
    environment = {**ENVIRONMENT, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(
        ["sh", "-c", block], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ).stdout


def test_the_page_shows_what_its_commands_print(tmp_path):
    write_files(tmp_path)
    blocks = list(shell_blocks())
    assert len(blocks) == PAGE.read_text("utf-8").count("```sh") > 4
    for line, block, shown in blocks:
        assert without_effort(printed_by(block, tmp_path)) == without_effort(shown), f"block at line {line}"

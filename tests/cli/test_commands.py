"""The commands give the numbers of the library."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from tests.cli.support import START, table, write
from trackfolio import MeanRisk, MinTrackingError
from trackfolio.constraints import GroupBounds, MaxTurnover
from trackfolio.datasets import load_sp500
from trackfolio.model_selection import WalkForward, backtest, frontier
from trackfolio.risks import CVaR


def weights_of(text, names):
    return pd.read_csv(io.StringIO(text), index_col="asset")["weight"].reindex(names, fill_value=0.0)


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

"""The table of measures, and what series are called."""

import numpy as np
import pandas as pd
import pytest

from trackfolio._portfolio_summary import main_column
from trackfolio.portfolio import Portfolio
from trackfolio.risks import WorstRealization

PATH = [[0.5], [0.2], [-0.3], [0.1]]


def test_largest_loss_by_sums_and_by_wealth():
    portfolio = Portfolio(PATH, [1.0])
    assert portfolio.max_drawdown() == pytest.approx(0.3)  # 0.7 to 0.4
    deep = Portfolio([[0.5], [-0.3], [-0.3]], [1.0])
    assert deep.max_drawdown() == pytest.approx(0.6)
    assert deep.max_drawdown(compounded=True) == pytest.approx(1 - 0.7**2)
    assert deep.summary().loc["maximum drawdown, compounded", "overall"] == pytest.approx(0.51)
    assert deep.summary().loc["maximum drawdown", "overall"] == pytest.approx(0.6)


def test_ratio_without_a_risk_free_rate():
    portfolio = Portfolio(PATH, [1.0])
    assert portfolio.ratio(WorstRealization()) == pytest.approx(0.125 / 0.3)
    assert portfolio.ratio(WorstRealization(), 0.065) == pytest.approx(0.06 / 0.3)
    assert portfolio.relative_to([0.0, 0.1, 0.0, 0.0]).ratio(WorstRealization(), active=True) == pytest.approx(
        0.1 / 0.3
    )


def test_dates_are_compared_where_both_sides_have_them():
    y = pd.Series([0.1, 0.2, 0.3, 0.4], pd.bdate_range("2024-01-01", periods=4))
    portfolio = Portfolio(PATH, [1.0]).relative_to(y)
    assert portfolio.mean_active_return() == pytest.approx(0.125 - 0.25)
    assert isinstance(portfolio.benchmark.index, pd.RangeIndex)


def test_names_of_series():
    portfolio = Portfolio(PATH, [1.0])
    for series in (portfolio.returns, portfolio.cumulative_returns(), portfolio.drawdowns()):
        assert series.name == "portfolio"
    assert portfolio.weights.name == "weight"
    other = portfolio.relative_to(pd.Series([0.1, 0.2, 0.3, 0.4], name="Index"))
    assert other.benchmark.name == "Index"
    by_weights = other.relative_to(benchmark_weights=[0.5])
    assert by_weights.benchmark.name == "benchmark"  # the name of the last benchmark does not stay
    assert by_weights.benchmark_weights.name == "weight"
    assert by_weights.active_returns.name == "active"
    assert portfolio.summary().index.name == "measure"


def test_series_are_copies():
    portfolio = Portfolio(PATH, [1.0]).relative_to(benchmark_weights=[0.5])
    for take in (lambda p: p.returns, lambda p: p.benchmark, lambda p: p.weights, lambda p: p.benchmark_weights):
        before = take(portfolio).copy()
        series = take(portfolio)
        series.iloc[0] = 7.0
        pd.testing.assert_series_equal(take(portfolio), before)


def test_the_column_that_is_asked_for_first():
    row = {"per period": 1.0, "annualised": 2.0, "overall": 3.0}
    assert main_column(row) == "annualised"
    assert main_column(row | {"annualised": np.nan}) == "overall"
    assert main_column(row | {"annualised": np.nan, "overall": np.nan}) == "per period"
    assert main_column(dict.fromkeys(row, np.nan)) is None


def test_what_is_not_defined_is_nan_in_the_table_and_nothing_else_is_hidden():
    constant = Portfolio([[0.01], [0.01], [0.01]], [1.0], periods_per_year=12)
    table = constant.summary()
    assert np.isnan(table.loc["Sharpe ratio"]).all()
    assert table.loc["mean return", "annualised"] == pytest.approx(0.12)
    with pytest.warns(RuntimeWarning, match="overflow"):
        Portfolio([[1e200], [-1e200], [0.0]], [1.0]).summary()


def test_measures_of_a_single_period():
    table = Portfolio([[0.01]], [1.0]).relative_to([0.02]).summary()
    assert table.loc["mean return", "per period"] == pytest.approx(0.01)
    assert table.loc["compounded return", "overall"] == pytest.approx(0.01)
    assert table.loc["tracking RMSE", "per period"] == pytest.approx(0.01)
    assert table.loc["maximum drawdown, compounded", "overall"] == 0
    for measure in ("volatility", "Sharpe ratio", "tracking error", "information ratio", "alpha", "beta", "CVaR 95 %"):
        assert np.isnan(table.loc[measure]).all()


def test_whole_shares_of_a_portfolio():
    dates = pd.bdate_range("2024-01-01", periods=3)
    X = pd.DataFrame([[0.1, 0.2], [0.0, 0.1], [0.3, -0.1]], dates, ["A", "B"])
    exact = Portfolio(X, [0.41, 0.57]).to_shares({"A": 10.0, "B": 30.0}, 1000.0)
    assert exact.holdings.to_dict() == {"A": 41, "B": 19}
    assert exact.cash == pytest.approx(20)
    portfolio = Portfolio(X, [0.4, 0.6])
    by_lots = portfolio.to_shares([10.0, 30.0], 1000.0, lot_size={"A": 30, "B": 20})
    assert by_lots.holdings.to_dict() == {"A": 30, "B": 20}
    assert by_lots.cash == pytest.approx(100)
    expected = pd.Series(X["A"] * -0.1, dates)  # a tenth less of A
    pd.testing.assert_series_equal(by_lots.active_returns, expected, check_names=False, check_freq=False)
    assert by_lots.periods_per_year == 252

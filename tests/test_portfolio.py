"""The portfolio: what it is made of, what it refuses, what it knows."""

import copy
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.exceptions import UndefinedMetricWarning

from trackfolio import metrics
from trackfolio.portfolio import Portfolio

W = np.array([0.5, 0.3, 0.2])
W_B = np.array([0.2, 0.3, 0.5])


@pytest.fixture(name="X")
def returns_of_the_assets():
    rng = np.random.default_rng(5)
    dates = pd.bdate_range("2023-01-02", periods=300, name="date")
    return pd.DataFrame(rng.normal(0.0005, 0.01, (300, 3)), index=dates, columns=list("ABC"))


@pytest.fixture
def y(X):
    noise = np.random.default_rng(6).normal(0, 0.001, 300)
    return pd.Series(X.to_numpy() @ W_B + noise, index=X.index, name="Index")


@pytest.fixture
def portfolio(X, y):
    return Portfolio(X, W, name="P").relative_to(y, benchmark_weights=W_B)


class TestConstruction:
    def test_returns_are_the_product(self, X):
        expected = [sum(W[i] * row[i] for i in range(3)) for row in X.to_numpy()]
        portfolio = Portfolio(X, W)
        np.testing.assert_allclose(np.asarray(portfolio), expected, rtol=1e-13)
        assert portfolio.returns.index.equals(X.index)
        assert portfolio.returns.name == "portfolio"
        assert Portfolio(X, W, name="P").returns.name == "P"
        assert portfolio.dates.equals(X.index)
        pd.testing.assert_series_equal(portfolio.weights, pd.Series(W, index=list("ABC"), name="weight"))
        assert portfolio.benchmark is None
        assert portfolio.benchmark_weights is None
        assert portfolio.name is None

    @pytest.mark.parametrize(
        "weights",
        [{"C": 0.2, "A": 0.5, "B": 0.3}, pd.Series({"B": 0.3, "C": 0.2, "A": 0.5}), list(W)],
    )
    def test_weights_by_name(self, X, weights):
        np.testing.assert_array_equal(Portfolio(X, weights), Portfolio(X, W))

    def test_plain_arrays(self, X):
        portfolio = Portfolio(X.to_numpy(), {"x2": 0.2, "x0": 0.5, "x1": 0.3})
        assert list(portfolio.weights.index) == ["x0", "x1", "x2"]
        assert portfolio.dates is None
        assert isinstance(portfolio.returns.index, pd.RangeIndex)
        np.testing.assert_array_equal(portfolio, Portfolio(X, W))

    def test_other_containers(self, X):
        reference = np.asarray(Portfolio(X, W))
        from_polars = Portfolio(pl.from_pandas(X), dict(zip("ABC", W, strict=True)))
        np.testing.assert_allclose(from_polars, reference, rtol=1e-13)
        assert from_polars.dates is None
        np.testing.assert_allclose(Portfolio(X.to_numpy().tolist(), W), reference, rtol=1e-13)
        np.testing.assert_allclose(Portfolio(X.astype("Float64"), W), reference, rtol=1e-13)
        np.testing.assert_allclose(Portfolio(X.astype(object), W), reference, rtol=1e-13)
        single = Portfolio(X.astype(np.float32), W)
        assert single.dtype == np.float64
        np.testing.assert_allclose(single, reference, atol=1e-8)
        assert list(Portfolio(X.set_axis([1, 2, 3], axis=1), W).weights.index) == ["1", "2", "3"]

    def test_keeps_a_reference_to_x_and_a_copy_of_the_rest(self, X):
        values, weights, benchmark = X.to_numpy().copy(), W.copy(), np.zeros(300)
        portfolio = Portfolio(values, weights, benchmark=benchmark)
        assert np.shares_memory(portfolio._X, values)
        assert np.shares_memory(Portfolio(X, W)._X, X.to_numpy())
        weights[:] = 0
        benchmark[:] = 1
        np.testing.assert_array_equal(portfolio.weights, W)
        assert portfolio.benchmark.eq(0).all()
        values[:] = 0  # The caller's own array stays writeable.

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda X: X.mask(X.eq(X.iloc[7, 1])), r"NaN: first at row 2023-01-11.*'B'"),
            (
                lambda X: X.to_numpy() / np.where(np.eye(300, 3), 0.0, 1.0),
                r"infinity: .* row 0.* 0",
            ),
            (
                lambda X: pd.DataFrame({"A": [0.0, np.inf], "B": [-np.inf, 0.0], "C": 0.0}),
                r"infinity: first at row 0, column 'B' \(2 in all\)",
            ),
            (lambda X: pl.from_pandas(X).with_columns(pl.lit(None).alias("B")), "NaN: .*'B'"),
            (lambda X: X["A"], r"matrix of returns.*got shape \(300,\)"),
            (lambda X: X.iloc[:0], r"at least one of each: got shape \(0, 3\)"),
            (lambda X: X.iloc[:, :0], r"at least one of each: got shape \(300, 0\)"),
            (lambda X: X.astype(str) + "%", "X must be numbers.*DataFrame.*'.*%'"),
            (lambda X: 3.0, r"got shape \(\)"),
            (lambda X: X.iloc[:, :2], "weights has shape .3,., but there are 2 assets"),
        ],
    )
    @pytest.mark.filterwarnings("ignore:divide by zero")
    def test_bad_x_is_refused(self, X, change, message):
        with pytest.raises(ValueError, match=message):
            Portfolio(change(X), W)

    def test_nan_is_found_where_the_weight_is_zero(self, X):
        X.iloc[3, 2] = np.nan
        with pytest.raises(ValueError, match=r"row 2023-01-05.*'C'"):
            Portfolio(X, [0.5, 0.5, 0.0])

    @pytest.mark.parametrize(
        ("weights", "message"),
        [
            ([0.5, 0.5], r"shape \(2,\), but there are 3 assets"),
            ([0.5, np.nan, 0.5], "'B' is NaN"),
            ([0.5, np.inf, 0.5], "'B' is infinite"),
            (0.3, "one number per asset, got 0.3"),
            ([[0.5, 0.3, 0.2]], r"shape \(1, 3\)"),
            ({"A": 0.5, "B": 0.5}, "leaves out 'C'"),
            ({"A": 0.5, "B": 0.5, "Cc": 0.0}, "'Cc', which is not there. Did you mean 'C'?"),
        ],
    )
    def test_bad_weights_are_refused(self, X, weights, message):
        with pytest.raises(ValueError, match=message):
            Portfolio(X, weights)
        with pytest.raises(ValueError, match=message):
            Portfolio(X, W).relative_to(benchmark_weights=weights)


class TestBenchmark:
    def test_by_returns(self, X, y):
        given = Portfolio(X, W, benchmark=y)
        later = Portfolio(X, W).relative_to(y)
        pd.testing.assert_series_equal(given.benchmark, y)
        pd.testing.assert_series_equal(later.benchmark, y)
        assert later.tracking_error() == given.tracking_error()
        pd.testing.assert_series_equal(later.active_returns, (X @ W - y).rename("active"), check_freq=False)

    def test_by_weights(self, X):
        portfolio = Portfolio(X, W).relative_to(benchmark_weights={"C": 0.5, "A": 0.2, "B": 0.3})
        np.testing.assert_allclose(portfolio.benchmark, X.to_numpy() @ W_B, rtol=1e-13)
        assert portfolio.benchmark.name == "benchmark"
        assert portfolio.active_share() == pytest.approx(0.3)
        np.testing.assert_array_equal(portfolio.benchmark_weights, W_B)
        sigma = X.cov()
        expected = portfolio.active_returns.std()
        by_name = sigma.loc[list("CAB"), list("CAB")]
        assert portfolio.ex_ante_tracking_error(by_name) == pytest.approx(expected)
        assert portfolio.ex_ante_tracking_error(sigma.to_numpy(), annualised=True) == pytest.approx(expected * 252**0.5)

    def test_both_take_the_returns_of_y_and_the_weights_for_the_active_share(self, X, y):
        portfolio = Portfolio(X, W).relative_to(y, benchmark_weights=W_B)
        pd.testing.assert_series_equal(portfolio.benchmark, y)
        assert portfolio.active_share() == pytest.approx(0.3)

    def test_a_new_benchmark_forgets_the_weights_of_the_old_one(self, portfolio, y):
        assert portfolio.relative_to(y).benchmark_weights is None

    def test_another_portfolio_is_a_benchmark(self, X):
        other = Portfolio(X, W_B, name="Q")
        portfolio = Portfolio(X, W).relative_to(other)
        pd.testing.assert_series_equal(portfolio.benchmark, other.returns)
        shifted = Portfolio(X.shift(freq="D"), W_B)
        with pytest.raises(ValueError, match="dates of X and y differ"):
            Portfolio(X, W).relative_to(shifted)
        assert Portfolio(X, W).relative_to(Portfolio(X.to_numpy(), W_B)).beta() == portfolio.beta()

    def test_nothing_is_changed(self, X, y):
        portfolio = Portfolio(X, W)
        portfolio.relative_to(y)
        assert portfolio.benchmark is None

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda y: y.shift(freq="D"), r"dates of X and \w+ differ: row 0 is 2023-01-02"),
            (lambda y: y.sample(frac=1, random_state=0), "never aligned in silence"),
            (lambda y: y.iloc[1:], "2023-01-02.* is in only one of them"),
            (lambda y: y.to_numpy()[1:], r"shape \(300,\) like the rows of X: got shape \(299,\)"),
            (lambda y: y.to_frame(), r"got shape \(300, 1\)"),
            (lambda y: y.mask(y.index == "2023-01-04"), "NaN: first at row 2023-01-04"),
            (lambda y: y.replace(y.iloc[2], -np.inf), "infinity: first at row 2023-01-04"),
            (lambda y: y.astype(str) + "%", "must be numbers.*Series"),
        ],
    )
    def test_bad_benchmark_is_refused(self, X, y, change, message):
        with pytest.raises(ValueError, match=message):
            Portfolio(X, W, benchmark=change(y))
        with pytest.raises(ValueError, match=message):
            Portfolio(X, W).relative_to(change(y))

    def test_without_a_benchmark_the_error_says_what_to_do(self, X, y):
        portfolio = Portfolio(X, W)
        with pytest.raises(ValueError, match=r"relative_to needs a benchmark.*never guessed"):
            portfolio.relative_to()
        with pytest.raises(ValueError, match=r"no benchmark.*relative_to\(y\)"):
            portfolio.tracking_error()
        with pytest.raises(ValueError, match=r"active share needs the benchmark's weights"):
            portfolio.relative_to(y).active_share()


class TestMeasures:
    def test_own_by_hand(self):
        portfolio = Portfolio([[0.10], [-0.20], [0.05], [0.01]], [1.0], periods_per_year=4)
        assert portfolio.mean_return() == pytest.approx(-0.01)
        assert portfolio.mean_return(annualised=True) == pytest.approx(-0.04)
        volatility = np.sqrt((0.11**2 + 0.19**2 + 0.06**2 + 0.02**2) / 3)
        assert portfolio.volatility() == pytest.approx(volatility)
        assert portfolio.volatility(annualised=True) == pytest.approx(2 * volatility)
        assert portfolio.sharpe_ratio() == pytest.approx(-0.01 / volatility)
        assert portfolio.sharpe_ratio(0.02, annualised=True) == pytest.approx(-0.06 / volatility)
        wealth = 1.1 * 0.8 * 1.05 * 1.01
        assert portfolio.compounded_return() == pytest.approx(wealth - 1)
        assert portfolio.compounded_return(annualised=True) == pytest.approx(wealth - 1)
        halves = portfolio.replace(periods_per_year=2)
        assert halves.compounded_return(annualised=True) == pytest.approx(wealth**0.5 - 1)

    def test_paths_by_hand(self):
        portfolio = Portfolio([[-0.10], [0.30], [-0.20], [0.05], [0.50]], [1.0])
        np.testing.assert_allclose(portfolio.cumulative_returns(), [-0.1, 0.2, 0.0, 0.05, 0.55], atol=1e-15)
        # The maximum starts at 0: the loss of the first period is a drawdown.
        np.testing.assert_allclose(portfolio.drawdowns(), [0.1, 0.0, 0.2, 0.15, 0.0], rtol=0, atol=1e-15)
        assert portfolio.max_drawdown() == pytest.approx(0.2)
        np.testing.assert_allclose(
            portfolio.cumulative_returns(compounded=True),
            np.array([0.9, 1.17, 0.936, 0.9828, 1.4742]) - 1,
        )
        np.testing.assert_allclose(
            portfolio.drawdowns(compounded=True),
            [0.1, 0.0, 0.2, 1 - 0.9828 / 1.17, 0.0],
            atol=1e-15,
        )
        assert portfolio.max_drawdown(compounded=True) == pytest.approx(0.2)
        rising = Portfolio([[0.1], [0.0]], [1.0])
        assert rising.max_drawdown() == rising.max_drawdown(compounded=True) == 0

    def test_paths_are_dated(self, X):
        portfolio = Portfolio(X, W, name="P")
        for path in (portfolio.cumulative_returns(), portfolio.drawdowns(compounded=True)):
            assert path.index.equals(X.index)
            assert path.name == "P"

    @pytest.mark.parametrize(
        "name",
        [
            "tracking_rmse",
            "tracking_error",
            "mean_active_return",
            "tracking_difference",
            "information_ratio",
            "alpha",
        ],
    )
    def test_relative_rates_are_the_metrics(self, portfolio, y, name):
        metric, method = getattr(metrics, name), getattr(portfolio, name)
        assert method() == metric(y, portfolio)
        assert method(annualised=True) == metric(y, portfolio, periods_per_year=252)
        assert method() != method(annualised=True)

    @pytest.mark.parametrize("name", ["beta", "squared_correlation"])
    def test_relative_numbers_are_the_metrics(self, portfolio, y, name):
        assert getattr(portfolio, name)() == getattr(metrics, name)(y, portfolio)

    def test_unknown_frequency_is_an_error_that_says_how_to_give_it(self, X, y):
        portfolio = Portfolio(X.to_numpy(), W, benchmark=y.to_numpy())
        assert portfolio.periods_per_year is None
        with pytest.raises(ValueError, match=r"replace\(periods_per_year=252\)"):
            portfolio.tracking_error(annualised=True)
        daily = portfolio.replace(periods_per_year=252)
        assert daily.tracking_error(annualised=True) == pytest.approx(portfolio.tracking_error() * 252**0.5)
        assert Portfolio(X, W, periods_per_year=260).periods_per_year == 260
        with pytest.raises(ValueError, match="periods_per_year must be a positive number"):
            Portfolio(X, W, periods_per_year=0)

    def test_ex_ante_needs_benchmark_weights(self, X, y):
        with pytest.raises(ValueError, match="ex-ante tracking error needs"):
            Portfolio(X, W, benchmark=y).ex_ante_tracking_error(X.cov())


class TestSummary:
    def test_columns_and_rows(self, portfolio):
        table = portfolio.summary()
        assert list(table.columns) == ["per period", "annualised", "overall"]
        assert table.index.is_unique
        rmse = table.index.get_loc("tracking RMSE")
        assert table.index[rmse + 1] == "tracking error"
        for column, annualised in (("per period", False), ("annualised", True)):
            of = {"annualised": annualised}
            assert table.loc["mean return", column] == portfolio.mean_return(**of)
            assert table.loc["volatility", column] == portfolio.volatility(**of)
            assert table.loc["Sharpe ratio", column] == portfolio.sharpe_ratio(**of)
            assert table.loc["tracking RMSE", column] == portfolio.tracking_rmse(**of)
            assert table.loc["tracking error", column] == portfolio.tracking_error(**of)
            assert table.loc["mean active return", column] == portfolio.mean_active_return(**of)
            assert table.loc["information ratio", column] == portfolio.information_ratio(**of)
            assert table.loc["alpha", column] == portfolio.alpha(**of)
        for column, annualised in (("overall", False), ("annualised", True)):
            of = {"annualised": annualised}
            assert table.loc["compounded return", column] == portfolio.compounded_return(**of)
            assert table.loc["tracking difference", column] == portfolio.tracking_difference(**of)
        overall = table["overall"]
        assert overall["maximum drawdown"] == portfolio.max_drawdown()
        assert overall["maximum drawdown, compounded"] == portfolio.max_drawdown(compounded=True)
        assert overall["beta"] == portfolio.beta()
        assert overall["squared correlation"] == portfolio.squared_correlation()
        assert overall["active share"] == portfolio.active_share()
        assert table.notna().sum(axis=1).sum() == 8 * 2 + 2 * 2 + 4 + 14

    def test_only_what_is_known(self, X, y):
        own = Portfolio(X.to_numpy(), W).summary()
        assert "tracking RMSE" not in own.index
        assert own["annualised"].isna().all()
        assert own.loc["mean return", "per period"] == np.asarray(Portfolio(X, W)).mean()
        relative = Portfolio(X, W, benchmark=y).summary()
        assert "tracking RMSE" in relative.index
        assert "active share" not in relative.index

    def test_what_is_not_defined_is_nan_without_a_warning(self, X):
        itself = Portfolio(X, W).relative_to(benchmark_weights=W)
        table = itself.summary()
        assert table.loc["information ratio"].isna().all()
        assert table.loc["tracking RMSE", "per period"] == 0
        assert table.loc["beta", "overall"] == pytest.approx(1)
        with pytest.warns(UndefinedMetricWarning):
            itself.information_ratio()

    def test_one_period(self):
        table = Portfolio([[0.01]], [1.0], benchmark=[0.02]).summary()
        assert table.loc["tracking RMSE", "per period"] == pytest.approx(0.01)
        assert table.loc[["volatility", "tracking error", "beta", "alpha"]].isna().all(axis=None)


class TestImmutable:
    def test_attributes_and_arrays_cannot_be_set(self, portfolio):
        for attribute in ("weights", "name", "anything", "periods_per_year", "_weights"):
            with pytest.raises(AttributeError, match=f"immutable, {attribute!r}.*relative_to"):
                setattr(portfolio, attribute, 1)
        with pytest.raises(AttributeError, match="immutable"):
            del portfolio._weights
        for values in (np.asarray(portfolio), portfolio[:2], portfolio.ravel(), portfolio._X):
            with pytest.raises(ValueError, match="read-only"):
                values[0] = 1

    def test_series_are_new_each_time(self, portfolio):
        for name in ("weights", "returns", "benchmark", "benchmark_weights", "active_returns"):
            before = getattr(portfolio, name)
            changed = getattr(portfolio, name)
            changed.iloc[0] = 7
            pd.testing.assert_series_equal(getattr(portfolio, name), before)

    def test_replace(self, portfolio):
        other = portfolio.replace(name="Q", periods_per_year=12)
        assert (other.name, other.periods_per_year) == ("Q", 12)
        assert (portfolio.name, portfolio.periods_per_year) == ("P", 252)
        inferred = other.replace(periods_per_year=None)
        assert (inferred.name, inferred.periods_per_year) == ("Q", 252)
        assert other.tracking_rmse() == portfolio.tracking_rmse()
        with pytest.raises(ValueError, match="positive"):
            portfolio.replace(periods_per_year=-1)

    @pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
    def test_copies_and_pickles(self, portfolio, again):
        _ = portfolio.periods_per_year
        other = again(portfolio)
        assert other is not portfolio
        pd.testing.assert_frame_equal(other.summary(), portfolio.summary())
        pd.testing.assert_series_equal(other.benchmark, portfolio.benchmark)
        assert other.relative_to(benchmark_weights=W).tracking_rmse() == 0
        for values in (other._X, other._weights, other._benchmark, np.asarray(other)):
            assert not values.flags.writeable
        with pytest.raises(AttributeError, match="immutable"):
            other.name = "Q"

    def test_deep_copy_does_not_follow_x(self):
        X = np.array([[0.01, 0.02], [0.03, 0.04]])
        portfolio = copy.deepcopy(Portfolio(X, [1.0, 0.0]))
        X[:] = 0
        assert portfolio.relative_to(benchmark_weights=[1.0, 0.0]).tracking_rmse() == 0

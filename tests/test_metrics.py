"""Measures against numbers worked out by hand, numpy, scipy and scikit-learn."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.linear_model import LinearRegression
from sklearn.metrics import make_scorer, root_mean_squared_error

from trackfolio import metrics
from trackfolio.portfolio import Portfolio

RATES = [
    metrics.tracking_rmse,
    metrics.tracking_error,
    metrics.mean_active_return,
    metrics.information_ratio,
    metrics.alpha,
]
WITHOUT_RATE = [metrics.beta, metrics.squared_correlation]
OF_RETURNS = [*RATES, metrics.tracking_difference, *WITHOUT_RATE]
RETURNS = st.floats(-0.5, 0.5, allow_subnormal=False).map(lambda r: round(r, 6))
PAIRS = st.integers(2, 30).flatmap(lambda n: arrays(np.float64, (2, n), elements=RETURNS))


@pytest.fixture
def pair():
    rng = np.random.default_rng(3)
    benchmark = rng.normal(0.0004, 0.01, 250)
    return benchmark, 0.0001 + 1.1 * benchmark + rng.normal(0, 0.002, 250)


def test_every_public_measure_is_tested_here():
    of_weights = {"active_share", "ex_ante_tracking_error", "turnover"}
    assert {f.__name__ for f in OF_RETURNS} | of_weights == set(metrics.__all__)


def test_by_hand():
    # Active returns 1 %, 2 %, 3 %, 0 %: mean 1.5 %, squares 14, deviations squared 5, in 1e-4.
    benchmark = [0.00, 0.01, -0.01, 0.02]
    portfolio = [0.01, 0.03, 0.02, 0.02]
    assert metrics.tracking_rmse(benchmark, portfolio) == pytest.approx(np.sqrt(14e-4 / 4))
    assert metrics.tracking_error(benchmark, portfolio) == pytest.approx(np.sqrt(5e-4 / 3))
    assert metrics.mean_active_return(benchmark, portfolio) == pytest.approx(0.015)
    assert metrics.information_ratio(benchmark, portfolio) == pytest.approx(0.015 / np.sqrt(5e-4 / 3))
    assert metrics.tracking_difference(benchmark, portfolio) == pytest.approx(
        1.01 * 1.03 * 1.02 * 1.02 - 1.00 * 1.01 * 0.99 * 1.02
    )
    # Benchmark around its mean: -0.5, 0.5, -1.5, 1.5; portfolio: -1, 1, 0, 0 (in 1 %).
    assert metrics.beta(benchmark, portfolio) == pytest.approx(1 / 5)
    assert metrics.squared_correlation(benchmark, portfolio) == pytest.approx(1 / (5 * 2))
    assert metrics.alpha(benchmark, portfolio) == pytest.approx(0.02 - 0.005 / 5)


def test_against_numpy_scipy_and_sklearn(pair):
    benchmark, portfolio = pair
    line = stats.linregress(benchmark, portfolio)
    assert metrics.tracking_rmse(*pair) == pytest.approx(root_mean_squared_error(*pair), rel=1e-13)
    assert metrics.tracking_error(*pair) == pytest.approx(np.std(portfolio - benchmark, ddof=1), rel=1e-13)
    assert metrics.beta(*pair) == pytest.approx(line.slope, rel=1e-12)
    assert metrics.alpha(*pair) == pytest.approx(line.intercept, rel=1e-10)
    assert metrics.squared_correlation(*pair) == pytest.approx(line.rvalue**2, rel=1e-12)


@given(PAIRS)
def test_squared_rmse_is_variance_plus_squared_mean(pair):
    active = pair[1] - pair[0]
    rmse = metrics.tracking_rmse(*pair)
    mean = metrics.mean_active_return(*pair)
    assert rmse**2 == pytest.approx(active.var() + mean**2, rel=1e-9, abs=1e-20)
    n = len(active)
    variance = metrics.tracking_error(*pair) ** 2 * (n - 1) / n
    assert rmse**2 == pytest.approx(variance + mean**2, rel=1e-9, abs=1e-20)


@given(PAIRS)
def test_a_constant_lag_costs_rmse_but_no_tracking_error(pair):
    lagging = pair[1] - 0.01
    assert metrics.tracking_error(pair[0], lagging) == pytest.approx(metrics.tracking_error(*pair), abs=1e-12)
    assert metrics.tracking_rmse(pair[1], lagging) == pytest.approx(0.01)


@given(PAIRS)
def test_squared_correlation_lies_in_the_unit_interval(pair):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        value = metrics.squared_correlation(*pair)
    assert np.isnan(value) or 0 <= value <= 1


def test_rounding_does_not_lift_the_squared_correlation_above_one():
    benchmark = np.array([-0.001, 0.014, -0.007])  # gives 1.0000000000000004 unless capped
    assert metrics.squared_correlation(benchmark, 3 * benchmark + 0.01) == 1


@pytest.mark.parametrize("metric", OF_RETURNS)
@pytest.mark.parametrize("annual", [{}, {"periods_per_year": 52}])
def test_a_weight_is_a_repetition(metric, annual, pair):
    if metric in WITHOUT_RATE:
        annual = {}
    repetitions = np.random.default_rng(0).integers(0, 4, 250)
    repeated = [np.repeat(returns, repetitions) for returns in pair]
    assert metric(*pair, sample_weight=repetitions, **annual) == pytest.approx(metric(*repeated, **annual), rel=1e-11)
    assert metric(*pair, sample_weight=np.ones(250), **annual) == pytest.approx(metric(*pair, **annual), rel=1e-12)
    assert metric(*pair, sample_weight=repetitions) != pytest.approx(metric(*pair), rel=1e-6)


@pytest.mark.parametrize(("metric", "factor"), list(zip(RATES, [252**0.5, 252**0.5, 252, 252**0.5, 252], strict=True)))
def test_annualised(metric, factor, pair):
    assert metric(*pair, periods_per_year=252) == pytest.approx(factor * metric(*pair))
    assert metric(*pair, periods_per_year=1) == metric(*pair)


def test_annualised_tracking_difference():
    # Two years of half-years: 10 % and 21 % a half-year are (1 + r)^2 - 1 a year.
    difference = metrics.tracking_difference([0.1] * 4, [0.21] * 4, periods_per_year=2)
    assert difference == pytest.approx(1.21**2 - 1.1**2)
    assert metrics.tracking_difference([0.1] * 4, [0.21] * 4) == pytest.approx(1.21**4 - 1.1**4)


def test_wealth_below_zero_has_no_annual_return():
    assert metrics.tracking_difference([0.0, 0.0], [-1.5, 0.1]) == pytest.approx(-1.55)
    with pytest.warns(UndefinedMetricWarning, match="below -100 %"):
        value = metrics.tracking_difference([0.0, 0.0], [-1.5, 0.1], periods_per_year=2)
    assert np.isnan(value)
    assert metrics.tracking_difference([0.0], [-1.0], periods_per_year=12) == -1


@pytest.mark.parametrize(
    ("metric", "benchmark", "portfolio", "culprit"),
    [
        (metrics.information_ratio, [0.01, 0.02, 0.04], [0.02, 0.03, 0.05], "active return"),
        (metrics.beta, [0.001] * 7, np.linspace(0, 1, 7), "benchmark"),
        (metrics.alpha, [0.001] * 7, np.linspace(0, 1, 7), "benchmark"),
        (metrics.squared_correlation, np.linspace(0, 1, 7), [0.001] * 7, "constant"),
        (metrics.squared_correlation, [0.001] * 7, np.linspace(0, 1, 7), "constant"),
        (metrics.beta, [0.01], [0.02], "constant"),
    ],
)
def test_ratio_over_nothing_is_nan_with_a_warning(metric, benchmark, portfolio, culprit):
    with pytest.warns(UndefinedMetricWarning, match=culprit) as caught:
        assert np.isnan(metric(benchmark, portfolio))
    assert len(caught) == 1
    assert str(caught[0].message).startswith(f"The {metric.__name__.replace('_', ' ')} is not defined: ")


@pytest.mark.parametrize(
    "metric", [metrics.information_ratio, metrics.beta, metrics.alpha, metrics.squared_correlation]
)
def test_warnings_point_at_the_caller(metric):
    with pytest.warns(UndefinedMetricWarning) as caught:
        metric([0.01, 0.01], [0.02, 0.02])
    assert caught[0].filename == __file__


def test_an_active_return_is_constant_up_to_the_rounding_of_the_larger_side():
    small = np.array([0.01, 0.02, 0.04])
    large = (1e6 + small) * (1 + np.array([0.0, 5e-16, -5e-16]))
    assert np.std(large - small) > 1e-10
    for pair in ((large, small), (small, large)):
        with pytest.warns(UndefinedMetricWarning, match="active return is constant"):
            assert np.isnan(metrics.information_ratio(*pair))


def test_ratio_of_any_risk():
    assert metrics.return_ratio(np.array([0.01, 0.03]), 0.005, 0.01) == pytest.approx(2)
    assert metrics.return_ratio(np.array([0.01, 0.03]), -0.005, 0.0) == pytest.approx(-4)
    with pytest.warns(UndefinedMetricWarning, match="ratio is not defined: the risk is 0"):
        assert np.isnan(metrics.return_ratio(np.array([0.01, 0.03]), 0.0, 0.0))


@pytest.mark.parametrize("metric", OF_RETURNS)
def test_single_precision_is_computed_in_double(metric, pair):
    single = [returns.astype(np.float32) for returns in pair]
    assert metric(*single) == metric(*(returns.astype(np.float64) for returns in single))


def test_tiny_active_returns_are_not_taken_for_nothing(pair):
    benchmark = pair[0]
    active = np.random.default_rng(1).normal(2e-9, 1e-9, 250)
    assert metrics.information_ratio(benchmark, benchmark + active) == pytest.approx(
        active.mean() / active.std(ddof=1), rel=1e-4
    )
    tiny = [returns * 1e-120 for returns in pair]
    assert metrics.squared_correlation(*tiny) == pytest.approx(metrics.squared_correlation(*pair))


@pytest.mark.parametrize("metric", [metrics.tracking_error, metrics.information_ratio])
def test_one_period_has_no_standard_deviation(metric):
    with pytest.raises(ValueError, match="more than one period"):
        metric([0.01], [0.02])
    with pytest.raises(ValueError, match="more than one period"):
        metric([0.01, 0.02], [0.02, 0.01], sample_weight=[0.5, 0.5])


@pytest.mark.parametrize("metric", OF_RETURNS)
@pytest.mark.parametrize(
    ("y_true", "y_pred", "options", "message"),
    [
        ([0.1, 0.2], [0.1, 0.2, 0.3], {}, "inconsistent numbers of samples"),
        ([0.1, np.nan], [0.1, 0.2], {}, "y_true contains NaN"),
        ([0.1, 0.2], [0.1, -np.inf], {}, "y_pred contains infinity"),
        ([[0.1], [0.2]], [0.1, 0.2], {}, r"y_true .* got shape \(2, 1\)"),
        ([0.1, 0.2], [[0.1, 0.2], [0.2, 0.1]], {}, r"y_pred .* got shape \(2, 2\)"),
        ([0.1, 0.2], [0.2, 0.1], {"sample_weight": [1]}, "inconsistent numbers"),
        ([0.1, 0.2], [0.2, 0.1], {"sample_weight": [2, -1]}, "sample_weight .* least is -1"),
        ([0.1, 0.2], [0.2, 0.1], {"sample_weight": [0, 0]}, "sample_weight .* sum 0"),
        ([0.1, 0.2], [0.2, 0.1], {"sample_weight": [1, np.nan]}, "sample_weight contains NaN"),
    ],
)
def test_bad_input_is_refused(metric, y_true, y_pred, options, message):
    with pytest.raises(ValueError, match=message):
        metric(y_true, y_pred, **options)


@pytest.mark.parametrize("m", [0, -1, np.nan, np.inf, "252", 1j])
@pytest.mark.parametrize("metric", [*RATES, metrics.tracking_difference])
def test_periods_per_year_must_be_positive(metric, m, pair):
    with pytest.raises(ValueError, match="periods_per_year must be a positive number"):
        metric(*pair, periods_per_year=m)


@pytest.mark.parametrize("metric", OF_RETURNS)
def test_unequal_dates_are_refused(metric, pair):
    dates = pd.bdate_range("2024-01-01", periods=250)
    series = [pd.Series(returns, index=dates) for returns in pair]
    assert metric(*series) == metric(*pair)
    shifted = series[1].set_axis(dates.shift(1))
    with pytest.raises(ValueError, match="dates of y_true and y_pred differ: row 0 is 2024-01-01"):
        metric(series[0], shifted)
    portfolio = Portfolio(pd.DataFrame({"A": pair[1]}, index=dates), [1.0])
    assert metric(series[0], portfolio) == metric(*pair)
    with pytest.raises(ValueError, match="differ"):
        metric(shifted, portfolio)
    without_dates = Portfolio(pair[1][:, None], [1.0])
    assert metric(series[0], without_dates) == metric(*pair)


def test_polars_and_scorer(pair):
    benchmark, portfolio = pair
    assert metrics.beta(pl.Series(benchmark), pl.Series(portfolio)) == metrics.beta(*pair)
    scorer = make_scorer(metrics.tracking_error, greater_is_better=False, periods_per_year=252)
    X = portfolio[:, None]
    model = LinearRegression().fit(X, benchmark)
    expected = -np.std(model.predict(X) - benchmark, ddof=1) * np.sqrt(252)
    assert scorer(model, X, benchmark) == pytest.approx(expected)


def test_input_is_not_written_to(pair):
    for returns in pair:
        returns.flags.writeable = False
    weights = np.full(250, 2.0)
    weights.flags.writeable = False
    for metric in OF_RETURNS:
        metric(*pair, sample_weight=weights)


@pytest.mark.parametrize("measure", [metrics.active_share, metrics.turnover])
class TestDistanceOfWeights:
    def test_by_hand(self, measure):
        assert measure([0.6, 0.4, 0.0], [0.5, 0.2, 0.3]) == pytest.approx(0.3)
        assert measure([0.6, 0.4], [0.6, 0.4]) == 0

    def test_single_precision_is_computed_in_double(self, measure):
        single = np.float32([0.1, 0.2, 0.7]), np.float32([0.3, 0.3, 0.4])
        assert measure(*single) == measure(*(weights.astype(np.float64) for weights in single))

    def test_the_wrong_side_is_named(self, measure):
        other = "benchmark_weights" if measure is metrics.active_share else "previous_weights"
        with pytest.raises(ValueError, match=f"{other} contains NaN"):
            measure([1.0], [np.nan])
        with pytest.raises(ValueError, match=f"^{other}.* 'A' is NaN"):
            measure({"A": 1.0}, {"A": np.nan})
        with pytest.raises(ValueError, match=r"^weights.* 'A' is NaN"):
            measure({"A": np.nan}, {"A": 1.0})
        with pytest.raises(TypeError, match=f"^{other} must be weights, but a Portfolio"):
            measure([1.0], Portfolio([[0.1], [0.2]], [1.0]))

    def test_over_the_union_of_names(self, measure):
        first = pd.Series({"B": 0.75, "A": 0.25})
        second = {"C": 0.5, "B": 0.5}
        assert measure(first, second) == pytest.approx((0.25 + 0.25 + 0.5) / 2)
        assert measure({"A": 1.0}, {"B": 1.0}) == 1

    @pytest.mark.parametrize(
        ("weights", "others", "error", "message"),
        [
            ([0.5, 0.5], [1.0], ValueError, "inconsistent"),
            ([0.5, np.nan], [0.5, 0.5], ValueError, "weights contains NaN"),
            ({"A": np.nan}, {"A": 1.0}, ValueError, "'A' is NaN"),
            ({"A": np.inf}, {"A": 1.0}, ValueError, "infinity"),
            ({"A": 1.0}, [1.0], TypeError, "both have names .* got dict and list"),
            ([[0.5, 0.5]], [[0.5, 0.5]], ValueError, r"got \(1, 2\)"),
            ([0.5, 0.5], [[0.5], [0.5]], ValueError, r"got \(2,\) and \(2, 1\)"),
            (pd.Series([0.5, 0.5], ["A", "A"]), {"A": 1.0}, ValueError, "'A' twice"),
            (Portfolio([[0.1], [0.2]], [1.0]), [1.0, 0.0], TypeError, "pass its .weights"),
        ],
    )
    def test_bad_weights_are_refused(self, measure, weights, others, error, message):
        with pytest.raises(error, match=message):
            measure(weights, others)


def test_ex_ante_tracking_error():
    sigma = np.array([[0.04, 0.01, 0.0], [0.01, 0.09, 0.02], [0.0, 0.02, 0.16]])
    d = np.array([0.1, -0.3, 0.2])
    expected = np.sqrt(sum(d[i] * d[j] * sigma[i, j] for i in range(3) for j in range(3)))
    weights, benchmark = np.array([0.5, 0.1, 0.4]), np.array([0.4, 0.4, 0.2])
    assert metrics.ex_ante_tracking_error(weights, benchmark, sigma) == pytest.approx(expected)
    assert metrics.ex_ante_tracking_error(weights, benchmark, sigma, periods_per_year=12) == pytest.approx(
        expected * 12**0.5
    )
    named = pd.DataFrame(sigma, list("ABC"), list("ABC"))
    assert metrics.ex_ante_tracking_error(
        {"C": 0.4, "A": 0.5, "B": 0.1}, pd.Series(benchmark, list("ABC")), named
    ) == pytest.approx(expected)
    assert metrics.ex_ante_tracking_error([0.5, 0.5], [0.5, 0.5], np.eye(2)) == 0
    with pytest.raises(ValueError, match=r"same names .* shape \(2, 3\)"):
        metrics.ex_ante_tracking_error(weights, benchmark, sigma[:2])
    with pytest.raises(ValueError, match="same names in rows and columns"):
        metrics.ex_ante_tracking_error(weights, benchmark, named.loc[list("ACB")])
    with pytest.raises(ValueError, match="not positive semi-definite"):
        metrics.ex_ante_tracking_error([1.0, 0.0], [0.0, 1.0], [[1.0, 2.0], [2.0, 1.0]])
    with pytest.raises(ValueError, match="not positive semi-definite"):
        metrics.ex_ante_tracking_error([1.0, 0.0], [0.0, 1.0], [[1e-10, 2e-10], [2e-10, 1e-10]])
    with pytest.raises(ValueError, match="covariance contains NaN"):
        metrics.ex_ante_tracking_error([1.0], [0.0], [[np.nan]])
    single = sigma.astype(np.float32)
    assert metrics.ex_ante_tracking_error(weights, benchmark, single) == metrics.ex_ante_tracking_error(
        weights, benchmark, single.astype(np.float64)
    )
    with pytest.raises(ValueError, match="'Q', which is not there"):
        metrics.ex_ante_tracking_error({"Q": 1.0}, benchmark, named)
    # One factor, no exposure: the variance is -8e-16 by rounding.
    factor, d = np.array([1.5, 1.3, 0.8]), np.array([2.19, -2.01, -0.84])
    assert d @ np.outer(factor, factor) @ d < 0
    assert metrics.ex_ante_tracking_error(d, np.zeros(3), np.outer(factor, factor)) == 0

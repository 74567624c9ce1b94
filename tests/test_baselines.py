"""Equal weights, the replica of a benchmark, and comparisons."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.model_selection import TimeSeriesSplit, cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from trackfolio import BenchmarkReplica, EqualWeighted, MinTrackingError, Portfolio, compare
from trackfolio.exceptions import InfeasibleError
from trackfolio.risks import CVaR


@pytest.mark.filterwarnings("ignore::trackfolio.exceptions.PricesWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([EqualWeighted()])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_equal_weights_and_the_index_itself(frames):
    X, y = frames
    assert_allclose(EqualWeighted().fit(X).weights_, 1 / 8)
    index = EqualWeighted().fit(y.to_frame()).predict(y.to_frame())
    assert_allclose(np.asarray(index), y)
    assert len(cross_val_score(EqualWeighted(), X, y, cv=TimeSeriesSplit(3))) == 3
    with pytest.raises(ValueError, match="budget"):
        EqualWeighted(np.inf).fit(X)


def test_replica_is_the_benchmark_cut_at_the_bounds(frames):
    X, _ = frames
    benchmark = pd.Series([0.3, 0.2, 0.2, 0.1, 0.1, 0.05, 0.05, 0], index=X.columns)
    assert_allclose(BenchmarkReplica(benchmark).fit(X).weights_, benchmark)
    # At most 0.2: the first is cut, the others share what is left, until three are cut: 0.6 + 0.4 on 0.3 of the rest.
    capped = BenchmarkReplica(benchmark, max_weights=0.2).fit(X).weights_
    assert_allclose(capped, [0.2, 0.2, 0.2, 0.4 / 3, 0.4 / 3, 0.2 / 3, 0.2 / 3, 0], atol=1e-12)
    half = BenchmarkReplica(benchmark, min_weights=0.02, budget=0.5).fit(X).weights_
    assert_allclose(half.sum(), 0.5)
    assert_allclose(half, np.maximum(0.02, benchmark * (0.48 / 1.0)), atol=1e-12)
    assert BenchmarkReplica(benchmark).fit(X).predict(X).active_share() < 1e-12


def test_names_outside_are_left_out_only_if_asked(frames):
    X, _ = frames
    wide = dict(zip(X.columns, [0.1] * 8, strict=True)) | {"OUT": 0.2}
    with pytest.raises(ValueError, match="'OUT'"):
        BenchmarkReplica(wide).fit(X)
    model = BenchmarkReplica(wide, outside="rescale").fit(X)
    assert model.left_out_ == {"OUT": 0.2}
    assert_allclose(model.weights_, 1 / 8)


@pytest.mark.parametrize(
    ("parameters", "error", "match"),
    [
        ({"benchmark_weights": None}, ValueError, "at least 0"),
        ({"benchmark_weights": [0.5] * 7}, ValueError, "8 assets"),
        ({"benchmark_weights": [-0.5] + [0.5] * 7}, ValueError, "at least 0"),
        ({"benchmark_weights": [0] * 8}, ValueError, "not all of them 0"),
        ({"benchmark_weights": [1] + [0] * 7, "max_weights": 0.5}, InfeasibleError, "can be reached"),
        ({"benchmark_weights": [1] * 8, "min_weights": 0.5}, InfeasibleError, "can be reached"),
        ({"benchmark_weights": [1] * 8, "min_weights": 0.5, "max_weights": 0.1}, InfeasibleError, "above its max"),
        ({"benchmark_weights": [1] * 8, "outside": "drop"}, ValueError, "'raise' or 'rescale'"),
    ],
)
def test_replicas_that_make_no_sense(frames, parameters, error, match):
    with pytest.raises(error, match=match):
        BenchmarkReplica(**parameters).fit(frames[0])


# Comparison.


@pytest.fixture
def portfolios(frames):
    X, y = frames
    return {"tracker": MinTrackingError().fit(X, y).predict(X), "equal": EqualWeighted().fit(X).predict(X)}


def test_comparison_is_of_summaries(frames, portfolios):
    _, y = frames
    table = compare(portfolios, y)
    summary = portfolios["equal"].relative_to(y).summary()
    assert_allclose(table.loc["equal", "tracking RMSE"], summary.loc["tracking RMSE", "per period"])
    assert_allclose(table.loc["equal", "beta"], summary.loc["beta", "overall"])
    per_year = compare(portfolios, y, annualised=True)
    assert_allclose(per_year.loc["equal", "tracking RMSE"], summary.loc["tracking RMSE", "annualised"])
    cvar = compare(portfolios, measures=[CVaR(0.9), "volatility"])
    assert_allclose(cvar.loc["tracker", "CVaR 90 %"], CVaR(0.9).value(portfolios["tracker"].returns))


def test_sorting_and_filtering(frames, portfolios):
    _, y = frames
    ordered = compare(portfolios, y, sort_by="tracking RMSE", ascending=False)
    assert list(ordered.index) == ["equal", "tracker"]
    near = compare(portfolios, y, where={"tracking RMSE": (None, 0.0015)})
    assert list(near.index) == ["tracker"]


def test_comparisons_that_make_no_sense(frames, portfolios):
    X, y = frames
    with pytest.raises(ValueError, match="Did you mean 'beta'"):
        compare(portfolios, y, sort_by="betta")
    with pytest.raises(ValueError, match="at least one"):
        compare({})
    with pytest.raises(TypeError, match="a ndarray"):
        compare({"a": np.zeros(3)})
    with pytest.raises(TypeError, match="dict of portfolios"):
        compare(portfolios["equal"])
    with pytest.raises(ValueError, match="has no name"):
        compare(list(portfolios.values()))
    with pytest.raises(ValueError, match="different periods"):
        compare({"a": portfolios["equal"], "b": Portfolio(X.iloc[:50], np.full(8, 1 / 8))})

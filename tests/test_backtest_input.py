"""Estimators that a backtest takes, and what it refuses."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from trackfolio import BenchmarkReplica, EqualWeighted, MinTrackingError
from trackfolio.constraints import MaxTurnover
from trackfolio.costs import TransactionCost
from trackfolio.exceptions import PricesWarning
from trackfolio.model_selection import WalkForward, backtest

from .conftest import MANY
from .test_backtest import CV, HELD, quiet


class Loadings(BaseEstimator):
    """Of another library: weights in proportion to the volatility."""

    def fit(self, X, y=None):
        volatility = np.std(np.asarray(X), axis=0)
        self.weights_ = list(volatility / volatility.sum())
        return self


def chosen(X, y, k):
    """Names of the k assets with the largest correlation."""
    return X.columns[np.sort(np.argsort([abs(np.corrcoef(X[name], y)[0, 1]) for name in X])[-k:])]


def test_a_pipeline_may_select(frames):
    X, y = frames
    select = SelectKBest(f_regression, k=3).set_output(transform="pandas")
    inner = MinTrackingError(max_weights=0.5)
    search = GridSearchCV(
        make_pipeline(select, inner), {"mintrackingerror__max_weights": [0.5]}, cv=WalkForward(20, 20)
    )
    ours = quiet(make_pipeline(select, inner), X, y)
    for model in (make_pipeline(select, GridSearchCV(inner, {"budget": [1.0]}, cv=WalkForward(20, 20))), search):
        assert_allclose(quiet(model, X, y).targets, ours.targets, atol=1e-12)
    for (train, _), (_, target) in zip(CV.split(X), ours.targets.iterrows(), strict=True):
        names = chosen(X.iloc[train], y.iloc[train], 3)
        alone = MinTrackingError(max_weights=0.5).fit(X.iloc[train][names], y.iloc[train])
        assert_allclose(target[names], alone.weights_, atol=1e-12)
        assert target.drop(names).abs().max() == 0
    assert (ours.rebalances["status"] == "optimal").all()
    assert (ours.rebalances["gap"] < 1e-8).all()


def test_holdings_reach_the_last_step_of_a_pipeline(frames):
    X, y = frames
    turning = MinTrackingError(constraints=[MaxTurnover(0.05)])
    plain, pipe = quiet(turning, X, y), make_pipeline("passthrough", turning)
    for model in (pipe, make_pipeline("passthrough", pipe)):
        piped = quiet(model, X, y)
        assert_allclose(piped.targets, plain.targets, atol=1e-12)
        assert piped.rebalances["lifted"].equals(plain.rebalances["lifted"])


def test_a_limit_that_cannot_be_lifted_asks_for_holdings(frames):
    X, y = frames
    search = GridSearchCV(MinTrackingError(), {"constraints": [[MaxTurnover(0.2)]]}, cv=WalkForward(20, 10))
    with pytest.raises(ValueError, match=r"first rebalance.*give initial_weights"):
        quiet(search, X, y)
    tested = quiet(search, X, y, initial_weights=np.full(8, 1 / 8))
    assert (tested.turnover <= 0.2 + 1e-8).all()
    # Cash alone is something that is known: nothing is lifted.
    from_cash = quiet(MinTrackingError(constraints=[MaxTurnover(0.5)]), X, y, initial_weights=np.zeros(8))
    assert (from_cash.rebalances["lifted"] == "").all()


def test_a_search_is_the_best_of_its_candidates(frames):
    X, y = frames
    search = GridSearchCV(MinTrackingError(), {"max_weights": [0.2, 0.6]}, cv=WalkForward(20, 10))
    tested = quiet(search, X, y, return_estimator=True)
    each = {cap: quiet(MinTrackingError(max_weights=cap), X, y).targets.to_numpy() for cap in (0.2, 0.6)}
    for k, model in enumerate(tested.estimators):
        assert_array_equal(tested.targets.iloc[k], each[model.best_params_["max_weights"]][k])


def test_estimators_of_others_and_baselines(frames):
    X, y = frames
    tested = quiet(Loadings(), X, y)
    for (train, _), target in zip(CV.split(X), tested.targets.to_numpy(), strict=True):
        volatility = X.iloc[train].std(ddof=0)
        assert_allclose(target, volatility / volatility.sum(), rtol=1e-12)
    assert tested.rebalances["gap"].isna().all()
    assert (tested.rebalances["status"] == "").all()
    assert_allclose(quiet(EqualWeighted(), X, y).targets, 1 / 8, rtol=1e-15)
    assert_allclose(quiet(BenchmarkReplica(HELD), X, y).targets, [HELD] * 5, atol=1e-15)


def test_frames_of_other_kinds_and_arrays_give_the_same(frames):
    X, y = frames
    tested = quiet(MinTrackingError(), X, y)
    array = quiet(MinTrackingError(), X.to_numpy(), y.to_numpy())
    polar = quiet(MinTrackingError(), pl.from_pandas(X), pl.from_pandas(y))
    assert_array_equal(array.net, tested.net)
    assert_array_equal(polar.net, tested.net)
    assert list(polar.targets.columns) == list(X.columns)
    assert list(array.targets.columns) == [f"x{i}" for i in range(8)]
    assert array.rebalances.index.tolist() == [50, 66, 82, 98, 114]
    assert array.rebalances["trained to"].tolist() == [49, 65, 81, 97, 113]
    assert repr(array).startswith("<Backtest: 70 periods, 5 rebalances")


# Refused: estimators.


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(StandardScaler(), MinTrackingError()),
        make_pipeline(StandardScaler(with_mean=False).set_output(transform="pandas"), EqualWeighted()),
        make_pipeline(StandardScaler(with_std=False).set_output(transform="pandas"), EqualWeighted()),
        make_pipeline(SelectKBest(f_regression, k=3), MinTrackingError()),  # the names are lost
    ],
    ids=["scaled", "scaled with names", "centred", "without names"],
)
def test_pipelines_that_change_returns_are_refused(frames, model):
    with pytest.raises(ValueError, match=r"weights of Pipeline are not those.*must not change returns"):
        quiet(model, *frames)
    with pytest.raises(ValueError, match=r"weights of Pipeline are not those"):
        quiet(model, frames[0].to_numpy(), frames[1].to_numpy())


def test_an_estimator_without_weights_is_refused(frames):
    with pytest.raises(TypeError, match="LinearRegression has neither"):
        quiet(LinearRegression(), *frames)
    with pytest.raises(TypeError, match="clone"):
        quiet("tracker", *frames)


# Refused: data and numbers.


class Untouched(BaseEstimator):
    """Must not be fitted: what is wrong is found before."""

    def fit(self, X, y=None):
        raise AssertionError("fitted")


def changed(values, row, column, value):
    new = values.copy()
    if column is None:
        new.iloc[row] = value
    else:
        new.iloc[row, column] = value
    return new


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda X, y: (X, changed(y, 3, None, np.nan)), "y contains NaN.*2020-01-06"),
        (lambda X, y: (X, changed(y, 3, None, np.inf)), "y contains infinity.*2020-01-06"),
        (lambda X, y: (changed(X, 7, 2, -np.inf), y), "X contains infinity: first at row 7, column 'C'. NaN is"),
        (lambda X, y: (X, y[:-1]), "rows"),
        (lambda X, y: (X.to_numpy(), y.to_numpy()[:-1]), r"y must have shape \(120,\).*got \(119,\)"),
        (lambda X, y: (X, y.to_frame()), r"y must have shape \(120,\).*got \(120, 1\)"),
        (lambda X, y: (X["A"], y), r"X must be a matrix.*got shape \(120,\)"),
        (lambda X, y: (X.to_numpy()[None], y), "X must be a matrix|rows"),
        (lambda X, y: (X.iloc[:, :0], y), r"X must be a matrix.*got shape \(120, 0\)"),
        (lambda X, y: (X[:0], y[:0]), r"X must be a matrix.*got shape \(0, 8\)"),
        (lambda X, y: (X.assign(A="x"), y), "X must be numbers"),
        (lambda X, y: (X.set_axis(list("ABCDEFGG"), axis=1), y), "two columns with the same name"),
        (lambda X, y: (X.set_axis([1, "1", *"CDEFGH"], axis=1), y), "two columns with the same name"),
        (lambda X, y: (X, y.shift(1, freq="B")), "dates of X and y differ"),
        (lambda X, y: (X[::-1], y[::-1]), "not in order"),
        (lambda X, y: (X[:1], y[:1]), "No fold in 1 rows"),
        (lambda X, y: (X[:50], y[:50]), "No fold in 50 rows"),
    ],
)
def test_data_that_are_no_returns_are_refused(frames, change, said):
    with pytest.raises(ValueError, match=said):
        quiet(EqualWeighted(), *change(*frames))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"transaction_costs": -0.001}, r"rate of 'A' is -0\.001"),
        ({"transaction_costs": np.nan}, "rate.*NaN"),
        ({"transaction_costs": np.inf}, "rate of 'A' is inf"),
        ({"transaction_costs": [0.001] * 7}, r"rate has shape \(7,\)"),
        ({"transaction_costs": {"Z": 0.1}}, "rate names the asset 'Z'"),
        ({"transaction_costs": "cheap"}, "rate must be numbers"),
        ({"transaction_costs": 1.01}, r"A trade costs 1\.01 .*0\.001 are ten basis points"),
        ({"transaction_costs": 10}, r"A trade costs 10 .*ten basis points"),
        ({"transaction_costs": TransactionCost(0.001, holding_period=21)}, "holding period 21, leave it at 1"),
        ({"transaction_costs": TransactionCost(0.001, impact=-1)}, "impact of 'A' is -1"),
        ({"transaction_costs": TransactionCost(0.001, 0.1, exponent=3)}, "exponent"),
        ({"management_fee": -1e-4}, r"management_fee .*got -0\.0001"),
        ({"management_fee": 1.0}, r"management_fee .*got 1\.0"),
        ({"management_fee": np.nan}, "management_fee is NaN"),
        ({"management_fee": [0.1]}, "management_fee must be one number"),
        ({"initial_weights": 1.0}, r"initial_weights must give one number per asset, got 1\.0"),
        ({"initial_weights": [0.5, 0.5]}, "initial_weights has shape"),
        ({"initial_weights": {"A": 1.0}}, "initial_weights leaves out 'B'"),
        ({"initial_weights": dict.fromkeys("ABCDEFGZ", 0.1)}, "initial_weights names the asset 'Z'"),
        ({"initial_weights": [np.nan] * 8}, "initial_weights of 'A' is NaN"),
        ({"initial_weights": [np.inf] * 8}, "initial_weights of 'A' is infinite"),
        ({"error_score": np.nan}, "error_score must be 'raise' or 'hold', got nan"),
        ({"error_score": "skip"}, "error_score must be 'raise' or 'hold', got 'skip'"),
    ],
    ids=str,
)
def test_options_that_are_none_are_refused(frames, options, said):
    with pytest.raises(ValueError, match=said):
        quiet(EqualWeighted() if "A trade costs" in said else Untouched(), *frames, **options)


def test_a_portfolio_that_loses_all_is_an_error(frames):
    X, y = frames
    X = changed(X, 55, slice(None), -0.4)
    with pytest.raises(ValueError, match="loses all it has in row 55 of X"):
        quiet(EqualWeighted(budget=3), X, y)
    assert_allclose(quiet(EqualWeighted(budget=2.4), X, y).gross[5], -0.96, atol=0.05)


@pytest.mark.parametrize("model", [MinTrackingError(), EqualWeighted(), "search"], ids=str)
def test_prices_are_noticed_once(frames, model):
    X, y = frames
    prices = (1 + X).cumprod()
    if model == "search":
        model = GridSearchCV(MinTrackingError(), {"max_weights": [0.5, 1]}, cv=WalkForward(20, 20))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        quiet(model, prices, y)
    (warning,) = caught
    assert warning.category is PricesWarning
    assert "column 'A' of X looks like prices" in str(warning.message)
    with pytest.warns(PricesWarning, match=r"^y looks like prices"):
        quiet(model, X, (1 + y).cumprod())


@MANY
@pytest.mark.parametrize("returns", [0.0, 0.001])
def test_returns_without_movement_and_single_assets(returns):
    X, y = np.full((60, 3), returns), np.full(60, returns)
    for model in (MinTrackingError(), EqualWeighted()):
        tested = quiet(model, X, y, cv=WalkForward(20, 10))
        assert_allclose(tested.net, returns, atol=1e-12)
        single = quiet(model, X[:, :1], y, cv=WalkForward(20, 10), transaction_costs=0.01)
        assert_allclose(single.targets, 1, atol=1e-12)
        assert_allclose(single.costs, [0.01, 0, 0, 0], atol=1e-12)


def test_two_rows_are_enough_and_options_have_names(frames):
    X, y = frames
    tested = quiet(EqualWeighted(), X[:2], y[:2], cv=WalkForward(1))
    assert_allclose(tested.net, X.iloc[1].mean())
    assert "1 rebalances" in repr(tested)
    with pytest.raises(TypeError):
        backtest(EqualWeighted(), X, y, CV)
    with pytest.raises(TypeError, match="cv"):
        backtest(EqualWeighted(), X, y)


def test_nothing_is_written_to_what_is_given(frames):
    X, y = frames
    X = X.mask((np.arange(120)[:, None] == 60) & (np.arange(8) == 3))
    kept, held = X.copy(), HELD.copy()
    model = MinTrackingError(constraints=[MaxTurnover(0.5)])
    quiet(model, X, y, initial_weights=held)
    pd.testing.assert_frame_equal(X, kept)
    assert_array_equal(held, HELD)
    assert not hasattr(model, "weights_")
    values = X.to_numpy(copy=True)
    quiet(EqualWeighted(), values, y.to_numpy(copy=True))
    assert values.flags.writeable


# Faults, known and not mended yet.


def test_prices_are_noticed_once_with_a_pipeline(frames):
    X, y = frames
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        quiet(make_pipeline("passthrough", MinTrackingError()), (1 + X).cumprod(), y)
    (_,) = caught


def test_an_estimator_without_weights_and_predict_is_refused(frames):
    with pytest.raises(TypeError, match="StandardScaler has neither"):
        quiet(StandardScaler(), *frames)


def test_a_string_as_cv_is_refused(frames):
    with pytest.raises(TypeError, match="cv must be a splitter"):
        quiet(EqualWeighted(), *frames, cv="walk")


def test_a_pipeline_may_select_and_have_a_benchmark_by_weights(frames):
    X, _ = frames
    select = ColumnTransformer([("few", "passthrough", ["B", "D"])], verbose_feature_names_out=False)
    model = make_pipeline(
        select.set_output(transform="pandas"), MinTrackingError(benchmark_weights={"B": 0.3, "D": 0.7})
    )
    assert_allclose(quiet(model, X).net.tracking_rmse(), 0, atol=1e-12)


def test_a_memory_that_is_none_is_refused(frames):
    with pytest.raises((TypeError, ValueError), match="memory"):
        quiet(EqualWeighted(), *frames, memory=5)


def test_a_search_over_a_limit_on_turnover_is_lifted_or_explained(frames):
    grid = {"constraints__maxturnover__limit": [0.1, 0.2]}
    search = GridSearchCV(MinTrackingError(constraints=[MaxTurnover(0.1)]), grid, cv=WalkForward(20, 10))
    try:
        quiet(search, *frames)
    except ValueError as error:
        if "initial_weights" not in " ".join(error.__notes__):
            raise

"""What scikit-learn asks of estimators, and what it does with them."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.covariance import LedoitWolf
from sklearn.ensemble import BaggingRegressor, StackingRegressor, VotingRegressor
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression
from sklearn.metrics import make_scorer, root_mean_squared_error
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    TimeSeriesSplit,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from trackfolio import MeanRisk, MinTrackingError
from trackfolio.constraints import Exposure, GroupBounds, MaxTurnover
from trackfolio.metrics import tracking_error
from trackfolio.objectives import MaxRatio, MaxReturn, MaxUtility
from trackfolio.risks import (
    CVaR,
    GiniMeanDifference,
    MaxDrawdown,
    MeanAbsoluteDeviation,
    RootMeanSquare,
    StandardDeviation,
    Variance,
)
from trackfolio.solvers import Conic

from .conftest import MANY

WEIGHT_CHECKS = [
    "check_sample_weights_pandas_series",
    "check_sample_weights_not_an_array",
    "check_sample_weights_list",
    "check_sample_weights_shape",
    "check_sample_weights_not_overwritten",
    "check_sample_weight_equivalence_on_dense_data",
]
OF_PATH = "drawdowns are of a path, in which repetitions of single periods have no meaning: refused"
FLAT = "it compares predictions, but the optimum is flat (objectives: test_risks)"
NO_RISK = "fewer rows than assets leave portfolios without risk, for which no ratio is defined"
NO_WEIGHTS = "LedoitWolf.fit takes no sample_weight, and weights are refused rather than ignored"


def expected_failures(estimator):
    """Only checks that pass sample weights: where none are taken, and where few rows leave the optimum flat."""
    if getattr(estimator.risk, "covariance", None) is not None:
        return dict.fromkeys(WEIGHT_CHECKS, NO_WEIGHTS)
    if isinstance(estimator.risk, MaxDrawdown):
        return dict.fromkeys(WEIGHT_CHECKS, OF_PATH)
    if isinstance(getattr(estimator, "objective", None), MaxRatio):
        return {"check_sample_weight_equivalence_on_dense_data": NO_RISK}
    flat = estimator.risk is None or isinstance(estimator.risk, GiniMeanDifference)
    if isinstance(estimator, MeanRisk) and estimator.objective is None and flat:
        return {"check_sample_weight_equivalence_on_dense_data": FLAT}
    return {}


# The checks use positive numbers of any size as data, which look like prices, and skip array API input.
@MANY
@pytest.mark.filterwarnings("ignore::trackfolio.exceptions.PricesWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(
    [
        MinTrackingError(),
        MinTrackingError(StandardDeviation()),
        MinTrackingError(Variance(covariance=LedoitWolf())),
        MinTrackingError(solver=Conic()),
        MeanRisk(),
        MeanRisk(CVaR()),
        MeanRisk(MaxDrawdown()),
        MeanRisk(StandardDeviation(), MaxUtility()),
        MeanRisk(objective=MaxReturn()),
        MeanRisk(MeanAbsoluteDeviation(), tracking_penalty=1.0),
        MeanRisk(GiniMeanDifference()),
        MeanRisk(StandardDeviation(), MaxRatio(risk_free_rate=-10.0)),
    ],
    expected_failed_checks=expected_failures,
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def tunable():
    return MinTrackingError(
        RootMeanSquare(),
        constraints=[
            MaxTurnover(0.5),
            ("tech", GroupBounds(["t"] * 4 + ["o"] * 4, upper=0.8)),
            Exposure(np.arange(8), 0, 7),
        ],
    )


def test_nested_names_of_constraints():
    model = tunable()
    assert model.get_params()["constraints__maxturnover__limit"] == 0.5
    model.set_params(constraints__maxturnover__limit=0.2, constraints__tech__upper=0.7, risk=Variance())
    assert model.constraints[0].limit == 0.2
    assert model.constraints[1][1].upper == 0.7
    model.set_params(constraints__exposure=Exposure(np.ones(8), 0, 1), constraints__exposure__upper=2)
    assert model.constraints[2].upper == 2
    assert model.set_params(constraints__tech=GroupBounds(["x"] * 8, upper=1)).constraints[1][0] == "tech"
    doubled = MinTrackingError(constraints=[MaxTurnover(0.1), MaxTurnover(0.2)])
    assert doubled.get_params()["constraints__maxturnover-2__limit"] == 0.2


@pytest.mark.parametrize(
    "name",
    [
        "constraints__turnover__limit",
        "constraints__maxturnover__limits",
        "constraint",
        "constraints__tech-1",
    ],
)
def test_unknown_nested_names_are_refused(name):
    with pytest.raises(ValueError, match=r"no term|Invalid parameter"):
        tunable().set_params(**{name: 1})


def test_clone_shares_no_terms():
    model = tunable()
    copy = clone(model)
    copy.set_params(constraints__maxturnover__limit=0.01, constraints__tech__upper=0.1)
    assert model.constraints[0].limit == 0.5
    assert model.constraints[1][1].upper == 0.8


def test_grid_over_risk_limits_and_bounds(frames):
    X, y = frames
    model = MinTrackingError(constraints=[GroupBounds(["t"] * 4 + ["o"] * 4, upper=0.8)])
    grid = {
        "constraints__groupbounds__upper": [0.55, 0.9],
        "max_weights": [0.3, 1.0],
        "risk": [RootMeanSquare(), Variance()],
    }
    search = GridSearchCV(model, grid, cv=TimeSeriesSplit(3), scoring="neg_root_mean_squared_error").fit(X, y)
    assert search.best_estimator_.predict(X).weights.index.tolist() == list(X.columns)
    by_hand = clone(model).set_params(**search.best_params_)
    scores = cross_val_score(
        by_hand,
        X,
        y,
        cv=TimeSeriesSplit(3),
        scoring=make_scorer(root_mean_squared_error, greater_is_better=False),
    )
    assert_allclose(scores.mean(), search.best_score_)


def test_cross_validation_with_our_metric_and_weights_by_name(frames):
    X, y = frames
    model = MinTrackingError(constraints=[MaxTurnover(0.4)])
    previous = dict.fromkeys(X.columns, 1 / 8)
    result = cross_validate(
        model,
        X,
        y,
        cv=TimeSeriesSplit(3),
        params={"previous_weights": previous},
        scoring=make_scorer(tracking_error),
        return_estimator=True,
    )
    assert all(0.5 * np.abs(m.weights_ - 1 / 8).sum() <= 0.4 + 1e-9 for m in result["estimator"])
    splits = TimeSeriesSplit(3).split(X)
    for score, fitted, (_, test) in zip(result["test_score"], result["estimator"], splits, strict=True):
        assert_allclose(score, np.std(X.to_numpy()[test] @ fitted.weights_ - y.to_numpy()[test], ddof=1))


def test_sample_weight_goes_through_cross_validation(market):
    X, y = market
    weights = np.linspace(0.5, 2, len(X))
    result = cross_validate(
        MinTrackingError(),
        X,
        y,
        cv=KFold(3),
        params={"sample_weight": weights},
        return_estimator=True,
    )
    train = next(iter(KFold(3).split(X)))[0]
    expected = MinTrackingError().fit(X[train], y[train], sample_weight=weights[train])
    assert_allclose(result["estimator"][0].weights_, expected.weights_, atol=1e-12)


def test_tools_of_scikit_learn_take_it_unchanged(market):
    X, y = market
    model = MinTrackingError()
    predicted = cross_val_predict(model, X, y, cv=KFold(4))
    train, test = next(iter(KFold(4).split(X)))
    assert_allclose(predicted[test], X[test] @ model.fit(X[train], y[train]).weights_)
    pipeline = make_pipeline(FunctionTransformer(), model).fit(X, y)
    assert_allclose(np.asarray(pipeline.predict(X)), np.asarray(model.fit(X, y).predict(X)))
    stacked = StackingRegressor([("a", model), ("b", MinTrackingError(max_weights=0.2))], LinearRegression()).fit(X, y)
    assert stacked.predict(X).shape == y.shape
    voted = VotingRegressor([("a", model), ("b", MinTrackingError(max_weights=0.2))]).fit(X, y)
    halves = [m.predict(X) for m in voted.estimators_]
    assert_allclose(voted.predict(X), (np.asarray(halves[0]) + np.asarray(halves[1])) / 2)
    bagged = BaggingRegressor(model, n_estimators=3, random_state=0).fit(X, y)
    assert_allclose(bagged.predict(X), np.mean([m.predict(X) for m in bagged.estimators_], axis=0))
    importance = permutation_importance(model, X, y, n_repeats=2, random_state=0)["importances_mean"]
    assert np.argmax(importance) == np.argmax(model.weights_ * X.std(axis=0))
    sizes, _, scores = learning_curve(model, X, y, cv=TimeSeriesSplit(3), train_sizes=[0.5, 1.0])
    assert len(sizes) == len(scores) == 2


def test_fitted_estimators_pickle_small_and_predict_the_same():
    rng = np.random.default_rng(0)
    X = 0.01 * rng.standard_normal((3000, 40))
    y = X.mean(axis=1)
    model = MinTrackingError(constraints=[GroupBounds(["a"] * 20 + ["b"] * 20, upper=0.9)]).fit(X, y)
    stored = pickle.dumps(model)
    assert len(stored) < 20_000 < X.nbytes
    assert_array_equal(np.asarray(pickle.loads(stored).predict(X)), np.asarray(model.predict(X)))


def test_fitting_twice_is_the_same_and_changes_no_parameter(frames):
    X, y = frames
    model = tunable().set_params(constraints__exposure=Exposure(dict(zip(X.columns, range(8), strict=True)), 1, 6))
    before = repr(model.get_params())
    first = model.fit(X, y, previous_weights=np.full(8, 1 / 8)).weights_
    assert_array_equal(first, model.fit(X, y, previous_weights=np.full(8, 1 / 8)).weights_)
    assert repr(model.get_params()) == before
    assert list(model.feature_names_in_) == list(X.columns)


def test_html_and_text_show_what_was_set():
    model = MinTrackingError(StandardDeviation(), max_weights=0.1, constraints=[MaxTurnover(0.1)])
    assert "StandardDeviation()" in repr(model)
    assert "MaxTurnover(limit=0.1)" in repr(model)
    assert "MinTrackingError" in model._repr_html_()


def test_columns_in_another_order_are_refused_in_predict(frames):
    X, y = frames
    model = MinTrackingError().fit(X, y)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(X[X.columns[::-1]])
    with pytest.raises(ValueError, match="7 features"):
        MinTrackingError().fit(X.to_numpy(), y).predict(X.to_numpy()[:, 1:])


def test_shuffled_alike_is_allowed(frames):
    X, y = frames
    order = np.random.default_rng(0).permutation(len(X))
    shuffled = MinTrackingError().fit(X.iloc[order], y.iloc[order])
    assert_allclose(shuffled.weights_, MinTrackingError().fit(X, y).weights_, atol=1e-12)
    assert isinstance(shuffled.predict(X.iloc[order]).returns, pd.Series)

"""Bad input: an error that names the culprit, before any solver runs; a suspicion is a warning."""

import warnings
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.covariance import LedoitWolf, MinCovDet
from sklearn.exceptions import DataConversionWarning, NotFittedError

from trackfolio import MinTrackingError
from trackfolio.constraints import (
    ActiveBounds,
    Exposure,
    GroupBounds,
    LinearConstraint,
    MaxTurnover,
)
from trackfolio.datasets import load_sp500
from trackfolio.exceptions import InfeasibleError, PricesWarning, UnsupportedProblemError
from trackfolio.risks import RootMeanSquare, StandardDeviation, Variance
from trackfolio.solvers import Conic, DenseQP


def refused(match, model, *data, error=ValueError, **fit_params):
    """Bad input must be found before any solver is called."""
    called = AssertionError("a solver was called on bad input")
    with (
        patch.object(DenseQP, "solve", side_effect=called),
        patch.object(Conic, "solve", side_effect=called),
        pytest.raises(error, match=match),
    ):
        model.fit(*data, **fit_params)


@pytest.mark.parametrize(("value", "kind"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")])
def test_not_finite_says_where(frames, value, kind):
    X, y = frames
    X.iloc[7, 2], y.iloc[9] = value, value
    refused(f"Input X contains {kind}: first at row 2020-01-10.*column 'C'", MinTrackingError(), X, y)
    refused(f"Input X contains {kind}: first at row 7, column 2", MinTrackingError(), X.to_numpy(), y)
    X = X.fillna(0).replace([np.inf, -np.inf], 0)
    refused(f"Input y contains {kind}: first at row 2020-01-14", MinTrackingError(), X, y)


def test_infinities_of_both_signs(market):
    X, y = market
    X[3, 1], X[5, 2] = np.inf, -np.inf
    refused("first at row 3, column 1 \\(2 in all\\)", MinTrackingError(), X, y)


def test_lengths_and_shapes(market):
    X, y = market
    refused("inconsistent numbers of samples", MinTrackingError(), X, y[:-1])
    refused("1d array", MinTrackingError(), X, np.column_stack([y, y]))
    refused("2D array", MinTrackingError(), X[:, 0], y)
    refused("0 feature", MinTrackingError(), X[:, :0], y)
    refused("0 sample", MinTrackingError(), X[:0], y[:0])
    refused("could not convert|convert string", MinTrackingError(), np.full(X.shape, "a"), y)
    refused("requires y to be passed", MinTrackingError(), X)


def test_a_column_as_y_is_flattened_with_the_usual_warning(market):
    X, y = market
    with pytest.warns(DataConversionWarning):
        model = MinTrackingError().fit(X, y[:, None])
    assert_allclose(model.weights_, MinTrackingError().fit(X, y).weights_)


def test_objects_that_are_numbers_are_taken(market):
    X, y = market
    assert_allclose(
        MinTrackingError().fit(X.astype(object), y.astype(object)).weights_,
        MinTrackingError().fit(X, y).weights_,
    )


def test_dates_must_be_the_same(frames):
    X, y = frames
    refused("row 0 is 2020-01-01.* in X and 2020-01-02", MinTrackingError(), X, y.shift(1, freq="B"))
    swapped = y.iloc[[0, 2, 1, *range(3, len(y))]]
    refused("row 1 is 2020-01-02", MinTrackingError(), X, swapped)
    refused("X has 120 rows and y has 119.*2020-01-01", MinTrackingError(), X, y[1:])
    refused("dates of X and y differ", MinTrackingError(), X, y.reset_index(drop=True))


def test_prices_are_suspected():
    data = load_sp500(start="2020-01-01")
    with pytest.warns(PricesWarning, match="column 'AAPL' of X looks like prices"):
        MinTrackingError().fit(data.prices, data.index.pct_change(fill_method=None).fillna(0))
    X, y = load_sp500(start="2020-01-01", return_X_y=True)
    with pytest.warns(PricesWarning, match="^y looks like prices"):
        MinTrackingError().fit(X, data.index[1:])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cash = X.assign(cash=0.0001)  # always positive, and no price
        model = MinTrackingError().fit(cash, y)
    with pytest.warns(PricesWarning):
        model.predict(data.prices.assign(cash=100.0))


def test_names_in_dicts(frames):
    X, y = frames
    X = X.rename(columns={"A": "AAPL", "B": "MSFT"})
    refused(
        "max_weights names the asset 'APPL', which is not there. Did you mean 'AAPL'",
        MinTrackingError(max_weights={"APPL": 0.1}),
        X,
        y,
    )
    refused(
        "min_weights.*'MSTF'.*Did you mean 'MSFT'",
        MinTrackingError(min_weights=pd.Series({"MSTF": 0.1})),
        X,
        y,
    )
    refused("twice", MinTrackingError(max_weights=pd.Series([0.1, 0.2], index=["AAPL", "AAPL"])), X, y)
    refused("benchmark_weights leaves out 'MSFT'", MinTrackingError(benchmark_weights={"AAPL": 1.0}), X)
    refused(
        "Exposure.values leaves out 'MSFT'",
        MinTrackingError(constraints=[Exposure({"AAPL": 1.0}, 0, 1)]),
        X,
        y,
    )
    groups = dict.fromkeys(X.columns, "tech")
    refused(
        "GroupBounds.upper names the group 'tec'.*Did you mean 'tech'",
        MinTrackingError(constraints=[GroupBounds(groups, upper={"tec": 0.5})]),
        X,
        y,
    )
    refused(
        "GroupBounds.groups names the asset 'Z'",
        MinTrackingError(constraints=[GroupBounds(groups | {"Z": "a"}, upper=0.5)]),
        X,
        y,
    )
    groups.pop("C")
    refused(
        "GroupBounds.groups leaves out \\['C'\\]",
        MinTrackingError(constraints=[GroupBounds(groups, upper=0.5)]),
        X,
        y,
    )
    refused(
        "A names the asset 'Z'",
        MinTrackingError(constraints=[LinearConstraint(pd.DataFrame([[1.0]], columns=["Z"]), 0)]),
        X,
        y,
    )
    refused(
        "leaves out",
        MinTrackingError(constraints=[LinearConstraint(pd.DataFrame([[1.0]], columns=["C"]), 0)]),
        X,
        y,
    )
    refused("two columns with the name 'C'", MinTrackingError(), X.rename(columns={"D": "C"}), y)


def test_values_of_limits(market):
    X, y = market
    refused(
        "min_weights of 'x2' is 0.5, above its max_weights of 0.3",
        MinTrackingError(min_weights={"x2": 0.5}, max_weights=0.3),
        X,
        y,
        error=InfeasibleError,
    )
    refused(
        "max_weights add up to only 0.8",
        MinTrackingError(max_weights=0.1),
        X,
        y,
        error=InfeasibleError,
    )
    refused("min_weights add up to 1.6", MinTrackingError(min_weights=0.2), X, y, error=InfeasibleError)
    refused("budget must be", MinTrackingError(budget=(1.1, 0.9)), X, y)
    refused("budget must be", MinTrackingError(budget="all"), X, y)
    refused("budget must be", MinTrackingError(budget=np.nan), X, y)
    refused(
        "max_weights has shape \\(3,\\), but there are 8 assets",
        MinTrackingError(max_weights=[1, 2, 3]),
        X,
        y,
    )
    refused("max_weights of 'x1' is NaN", MinTrackingError(max_weights=[1, np.nan, *[1] * 6]), X, y)
    refused("max_weights must be numbers", MinTrackingError(max_weights="ten"), X, y)
    refused(
        "MaxTurnover.limit must be a number of at least 0, and finite, got -1",
        MinTrackingError(constraints=[MaxTurnover(-1)]),
        X,
        y,
        previous_weights=np.full(8, 0.125),
    )
    refused("neither lower nor upper", MinTrackingError(constraints=[GroupBounds(["a"] * 8)]), X, y)
    refused(
        "7 labels for 8 assets",
        MinTrackingError(constraints=[GroupBounds(["a"] * 7, upper=1)]),
        X,
        y,
    )
    refused("no finite limit", MinTrackingError(constraints=[Exposure(np.arange(8))]), X, y)
    refused(
        "lower limit 2 is above upper limit 1",
        MinTrackingError(constraints=[Exposure(np.arange(8), 2, 1)]),
        X,
        y,
        error=InfeasibleError,
    )
    refused(
        "A has shape \\(1, 3\\), but there are 8",
        MinTrackingError(constraints=[LinearConstraint([1, 2, 3], 0)]),
        X,
        y,
    )
    refused(
        "lower has shape",
        MinTrackingError(constraints=[LinearConstraint(np.ones((2, 8)), [0, 0, 0])]),
        X,
        y,
    )
    refused(
        "a coefficient is NaN",
        MinTrackingError(constraints=[LinearConstraint(np.full(8, np.nan), 0)]),
        X,
        y,
    )
    refused(
        "asks for 9 to inf.*allow only 0 to 8",
        MinTrackingError(constraints=[Exposure(np.arange(1, 9), 9)], budget=(0, 1), max_weights=2 / 9),
        X,
        y,
        error=InfeasibleError,
    )


def test_what_is_not_a_term_or_solver(market):
    X, y = market
    refused("must be a list", MinTrackingError(constraints=MaxTurnover(0.1)), X, y, error=TypeError)
    refused("give an instance", MinTrackingError(constraints=[MaxTurnover]), X, y, error=TypeError)
    refused(
        "takes Constraint objects",
        MinTrackingError(constraints=[RootMeanSquare()]),
        X,
        y,
        error=TypeError,
    )
    refused(
        "two terms with the name 'a'",
        MinTrackingError(constraints=[("a", MaxTurnover(0.1)), ("a", MaxTurnover(0.2))]),
        X,
        y,
    )
    refused("pairs", MinTrackingError(constraints=[("a__b", MaxTurnover(0.1))]), X, y)
    refused("risk must be a risk", MinTrackingError("variance"), X, y, error=TypeError)
    refused("solver must be", MinTrackingError(solver="CLARABEL"), X, y, error=TypeError)
    refused("covariance must be", MinTrackingError(Variance("ledoit")), X, y)
    refused("covariance must be", MinTrackingError(Variance(np.eye(8))), X, y, error=TypeError)
    refused("covariance must be", MinTrackingError(Variance(LedoitWolf)), X, y, error=TypeError)
    with pytest.raises(
        UnsupportedProblemError,
        match="DenseQP cannot take this problem: maxturnover \\(MaxTurnover\\) offers no rows",
    ):
        MinTrackingError(solver=DenseQP(), constraints=[MaxTurnover(0.1)]).fit(X, y, previous_weights=np.full(8, 0.125))


def test_weights_of_periods(market):
    X, y = market
    weights = np.ones(len(X))
    weights[5] = -1
    refused("sample_weight of row 5 is -1", MinTrackingError(), X, y, sample_weight=weights)
    refused(
        "0 in every row|at least one non-zero",
        MinTrackingError(),
        X,
        y,
        sample_weight=np.zeros(len(X)),
    )
    refused(
        "sample_weight.*NaN",
        MinTrackingError(),
        X,
        y,
        sample_weight=np.where(weights < 0, np.nan, 1),
    )
    refused("sample_weight", MinTrackingError(), X, y, sample_weight=weights[:-1])
    refused(
        "LedoitWolf.fit does not take it",
        MinTrackingError(Variance(LedoitWolf())),
        X,
        y,
        sample_weight=np.ones(len(X)),
    )
    refused(
        "more than one period",
        MinTrackingError(StandardDeviation()),
        X,
        y,
        sample_weight=np.eye(len(X))[0],
    )


def test_benchmark_and_previous_weights(frames):
    X, y = frames
    refused(
        "MaxTurnover needs the previous weights",
        MinTrackingError(constraints=[MaxTurnover(0.1)]),
        X,
        y,
    )
    refused(
        "slices arrays",
        MinTrackingError(constraints=[MaxTurnover(0.1)]),
        X,
        y,
        previous_weights=np.zeros(5),
    )
    refused(
        "slices arrays",
        MinTrackingError(constraints=[MaxTurnover(0.1)]),
        X,
        y,
        previous_weights=0.1,
    )
    refused("previous_weights leaves out", MinTrackingError(), X, y, previous_weights={"A": 1.0})
    refused(
        "ActiveBounds needs the benchmark's weights",
        MinTrackingError(constraints=[ActiveBounds(-0.1, 0.1)]),
        X,
        y,
    )
    refused(
        "Exposure\\(active=True\\) needs",
        MinTrackingError(constraints=[Exposure(np.ones(8), 0, 0, active=True)]),
        X,
        y,
    )
    refused("must give one number per asset", MinTrackingError(benchmark_weights=0.1), X)
    refused(
        "benchmark_weights of 'B' is infinite",
        MinTrackingError(benchmark_weights=[0, np.inf, 0, 0, 0, 0, 0, 1]),
        X,
    )
    late = pd.DataFrame(np.eye(8)[:1], index=[pd.Timestamp("2030-01-01")], columns=X.columns)
    refused("begins at 2030-01-01", MinTrackingError(benchmark_weights=late), X)
    refused("needs dates", MinTrackingError(benchmark_weights=late), X.reset_index(drop=True))


def test_given_covariances(market):
    X, _ = market
    model = MinTrackingError(Variance("precomputed"), benchmark_weights=np.full(8, 0.125))
    refused("square covariance matrix, got shape \\(120, 8\\)", model, X)
    sigma = np.cov(X.T)
    refused("y has no meaning", model, sigma, np.zeros(8))
    refused("sample_weight has no meaning", model, sigma, sample_weight=np.ones(8))
    refused("needs benchmark_weights", MinTrackingError(Variance("precomputed")), sigma)
    lopsided = sigma.copy()
    lopsided[0, 1] *= 2
    refused("must be symmetric, but entry \\(0, 1\\)", model, lopsided)
    refused(
        "not positive semidefinite: its smallest eigenvalue is -",
        model,
        sigma - 2 * np.diag(np.diag(sigma)),
    )
    refused(
        "Input X contains NaN: first at row 3, column 3",
        model,
        np.where(np.eye(8) * [0, 0, 0, 1, 0, 0, 0, 0], np.nan, sigma),
    )


def test_an_estimator_without_covariance_and_predict_before_fit(market):
    X, y = market

    class Nothing(MinCovDet):
        def fit(self, X, y=None):
            return self

        get_covariance = property()

    refused(
        "neither covariance_ nor get_covariance",
        MinTrackingError(Variance(Nothing())),
        X,
        y,
        error=TypeError,
    )
    with pytest.raises(NotFittedError):
        MinTrackingError().predict(X)
    with pytest.raises(NotFittedError):
        MinTrackingError(benchmark_weights=np.ones(8)).score(X)

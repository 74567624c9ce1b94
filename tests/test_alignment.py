"""Rows, columns and names that do not belong together are refused, wherever they come from."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.covariance import EmpiricalCovariance, LedoitWolf

from trackfolio import MinTrackingError
from trackfolio._position import Position
from trackfolio.constraints import Constraint, Exposure, GroupBounds, LinearConstraint, MaxTurnover, Rows
from trackfolio.exceptions import SolverFallbackWarning, UnsupportedProblemError
from trackfolio.risks import Variance
from trackfolio.solvers import DenseQP


def test_weights_of_other_periods(frames):
    X, y = frames
    weights = pd.Series(np.linspace(0, 1, len(X)), index=X.index)
    with pytest.raises(ValueError, match="dates of X and sample_weight differ"):
        MinTrackingError().fit(X, y, sample_weight=weights[::-1])
    by_name = MinTrackingError().fit(X, y, sample_weight=weights)
    assert_allclose(by_name.weights_, MinTrackingError().fit(X, y, sample_weight=weights.to_numpy()).weights_)


def test_score_of_other_periods(frames):
    X, y = frames
    model = MinTrackingError().fit(X, y)
    with pytest.raises(ValueError, match="dates of X and y differ"):
        model.score(X, y[::-1])


def test_columns_with_numbers_as_names_keep_their_order(frames):
    X, y = frames
    X = X.set_axis(range(101, 109), axis=1)
    model = MinTrackingError(max_weights={102: 0.05}, constraints=[LinearConstraint(X.iloc[:1] * 0 + 1, 0, 2)])
    model.fit(X, y)
    assert model.weights_[1] <= 0.05 + 1e-12
    with pytest.raises(ValueError, match="not those of fit"):
        model.predict(X[X.columns[::-1]])
    assert_allclose(np.asarray(model.predict(X)), np.asarray(model.predict(X.to_numpy())))


def test_same_instants_in_two_time_zones(frames):
    X, y = frames
    with pytest.raises(ValueError, match="of different kinds"):
        MinTrackingError().fit(X.tz_localize("UTC"), y.tz_localize("UTC").tz_convert("Asia/Tokyo"))


def test_covariance_with_names(frames):
    X, _ = frames
    sigma = X.cov()
    model = MinTrackingError(Variance("precomputed"), benchmark_weights=dict.fromkeys(X.columns, 1 / 8))
    assert_allclose(model.fit(sigma).weights_, 1 / 8)
    with pytest.raises(ValueError, match="same names in one order"):
        model.fit(sigma.iloc[::-1])
    with pytest.raises(ValueError, match="fit_predict needs returns"):
        model.fit_predict(sigma)


def test_benchmark_table_with_poor_dates(frames):
    X, _ = frames
    table = pd.DataFrame(np.eye(8)[:2], index=X.index[:2], columns=X.columns)
    for wrong, match in (
        (table.tz_localize("UTC"), "time zone"),
        (table.iloc[[0, 0]], "one row a date"),
        (table.iloc[:0], "needs rows"),
    ):
        with pytest.raises(ValueError, match=match):
            MinTrackingError(benchmark_weights=wrong).fit(X)


def test_covariances_of_two_estimators_are_not_mixed_up(market):
    X, y = market
    position = Position(X, y)
    first, second = position.covariance(LedoitWolf()), position.covariance(EmpiricalCovariance())
    assert not np.allclose(first.gram()[0], second.gram()[0])
    kept = LedoitWolf()
    assert position.covariance(kept) is position.covariance(kept)


def test_missing_values_of_pandas_own_kind_have_a_place(frames):
    X, y = frames
    X = X.astype("Float64")
    X.iloc[4, 1] = pd.NA
    with pytest.raises(ValueError, match="column 'B'"):
        MinTrackingError().fit(X, y)


class Both(Constraint):
    """Two kinds at once: one of them would be lost."""

    def rows(self, problem):
        return Rows(np.eye(1, problem.n_assets), 0.0, 0.5)

    def constraints(self, problem, w):
        return [w[0] <= 0.4]


@pytest.mark.parametrize(
    ("constraint", "error", "match"),
    [
        (Both(), TypeError, "defines rows and constraints"),
        (Constraint(), UnsupportedProblemError, "offers no rows or limits or constraints"),
        (("budget", Exposure(np.ones(8), 0, 1)), ValueError, "cannot be called 'budget'"),
        (("max_weights", MaxTurnover(0.1)), ValueError, "cannot be called 'max_weights'"),
        (Exposure(np.ones(8), lower="1"), ValueError, "Exposure.lower must be one number"),
        (Exposure(np.ones(8), upper={"a": 1}), ValueError, "Exposure.upper must be one number"),
        (MaxTurnover("0.1"), ValueError, "MaxTurnover.limit must be one number"),
        (MaxTurnover(None), ValueError, "MaxTurnover.limit must be a number"),
        (MaxTurnover(np.inf), ValueError, "and finite"),
        (LinearConstraint([["a"] * 8], 0), ValueError, "must be numbers"),
        (LinearConstraint([[1, 2], [3]], 0), ValueError, "must be numbers"),
        (GroupBounds(None, upper=1), ValueError, "one label per asset"),
        (GroupBounds("aabbccdd", upper=1), ValueError, "one label per asset"),
        (GroupBounds(pd.Series("a", index=list("AABCDEFG")), upper=1), ValueError, "'A' twice"),
    ],
)
def test_limits_that_make_no_sense(frames, constraint, error, match):
    X, y = frames
    with pytest.raises(error, match=match):
        MinTrackingError(constraints=[constraint]).fit(X, y, previous_weights=np.full(8, 1 / 8))


def test_no_bound_that_nothing_can_meet(market):
    X, y = market
    with pytest.raises(ValueError, match="met by no weights"):
        MinTrackingError(min_weights=[-np.inf] * 7 + [np.inf], max_weights=np.inf).fit(X, y)
    with pytest.raises(ValueError, match=r"only 0\.999999992"):
        MinTrackingError(max_weights=0.125 - 1e-9).fit(X, y)


def test_a_poor_answer_is_tried_again_by_the_next_solver(market, monkeypatch):
    X, y = market
    good = DenseQP.solve

    def poor(self, problem):
        found = good(self, problem)
        found.weights[:] = 1 / 8  # within the limits, and far from the optimum
        return found

    monkeypatch.setattr(DenseQP, "solve", poor)
    with pytest.warns(SolverFallbackWarning, match="InteriorPoint took over: DenseQP: a gap of"):
        model = MinTrackingError().fit(X, y)
    assert model.solution_.solver == "InteriorPoint"
    assert model.solution_.gap <= 1e-8

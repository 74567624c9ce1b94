"""Input that is a number, but hardly the one that was meant."""

import dataclasses
import warnings

import numpy as np
import pandas as pd
import pytest

from trackfolio import EqualWeighted, MeanRisk, MinTrackingError, diagnose
from trackfolio.constraints import MaxTurnover
from trackfolio.exceptions import InfeasibleError, OutlierWarning, SolverFailure, SolverFallbackWarning, WeightsWarning
from trackfolio.model_selection import WalkForward, backtest
from trackfolio.risks import CVaR
from trackfolio.solvers import Conic, InteriorPoint
from trackfolio.solvers.sparse import _method

from .conftest import simulate

EQUAL = np.full(8, 1 / 8)


@pytest.mark.filterwarnings("ignore::trackfolio.exceptions.NonUniqueWarning")
@pytest.mark.parametrize("wrong", [99999999.0, -9999.0, 1e8])
def test_a_number_that_stands_for_a_missing_value_is_told_with_its_place(market, wrong):
    X, y = market
    X = pd.DataFrame(X, columns=[f"s{k}" for k in range(8)])
    X.iloc[3, 2] = wrong
    with pytest.warns(OutlierWarning, match=r"row 3, column 's2'"):
        MinTrackingError().fit(X, y)
    y[5] = wrong
    with pytest.warns(OutlierWarning, match=r"y has a return .* in row 5"):
        MinTrackingError().fit(X.drop(columns="s2"), y)


def test_heavy_tails_and_units_are_no_outliers(market):
    X, y = market
    with warnings.catch_warnings():
        warnings.simplefilter("error", OutlierWarning)
        for unit in (1e-6, 1.0, 1e6):
            EqualWeighted().fit(unit * X)
            MinTrackingError().fit(unit * X, unit * y)
        MinTrackingError().fit(np.random.default_rng(0).standard_t(3, (500, 4)), np.zeros(500))
        EqualWeighted().fit(np.zeros((30, 3)))


def test_returns_too_small_to_be_squared_are_refused(market):
    X, y = market
    for fit in (lambda: MeanRisk().fit(1e-170 * X), lambda: MinTrackingError().fit(1e-170 * X, 1e-170 * y)):
        with pytest.raises(ValueError, match="too small to be squared"):
            fit()


def test_weights_in_percent_are_refused(market):
    X, y = market
    with pytest.raises(ValueError, match=r"benchmark_weights sum to 100: they look like percent"):
        MinTrackingError(benchmark_weights=100 * EQUAL).fit(X)
    with pytest.raises(ValueError, match=r"previous_weights sum to 100: they look like percent"):
        MinTrackingError(constraints=[MaxTurnover(0.1)]).fit(X, y, previous_weights=100 * EQUAL)
    MinTrackingError(benchmark_weights=100 * EQUAL, budget=100, max_weights=100).fit(X)


def test_benchmark_weights_that_miss_one_are_told(market):
    X, _ = market
    with pytest.warns(WeightsWarning, match=r"sum to 0.97, not to 1"):
        MinTrackingError(benchmark_weights=0.97 * EQUAL).fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error", WeightsWarning)
        MinTrackingError(benchmark_weights=EQUAL + 1e-4).fit(X)
        MinTrackingError(benchmark_weights=0.97 * EQUAL, budget=(0.9, 1.0)).fit(X)


def test_a_column_of_dates_is_told(market):
    X, y = market
    frame = pd.DataFrame(X).assign(Date=pd.date_range("2020-01-01", periods=len(X)))
    frame.columns = frame.columns.astype(str)
    with pytest.raises(ValueError, match=r"Column 'Date' of X holds dates: make it the index"):
        MinTrackingError().fit(frame, y)


def test_a_missing_benchmark_is_told_with_both_ways_to_give_it(market):
    for model in (MinTrackingError(), MeanRisk(max_tracking_error=0.01)):
        with pytest.raises(ValueError, match=r"requires y to be passed.* or set benchmark_weights"):
            model.fit(market[0])


def test_more_names_than_there_are_is_no_limit(market):
    X, y = market
    assert MinTrackingError(cardinality=30).fit(X, y).solution_.objective == pytest.approx(
        MinTrackingError().fit(X, y).solution_.objective, rel=1e-6
    )
    with pytest.raises(InfeasibleError, match=r"^cardinality asks for at least 9 names, but there are only 8\.$"):
        MinTrackingError(cardinality=(9, 30), min_position=0.01).fit(X, y)
    found = diagnose(MinTrackingError(cardinality=(9, 30), min_position=0.01), X, y)
    assert (
        str(found) == "No portfolio satisfies the limits: cardinality asks for at least 9 names, but there are only 8."
    )
    assert found.is_feasible is False


def test_the_solvers_that_fell_short_are_kept_in_the_solution(market, monkeypatch):
    def broken(*_):
        raise SolverFailure("no idea")

    monkeypatch.setattr(InteriorPoint, "_solve", broken)
    with pytest.warns(SolverFallbackWarning):
        model = MeanRisk(CVaR()).fit(market[0])
    assert model.solution_.fallbacks == ("InteriorPoint: no idea",)
    assert "by Conic after InteriorPoint in" in repr(model.solution_)
    assert MeanRisk(CVaR(), solver=Conic()).fit(market[0]).solution_.fallbacks == ()


def test_an_interrupt_ends_a_backtest_and_is_not_stored(tmp_path, monkeypatch):
    X, y = simulate(8, 120)
    model, folds = MinTrackingError(cardinality=3), WalkForward(train_size=60, test_size=20)
    search, calls = _method.Method.run, []

    def interrupted(self):
        found = search(self)
        calls.append(0)
        return dataclasses.replace(found, stopped_by="interrupt") if len(calls) == 2 else found

    monkeypatch.setattr(_method.Method, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        backtest(model, X, y, cv=folds, memory=str(tmp_path))
    monkeypatch.undo()
    again = backtest(model, X, y, cv=folds, memory=str(tmp_path))
    np.testing.assert_array_equal(again.weights, backtest(model, X, y, cv=folds).weights)

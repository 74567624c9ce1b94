"""Data that are legal but odd: they solve, with a proof."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone

import trackfolio._dinkelbach as dinkelbach
from trackfolio import MeanRisk, MinTrackingError, metrics
from trackfolio.certificate import certify
from trackfolio.constraints import BetaBounds, MaxLeverage, RiskLimit
from trackfolio.costs import TransactionCost
from trackfolio.exceptions import AccuracyWarning, InfeasibleError, NonUniqueWarning
from trackfolio.objectives import MaxRatio, MaxUtility
from trackfolio.risks import (
    CVaR,
    EDaR,
    EVaR,
    GiniMeanDifference,
    Huber,
    LowerPartialMoment,
    MaxDrawdown,
    RootMeanSquare,
    SemiDeviation,
    SemiVariance,
    StandardDeviation,
    Variance,
)
from trackfolio.solvers import Conic, InteriorPoint
from trackfolio.solvers._unbounded import refuse_unbounded
from trackfolio.testing import check_risk

from .conftest import MANY


@MANY
@pytest.mark.parametrize("risk", [RootMeanSquare(), StandardDeviation(), Variance()], ids=lambda r: type(r).__name__)
def test_small_and_odd_data_solve(risk, market):
    X, y = market
    one_asset = MinTrackingError(risk).fit(X[:, :1], y)
    assert_allclose(one_asset.weights_, [1.0])
    duplicates = MinTrackingError(risk).fit(X[:, [0, 0, 0]], y)
    assert_allclose(duplicates.weights_.sum(), 1)
    constant = MinTrackingError(risk).fit(np.full((20, 3), 0.01), y[:20])
    assert constant.solution_.gap <= 1e-8
    nothing = MinTrackingError(risk).fit(np.zeros((20, 3)), np.zeros(20))
    assert nothing.solution_.objective == 0
    assert_allclose(nothing.weights_.sum(), 1)
    wide = MinTrackingError(risk).fit(X[:4], y[:4])
    assert wide.solution_.gap <= 1e-8


@MANY
def test_one_row(market):
    X, y = market
    model = MinTrackingError().fit(X[:1], y[:1])
    assert_allclose(model.weights_.sum(), 1)
    assert model.solution_.objective < 1e-9  # eight assets replicate one number
    with pytest.raises(ValueError, match="more than one period"):
        MinTrackingError(StandardDeviation()).fit(X[:1], y[:1])


@pytest.mark.parametrize("unit", [1e-4, 1, 100, 1e4], ids=["tiny", "returns", "percent", "basis points"])
def test_the_unit_of_returns_does_not_matter(unit, market):
    X, y = market
    model = MinTrackingError(min_weights=-1).fit(unit * X, unit * y)
    assert_allclose(model.weights_, MinTrackingError(min_weights=-1).fit(X, y).weights_, atol=1e-10)
    assert model.solution_.gap <= 1e-8


# What random problems found (tests/fuzz): each was an exception, a warning or a wrong answer once.


@pytest.mark.parametrize("value", [0.01, 0.013, 100.0, 1e-10], ids=str)
@pytest.mark.parametrize("risk", [None, StandardDeviation(), SemiVariance(), GiniMeanDifference()], ids=str)
@pytest.mark.filterwarnings("ignore:column:trackfolio.exceptions.PricesWarning")
@MANY
def test_constant_returns_have_no_risk_but_for_rounding(risk, value):
    model = MeanRisk(risk).fit(np.full((20, 3), value))
    assert model.solution_.status == "optimal"
    assert model.solution_.objective <= 1e-14 * value
    with pytest.raises(InfeasibleError, match="MaxRatio is not defined"):
        MeanRisk(risk, MaxRatio()).fit(np.full((20, 3), value))


@pytest.mark.parametrize("risk", [Huber(0.01), LowerPartialMoment(2), SemiDeviation(0.0), EVaR()], ids=str)
def test_an_asset_that_is_the_benchmark_replicates_it(risk, market):
    X, _ = market
    model = MinTrackingError(risk).fit(X[:, :1], np.nextafter(X[:, 0], 1))  # equal but for rounding
    assert_allclose(model.weights_, [1.0])
    assert model.solution_.status == "optimal"
    assert model.solution_.objective < 1e-12


@pytest.mark.parametrize("risk", [SemiDeviation(1e-3), SemiVariance(-1e-3), LowerPartialMoment(1, 1e-3), Huber(0.01)])
@pytest.mark.parametrize("unit", [1e-12, 1e-6, 1e6, 1e12], ids=str)
@pytest.mark.filterwarnings("ignore:column:trackfolio.exceptions.PricesWarning")
def test_risks_with_a_parameter_in_units_of_returns_take_any_unit(risk, unit, market):
    X, _ = market
    parameter = "threshold" if isinstance(risk, Huber) else "target"
    scaled = clone(risk).set_params(**{parameter: unit * getattr(risk, parameter)})
    check_risk(risk)
    for solver in (None, Conic()):
        usual = MeanRisk(risk, solver=solver).fit(X)
        model = MeanRisk(scaled, solver=solver).fit(unit * X)
        assert model.solution_.status == "optimal"
        assert_allclose(np.std(model.predict(X)), np.std(usual.predict(X)), rtol=1e-3)


def test_no_returns_and_few_names():
    nothing, equal = np.zeros((5, 6)), np.full(6, 1 / 6)
    model = MinTrackingError(cardinality=2, budget=(0.9, 1.1), benchmark_weights=equal).fit(nothing, np.zeros(5))
    assert model.solution_.objective == 0
    model = MeanRisk(cardinality=2, max_tracking_error=0.0, benchmark_weights=equal).fit(nothing)
    assert model.solution_.objective == 0


def test_free_weights_of_a_small_sum_are_measured_in_it(market):
    X, _ = market
    model = MeanRisk(MaxDrawdown(), budget=(9e-5, 1.1e-4), min_weights=None, max_weights=None).fit(X)
    assert 9e-5 * (1 - 1e-8) <= model.weights_.sum() <= 1.1e-4 * (1 + 1e-8)
    assert_allclose(model.make_problem(X).unit, 1.1e-4)


def test_a_benchmark_larger_than_all_portfolios(market):
    X, y = market
    for risk in (EDaR(0.8), CVaR(), MaxDrawdown(), SemiDeviation()):
        model = MinTrackingError(risk, budget=1e-4, max_weights=1e-4).fit(X, y)
        assert model.solution_.status == "optimal"


def test_what_limits_bound_is_never_without_end(market):
    """Differences that were inaccuracies once looked like an objective that falls without end."""
    free = {"min_weights": None, "max_weights": None, "budget": (-np.inf, np.inf)}
    model = MeanRisk(EVaR(), constraints=[MaxLeverage(gross=1e-4)], **free)
    refuse_unbounded(model.make_problem(market[0]), lambda problem: pytest.fail("nothing to find out"))
    inaccurate = iter([0.0, -1e-9, -1e-7])
    problem = MeanRisk(EVaR(), **free).make_problem(market[0])
    refuse_unbounded(problem, lambda _: (SimpleNamespace(objective=next(inaccurate)), []))


@pytest.mark.parametrize("seed", [1, 3, 8])
def test_a_limit_at_rounding_gives_no_false_bound(seed):
    """The multiplier of a variance of about 1e-36 is huge, and so is what rounding of the returns makes of it."""
    rng = np.random.default_rng(seed)
    n_periods = rng.integers(20, 400)
    X = np.tile(0.01 * rng.standard_normal(6), (n_periods, 1))
    y = np.full(n_periods, 0.01 * rng.standard_normal())
    previous = rng.dirichlet(np.ones(6))
    limit = RiskLimit(Variance(), 1.01 * Variance().value(X @ previous - y), active=True)
    model = MinTrackingError(costs=[TransactionCost(0.1)], constraints=[limit])
    problem = model.make_problem(X, y, previous_weights=previous)
    found = InteriorPoint().solve(problem)
    assert certify(problem, found).lower_bound <= problem.value(previous)


def test_weights_without_bounds_on_returns_of_zero_have_a_proof():
    benchmark = np.full(4, 0.25)
    model = MeanRisk(objective=MaxUtility(100.0), min_weights=None, max_weights=None, benchmark_weights=benchmark)
    with pytest.warns(NonUniqueWarning):
        found = model.fit(np.zeros((50, 4))).solution_
    assert (found.status, found.objective) == ("optimal", 0)


def test_a_least_risk_that_is_positive_but_not_proven_leaves_the_ratio_without_a_proof(monkeypatch, market):
    """A search over few names ends at a gap in units of its scale, beside which its bound may be nothing."""
    found = dinkelbach.find

    def without_bound(problem, solver=None, **more):
        solution, reasons = found(problem, solver, **more)
        if [name for name, _, _ in problem.objective] == ["objective__risk"]:
            solution = replace(solution, certificate=replace(solution.certificate, lower_bound=0.0))
        return solution, reasons

    expected = MeanRisk(objective=MaxRatio()).fit(market[0]).weights_
    monkeypatch.setattr(dinkelbach, "find", without_bound)
    with pytest.warns(AccuracyWarning):
        model = MeanRisk(objective=MaxRatio()).fit(market[0])
    assert_allclose(model.weights_, expected, atol=1e-6)
    assert model.solution_.lower_bound == -np.inf


@MANY
def test_the_beta_of_constant_returns_is_zero():
    """Deviations from the mean of a constant are rounding: limits on them would be limits on nothing."""
    rng = np.random.default_rng(0)
    y, X = 0.01 * rng.standard_normal(80), np.full((80, 3), 0.02084847)
    cash = MinTrackingError(constraints=[BetaBounds(upper=-1e-33)])
    assert_allclose(cash.fit(X, y).weights_.sum(), 1)
    assert not cash.make_problem(X, y).active.betas.any()
    streamed = MinTrackingError(constraints=[BetaBounds(upper=-1e-33)]).partial_fit(X[:30], y[:30])
    assert_allclose(streamed.partial_fit(X[30:], y[30:]).weights_.sum(), 1)
    assert metrics.beta(y, X[:, 0]) == 0
    with pytest.raises(InfeasibleError, match=r"betabounds asks for 0\.1 to inf"):
        MinTrackingError(constraints=[BetaBounds(0.1)]).fit(X, y)
    X[:, 2] = 2 * y
    assert_allclose(cash.make_problem(X, y).active.betas, [0, 0, 2], atol=0)

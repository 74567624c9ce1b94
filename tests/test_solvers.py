"""Choice of a solver, refusals, fall-backs, conflicts, and agreement over random problems."""

import dataclasses
import re
import warnings

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from trackfolio import MeanRisk, MinTrackingError
from trackfolio._functions import Minorant, OfQuadratic
from trackfolio._quadratic import GramQuadratic
from trackfolio.constraints import (
    ActiveBounds,
    BetaBounds,
    ConditionalBudget,
    Constraint,
    Exposure,
    GroupBounds,
    GroupCardinality,
    GroupRatio,
    LinearConstraint,
    MaxActiveShare,
    MaxLeverage,
    MaxTrades,
    MaxTurnover,
    MinReturn,
    RiskLimit,
)
from trackfolio.costs import TransactionCost
from trackfolio.exceptions import (
    AccuracyWarning,
    InfeasibleError,
    SolverFailure,
    SolverFallbackWarning,
    UnsupportedProblemError,
)
from trackfolio.objectives import MaxReturn
from trackfolio.risks import (
    CVaR,
    Huber,
    MeanAbsoluteDeviation,
    Risk,
    RootMeanSquare,
    StandardDeviation,
    Variance,
    WorstRealization,
)
from trackfolio.solution import Solution
from trackfolio.solvers import REGISTRY, Conic, DenseQP
from trackfolio.testing import check_constraint, check_risk, check_solver

from .conftest import MANY, simulate


def subclasses(cls):
    """All public classes below one, wherever they are defined in the package's public parts."""
    found = {sub for child in cls.__subclasses__() for sub in {child, *subclasses(child)}}
    public = re.compile(r"trackfolio\.[a-z]")
    return sorted(
        (c for c in found if public.match(c.__module__) and not c.__name__.startswith("_")),
        key=lambda c: c.__name__,
    )


EXAMPLES = {
    ActiveBounds: ActiveBounds(-0.1, 0.1),
    BetaBounds: BetaBounds(0.95, 0.98),
    ConditionalBudget: ConditionalBudget(0.1, 0.7),
    GroupCardinality: GroupCardinality(["a", "a", "b", "b", None], most=1),
    MaxTrades: MaxTrades(3),
    GroupRatio: GroupRatio(["a", "a", "b", "b", None], "a", "b", 0.5, 0.8),
    MaxActiveShare: MaxActiveShare(0.1),
    MaxLeverage: MaxLeverage(gross=1.0, long=1.0, short=0.0),
    MinReturn: MinReturn(-0.002, costs=[TransactionCost(1e-4)]),
    Exposure: Exposure([1, 2, 3, 4, 5], 2.0, 2.5),
    GroupBounds: GroupBounds(["a", "a", "b", "b", None], upper={"a": 0.3}),
    LinearConstraint: LinearConstraint([[1, -1, 0, 0, 0]], 0.05),
    MaxTurnover: MaxTurnover(0.1),
    RiskLimit: StandardDeviation() <= 0.012,
}


@pytest.mark.parametrize("risk", subclasses(Risk), ids=lambda c: c.__name__)
def test_every_risk_keeps_its_promises(risk):
    check_risk(Huber(0.01) if risk is Huber else risk())


@pytest.mark.parametrize("constraint", subclasses(Constraint), ids=lambda c: c.__name__)
def test_every_constraint_keeps_its_promises(constraint):
    check_constraint(EXAMPLES[constraint])


@pytest.mark.parametrize("solver", REGISTRY, ids=lambda c: c.__name__)
def test_every_solver_keeps_its_promises(solver):
    check_solver(solver())


def test_checks_see_what_is_wrong():
    class WrongValue(RootMeanSquare):
        def value(self, returns, sample_weight=None):
            return 1.1 * super().value(returns, sample_weight)

    class WrongGradient(RootMeanSquare):
        def minorant_at(self, position, w, pull=None):
            slope, value = super().minorant_at(position, w, pull)
            return Minorant(-slope, value)

    class NotConvex(Risk):
        def expression(self, returns, sample_weight=None):
            return -cp.norm(returns)

    class Lazy(DenseQP):
        def solve(self, problem):
            return super().solve(problem).__class__(weights=np.full(5, 0.2), solver="Lazy", row_duals=np.zeros(1))

    with pytest.raises(AssertionError, match="expression equals value"):
        check_risk(WrongValue())
    with pytest.raises(AssertionError, match="stays below the risk"):
        check_risk(WrongGradient())
    with pytest.raises(AssertionError, match="convex"):
        check_risk(NotConvex())
    with pytest.raises(AssertionError, match="one of rows, limits and constraints"):
        check_constraint(Constraint())
    with pytest.raises(AssertionError), pytest.warns(UserWarning, match="gap"):
        check_solver(Lazy())


# Choice.


class Half(Constraint):
    """At most half in the first asset, written for cvxpy alone."""

    def constraints(self, problem, w):
        return w[0] <= 0.5


def test_choice_is_by_what_the_terms_offer(market):
    X, y = market
    assert MinTrackingError().fit(X, y).solution_.solver == "DenseQP"
    model = MinTrackingError(min_weights={"x0": 0.45}, constraints=[Half()]).fit(X, y)
    assert model.solution_.solver == "Conic"
    assert 0.45 - 1e-9 <= model.weights_[0] <= 0.5 + 1e-9
    with pytest.raises(UnsupportedProblemError, match="half \\(Half\\) offers no rows"):
        MinTrackingError(solver=DenseQP(), constraints=[Half()]).fit(X, y)


def test_a_solver_that_gives_up_hands_over_with_a_warning(market, monkeypatch):
    X, y = market

    def give_up(self, problem):
        raise SolverFailure("PIQP ended with status BROKEN")

    monkeypatch.setattr(DenseQP, "solve", give_up)
    with pytest.warns(SolverFallbackWarning, match="InteriorPoint took over: DenseQP: PIQP ended with status BROKEN"):
        model = MinTrackingError().fit(X, y)
    assert model.solution_.solver == "InteriorPoint"
    with pytest.raises(SolverFailure, match="BROKEN"):  # the one that was asked for has no deputy
        MinTrackingError(solver=DenseQP()).fit(X, y)


def test_too_few_iterations_are_said(market):
    X, y = market
    with pytest.warns(AccuracyWarning, match="Conic returned weights with a gap of"):
        model = MinTrackingError(solver=Conic(options={"max_iter": 1})).fit(X, y)
    assert model.solution_.status == "inaccurate"


def test_weights_that_break_a_limit_are_not_returned(market, monkeypatch):
    X, y = market
    monkeypatch.setattr(
        DenseQP,
        "solve",
        lambda self, problem: Solution(np.full(8, 0.13), "DenseQP", row_duals=np.zeros(1)),
    )
    with pytest.warns(SolverFallbackWarning, match="its weights break a limit by 4.0e-02"):
        model = MinTrackingError().fit(X, y)
    assert_allclose(model.weights_.sum(), 1)
    with pytest.raises(SolverFailure, match="break a limit"):
        MinTrackingError(solver=DenseQP()).fit(X, y)


def test_another_solver_of_cvxpy(market):
    X, y = market
    reference = MinTrackingError().fit(X, y)
    other = MinTrackingError(
        solver=Conic("OSQP", {"eps_abs": 1e-10, "eps_rel": 1e-10, "max_iter": 100_000}, tolerance=1e-4)
    ).fit(X, y)
    assert_allclose(other.weights_, reference.weights_, atol=1e-4)


@pytest.mark.parametrize("ulp", [-1, 1])
@pytest.mark.parametrize("bounds", [(0, 1), (1, 1), (-1, 1)])
def test_limits_that_cross_by_rounding_are_no_conflict(ulp, bounds):
    x = 0.01 * np.arange(-5.0, 5)
    exact = np.nextafter(1.0, ulp * 9)
    for limits in ([Exposure([1.3], 1.3 * exact, 1.3 * exact)], [ActiveBounds(0, 0)]):
        model = MinTrackingError(
            min_weights=bounds[0], max_weights=bounds[1], benchmark_weights=[exact], constraints=limits
        ).fit(x[:, None], x)
        assert_allclose(model.weights_, [1.0], rtol=1e-12)
        assert 0 <= model.solution_.gap <= 1e-8


# Conflicts.


def conflict(X, y, model, **fit):
    with pytest.raises(InfeasibleError) as error:
        model.fit(X, y, **fit)
    return str(error.value)


@pytest.mark.parametrize("solver", [None, Conic()], ids=["automatic", "conic"])
def test_conflicts_name_the_terms_and_no_others(market, solver):
    X, y = market
    groups = GroupBounds(["a"] * 4 + ["b"] * 4, lower={"a": 0.6})
    tilt = Exposure([0] * 4 + [1] * 4, lower=0.5)
    harmless = LinearConstraint(np.eye(8)[0], upper=0.9)
    message = conflict(X, y, MinTrackingError(constraints=[harmless, groups, ("tilt", tilt)], solver=solver))
    assert "groupbounds" in message
    assert "tilt" in message
    assert "linearconstraint" not in message
    assert "max_weights" not in message
    previous = np.eye(8)[0]
    message = conflict(
        X,
        y,
        MinTrackingError(max_weights=0.3, constraints=[harmless, MaxTurnover(0.1)], solver=solver),
        previous_weights=previous,
    )
    assert "max_weights" in message
    assert "maxturnover" in message
    assert "linearconstraint" not in message


def test_conflict_with_a_constraint_of_ones_own(market):
    X, y = market
    message = conflict(
        X,
        y,
        MinTrackingError(min_weights={"x0": 0.6}, constraints=[Half(), MaxTurnover(1)]),
        previous_weights=np.full(8, 1 / 8),
    )
    assert message.startswith("No portfolio satisfies these limits together: min_weights, half.")


# Agreement on random problems: the fast path, the general path, and no random portfolio that is better.


@st.composite
def models(draw):
    n_assets, n_periods = draw(st.sampled_from([(4, 40), (8, 6), (12, 60)]))
    seed = draw(st.integers(0, 1000))
    rng = np.random.default_rng(seed)
    X, y = simulate(n_assets, n_periods, seed)
    if draw(st.booleans()):
        X[:, 0] = X[:, 1]
    inside = rng.dirichlet(np.ones(n_assets))  # keeps every problem feasible
    constraints = []
    if draw(st.booleans()):
        v = rng.standard_normal(n_assets)
        constraints.append(Exposure(v, v @ inside - draw(st.sampled_from([0.0, 0.1])), v @ inside))
    if draw(st.booleans()):
        constraints.append(
            GroupBounds(rng.choice(["a", "b"], n_assets), upper={}, lower=0.0)
            if draw(st.booleans())
            else ActiveBounds(-0.3, 0.3)
        )
    if draw(st.booleans()):
        constraints.append(LinearConstraint(np.eye(n_assets)[:2], inside[:2] - 0.05, inside[:2] + 0.05))
    model = MinTrackingError(
        draw(st.sampled_from([RootMeanSquare(), StandardDeviation(), Variance()])),
        min_weights=draw(st.sampled_from([0.0, -0.5, -np.inf])),
        max_weights=draw(st.sampled_from([1.0, np.inf])),
        budget=draw(st.sampled_from([1.0, (0.9, 1.1)])),
        benchmark_weights=inside,
        constraints=constraints,
    )
    return model, X, y, inside


@MANY
@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(models())
def test_both_solvers_agree_and_nothing_feasible_is_better(case):
    model, X, y, inside = case
    direct = model.fit(X, y)
    solution, weights = direct.solution_, direct.weights_
    with warnings.catch_warnings():
        # Free weights and a flat objective: only exact slopes prove anything, and Conic has them to 1e-12.
        warnings.simplefilter("ignore" if np.isinf(model.min_weights) else "error", AccuracyWarning)
        general = model.set_params(solver=Conic()).fit(X, y).solution_
    s = np.mean((X - y[:, None]) ** 2)
    power = 2 if model.risk.is_root else 1
    assert solution.solver == "DenseQP"
    assert abs(solution.objective**power - general.objective**power) <= 1e-9 * s
    assert solution.primal_violation <= 1e-9
    assert solution.gap <= 1e-8
    # Any mixture with a portfolio known to be feasible is feasible, and not better.
    for share in (0.01, 0.3, 1.0):
        mixture = (1 - share) * weights + share * inside
        assert model.risk.value(X @ mixture - y) >= solution.objective - 1e-12


def test_conflicts_of_limits_on_functions_are_told_without_the_general_solver(monkeypatch):
    from trackfolio.solvers import conic
    from trackfolio.solvers._infeasible import _reach

    X, y = simulate(8, 300)
    least = MeanRisk(CVaR()).fit(X).solution_.objective
    nearest = MinTrackingError().fit(X, y).solution_.objective
    for module, name in ((conic.Conic, "_by_clarabel"), (_reach, "_cone_feasible")):
        monkeypatch.setattr(module, name, lambda *_: pytest.fail("the general solver was called"))
    limits = [("tail", CVaR() <= 0.99 * least), ("worst", WorstRealization() <= 1.0)]
    with pytest.raises(InfeasibleError) as caught:
        MeanRisk(objective=MaxReturn(), constraints=limits).fit(X)
    assert "tail" in str(caught.value)
    assert "worst" not in str(caught.value)
    needed = {each.name: each.needed for each in caught.value.explanation.conflict}
    assert least <= needed["tail"] <= 1.001 * least
    with pytest.raises(InfeasibleError, match="max_tracking_error"):
        MeanRisk(CVaR(), max_tracking_error=0.99 * nearest).fit(X, y)


def test_large_weights_are_not_weights_without_end():
    """The least distance needs a weight of 30000 in an asset of tiny returns: nothing is unbounded, nor in conflict."""
    X = 0.01 * np.random.default_rng(0).normal(size=(100, 4))
    X[:, 0] *= 1e-5
    y = 3e4 * X[:, 0] + 0.5 * X[:, 1] + 1e-3 * np.random.default_rng(1).normal(size=100)
    free = {"budget": (-np.inf, np.inf), "min_weights": None, "max_weights": None}
    for risk in (StandardDeviation(), RootMeanSquare()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = MinTrackingError(risk, solver=DenseQP(), **free).fit(X, y)
        assert abs(model.weights_[0]) > 1e4
    apart = [
        ("low", LinearConstraint([[0, 0, 1.0, 1]], lower=0.002)),
        ("high", LinearConstraint([[0, 0, 1.0, 1]], upper=0.001)),
        ("near", RiskLimit(MeanAbsoluteDeviation(), 9e-4, active=True)),
    ]
    for order in (apart, apart[::-1]):
        with pytest.raises(InfeasibleError) as caught:
            MinTrackingError(CVaR(0.9), constraints=order, **free).fit(X, y)
        assert "low" in str(caught.value)
        assert "high" in str(caught.value)
        assert "near" not in str(caught.value)


def test_what_the_budget_and_the_bounds_contradict_is_blamed_alone(market):
    X, _ = market
    limits = [("tail", CVaR(0.9) <= 1e-5), ("trades", MaxTurnover(0.3))]
    with pytest.raises(InfeasibleError, match="tail") as caught:
        MeanRisk(constraints=limits).fit(X, previous_weights=np.full(8, 1 / 8))
    assert "trades" not in str(caught.value)


def test_of_several_attempts_the_one_that_misses_least_is_kept(market, monkeypatch):
    """Weights that break a limit by a little have a gap of 0: they are not better than those that keep it."""
    X, _ = market
    exact = MeanRisk(CVaR(), solver=Conic()).fit(X).solution_
    low = dataclasses.replace(exact, weights=exact.weights * (1 - 1e-7))
    monkeypatch.setattr(Conic, "attempts", lambda self, problem: [lambda: low, lambda: exact])
    model = MeanRisk(CVaR(), solver=Conic()).fit(X)
    assert model.solution_.status == "optimal"
    assert model.solution_.primal_violation <= 1e-8


def test_a_solver_that_finds_no_end_where_weights_are_bounded_has_failed(market, monkeypatch):
    X, y = market
    monkeypatch.setattr("cvxpy.Problem.status", "unbounded")
    with pytest.raises(SolverFailure, match="without end where weights are bounded"):
        MinTrackingError(CVaR(), solver=Conic()).fit(X, y)


def test_the_scale_of_a_form_with_a_slope_is_a_size():
    """Of w'Mw - 2h'w a mean could cancel to nothing, or be below 0."""
    form = OfQuadratic(GramQuadratic(np.eye(3), np.full(3, 0.5)))
    assert form.scale(1.0) == 2.0

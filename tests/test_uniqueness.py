"""Whether other weights are as good: against linear programs over all optima, and what is said of it."""

import dataclasses
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import linprog
from sklearn.covariance import LedoitWolf

from trackfolio import MeanRisk, MinTrackingError
from trackfolio._functions import Linear, Summand
from trackfolio.constraints import (
    ActiveBounds,
    Constraint,
    LinearConstraint,
    MaxActiveShare,
    MaxLeverage,
    MaxTurnover,
)
from trackfolio.costs import L1, L2, TransactionCost
from trackfolio.exceptions import NonUniqueWarning
from trackfolio.model_selection import WalkForward, backtest, frontier
from trackfolio.objectives import MaxRatio, MaxReturn
from trackfolio.risks import (
    CDaR,
    CVaR,
    EVaR,
    GiniMeanDifference,
    Huber,
    LowerPartialMoment,
    MaxDrawdown,
    MeanAbsoluteDeviation,
    RootMeanSquare,
    SemiDeviation,
    StandardDeviation,
    Variance,
    WorstRealization,
)
from trackfolio.solvers import Conic, DenseQP, InteriorPoint, find
from trackfolio.solvers import _uniqueness as uniqueness

from .conftest import MANY, simulate


def spread(A_eq, b_eq, A_ub, b_ub, bounds, n):
    """Largest range of a weight over a polyhedron."""
    widest = 0.0
    for i in range(n):
        c = np.zeros(len(bounds))
        c[i] = 1
        ends = [
            linprog(sign * c, A_ub, b_ub, A_eq, b_eq, bounds, options={"primal_feasibility_tolerance": 1e-10}).fun
            for sign in (1, -1)
        ]
        widest = max(widest, -ends[1] - ends[0])
    return widest


def widest_range(model, problem, solution):
    """How far a single weight varies over all optima, which are a polyhedron that has nothing to do with our own."""
    X, risk, w = problem.portfolio.X, model.risk, solution.weights
    n, T = problem.n_assets, len(problem.portfolio.X)
    limits = [term for _, term in problem.constraints]
    rows, tops = [term.A for term in limits], [term.upper for term in limits]
    bounds = list(zip(problem.lower, problem.upper, strict=True))
    if problem.quadratic is not None:
        M, h, _ = problem.quadratic.gram()
        A = np.vstack([np.ones(n), M / (np.abs(M).max() or 1.0), h / (np.abs(h).max() or 1.0)])
        return spread(A, A @ w, np.reshape(rows, (-1, n)), tops, bounds, n)
    if risk is None:  # the return
        A = np.vstack([np.ones(n), X.mean(axis=0) / (np.abs(X.mean(axis=0)).max() or 1.0)])
        return spread(A, A @ w, np.reshape(rows, (-1, n)), tops, bounds, n)
    if isinstance(risk, MeanAbsoluteDeviation):
        D, d = X - X.mean(axis=0), problem.active.y - problem.active.y.mean()
        block = np.vstack([np.hstack([D, -np.eye(T)]), np.hstack([-D, -np.eye(T)])])
        cost, tops, more = np.r_[np.zeros(n), np.full(T, 1 / T)], [*tops, *d / 0.02, *-d / 0.02], [(0, None)] * T
    elif isinstance(risk, CVaR):
        block = np.hstack([-X, -np.ones((T, 1)), -np.eye(T)])
        cost = np.r_[np.zeros(n), 1, np.full(T, 1 / (T * (1 - risk.confidence)))]
        tops, more = [*tops, *np.zeros(T)], [(None, None), *[(0, None)] * T]
    else:
        block, cost = np.hstack([-X, -np.ones((T, 1))]), np.r_[np.zeros(n), 1]
        tops, more = [*tops, *np.zeros(T)], [(None, None)]
    wide = [np.r_[row, np.zeros(len(cost) - n)] for row in rows]
    A_ub = np.vstack([*wide, block / 0.02, cost[None] / 0.02])
    budget = np.r_[np.ones(n), np.zeros(len(cost) - n)][None]
    return spread(budget, [1.0], A_ub, [*tops, solution.lower_bound / 0.02 + 1e-10], bounds + more, n)


RISKS = [Variance(), RootMeanSquare(), CVaR(0.75), CVaR(0.5), WorstRealization(), MeanAbsoluteDeviation(), None]


@pytest.mark.parametrize("seed", range(14))
def test_unique_or_not_as_linear_programs_say(seed):
    """Few periods of whole per cents: ties abound, of which some leave one optimum and some do not."""
    rng = np.random.default_rng(seed)
    seen = {True: 0, False: 0}
    for _ in range(12):
        n, T, grid = int(rng.integers(2, 9)), int(rng.integers(2, 14)), int(rng.choice([1, 2, 5, 1000]))
        X, y = (0.02 / grid * rng.integers(-grid, grid + 1, size) for size in ((T, n), T))
        if rng.random() < 0.3:
            X[:, 0] = X[:, -1]
        risk, tilt = RISKS[seed % len(RISKS)], rng.integers(-1, 2, n) + 0.0
        limits = [LinearConstraint(tilt, upper=float(tilt.mean()))] if tilt.any() and rng.random() < 0.4 else None
        tracks = isinstance(risk, RootMeanSquare | MeanAbsoluteDeviation)
        model = MinTrackingError(risk) if tracks else MeanRisk(risk, MaxReturn() if risk is None else None)
        model.set_params(min_weights=float(rng.choice([0.0, -0.5])), constraints=limits)
        problem = model.make_problem(X, y)
        solution = find(problem)[0]
        freedom, other = uniqueness._freedom(problem, solution)
        widest = widest_range(model, problem, solution)
        if 1e-4 < widest < 1e-2:  # so that it is plain which of the two it is
            continue
        assert (freedom > 1e-3) == (widest > 1e-2), (model, freedom, widest)
        assert freedom > 0 or freedom == 0.0
        assert freedom <= n * widest
        seen[other is None] += 1
        if other is not None:
            assert problem.violation(other) <= 1e-8
            assert problem.value(other) <= solution.objective + 2e-9 * problem.scale
            assert_allclose(np.abs(other - solution.weights).sum() / 2, freedom)
    assert min(seen.values()) > 0


EVERY_RISK = [
    RootMeanSquare(), StandardDeviation(), Variance(), CVaR(0.8), WorstRealization(), MeanAbsoluteDeviation(),
    Huber(0.01), LowerPartialMoment(), SemiDeviation(), GiniMeanDifference(), MaxDrawdown(), CDaR(0.8), EVaR(0.8),
]  # fmt: skip
UNDECIDED = (GiniMeanDifference, MaxDrawdown, CDaR, EVaR)


@pytest.mark.parametrize("risk", EVERY_RISK, ids=lambda r: r.term_name)
@pytest.mark.parametrize("estimator", [MinTrackingError, MeanRisk])
def test_one_asset_twice(estimator, risk):
    X, y = simulate(6, 60)
    assert_freedom(estimator(risk).fit(X, y), 0.0, unless=isinstance(risk, UNDECIDED))
    twice = X[:, [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5]]
    with pytest.warns(NonUniqueWarning, match="not unique: .* are the same. Leave one out"):
        model = estimator(risk).fit(twice, y)
    found = model.solution_
    assert found.freedom > 0.05
    assert_allclose(np.abs(found.other_weights - found.weights).sum() / 2, found.freedom)
    both = (w[:6] + w[6:] for w in (found.other_weights, found.weights))
    assert_allclose(*both, atol=1e-5)
    # As the message says: one of each pair left out, or a small cost on concentration.
    assert_freedom(estimator(risk, costs=[L2(1e-8)]).fit(twice, y), 0.0)


def assert_freedom(model, value, *, unless=False):
    assert model.solution_.freedom == value or (unless and np.isnan(model.solution_.freedom))
    assert model.solution_.other_weights is None


@pytest.mark.parametrize("solver", [DenseQP(), InteriorPoint(), Conic()], ids=["dense", "interior", "conic"])
def test_fewer_periods_than_assets(solver):
    X, y = simulate(12, 6)
    with pytest.warns(NonUniqueWarning, match=r"There are no more periods \(6\) than assets \(12\)") as caught:
        model = MinTrackingError(Variance(), min_weights=-1, max_weights=2, solver=solver).fit(X, y)
    found = model.solution_
    assert found.freedom > 0.5
    moved = X @ (found.other_weights - found.weights)
    assert_allclose(moved, moved.mean(), atol=1e-6)
    message = str(caught[0].message)
    assert f"{found.freedom:.2%}" in message
    d = found.other_weights - found.weights
    assert f"from 'x{d.argmin()}' to 'x{d.argmax()}'" in message
    # What the message says would make it unique does.
    shrunk = MinTrackingError(Variance(covariance=LedoitWolf()), min_weights=-1, max_weights=2, solver=solver).fit(X, y)
    assert_freedom(shrunk, 0.0)
    # Long-only, few periods leave one optimum all the same as a rule.
    assert_freedom(MinTrackingError(solver=solver).fit(*simulate(30, 20)), 0.0)


def test_more_flat_directions_than_are_looked_at():
    X, y = simulate(80, 20)
    with pytest.warns(NonUniqueWarning):
        found = MinTrackingError(min_weights=-0.1, max_weights=0.2).fit(X, y).solution_
    assert found.freedom > 0.3
    assert_allclose(X @ found.other_weights, X @ found.weights, atol=1e-9)
    assert np.abs(found.other_weights - 0.05).max() <= 0.15 + 1e-12


def test_constant_returns_and_ties_of_the_largest_return():
    X = simulate(5, 40)[0]
    with pytest.warns(NonUniqueWarning, match="Their returns are constant"):
        MeanRisk().fit(np.zeros_like(X))
    X -= X.mean(axis=0)
    X[:, [1, 3]] += 0.5e-3
    X = np.vstack([X, X.mean(axis=0) - X[0]])  # means that are equal to the last digit do not exist otherwise
    X[:, 3] += X[:, 1].mean() - X[:, 3].mean()
    with pytest.warns(NonUniqueWarning, match="'x1'") as caught:
        model = MeanRisk(objective=MaxReturn()).fit(X)
    assert "'x3'" in str(caught[0].message)
    assert model.solution_.freedom >= 0.5


@MANY
@pytest.mark.parametrize(
    ("params", "unique"),
    [
        ({"constraints": [MaxTurnover(0.1)]}, False),
        ({"constraints": [MaxActiveShare(0.0)]}, True),
        ({"constraints": [MaxLeverage(gross=1.2)], "min_weights": -1}, False),
        ({"costs": [TransactionCost(1.0)]}, True),  # the first half is held: to trade into the copies costs
        ({"costs": [TransactionCost(1e-9, impact=1e-3)]}, True),
        ({"costs": [L1(1e-4)], "min_weights": -1}, False),
        ({"max_weights": [*[1.0] * 6, *[0.0] * 6]}, True),
        ({"budget": (0.5, 1.5)}, False),
    ],
    ids=str,
)
@pytest.mark.parametrize("risk", [Variance(), CVaR(0.8)], ids=lambda r: r.term_name)
def test_copies_within_other_limits(risk, params, unique):
    X, y = simulate(6, 60)
    held = np.r_[np.full(6, 1 / 6), np.zeros(6)]
    model = MeanRisk(risk, benchmark_weights=held).set_params(**params)
    model.fit(np.hstack([X, X]), y, previous_weights=held)
    assert (model.solution_.freedom == 0) == unique
    assert unique or model.solution_.freedom > 1e-3


@MANY
def test_ratios_and_limits_on_risks():
    X, y = simulate(6, 80)
    twice = np.hstack([X, X[:, :2]])
    for model in (
        MeanRisk(StandardDeviation(), MaxRatio(-0.01)),
        MeanRisk(CVaR(0.8), MaxRatio(-0.01)),
        MeanRisk(objective=MaxReturn(), max_tracking_error=0.006),
        MeanRisk(objective=MaxReturn(), constraints=[CVaR(0.8) <= 0.018]),
        MeanRisk(StandardDeviation(), constraints=[MeanAbsoluteDeviation() <= 0.0085], tracking_penalty=0.1),
    ):
        assert_freedom(model.fit(X, y), 0.0)
        assert model.fit(twice, y).solution_.freedom > 1e-3
    # Without a budget, a ratio says nothing of the size of the portfolio.
    loose = MeanRisk(StandardDeviation(), MaxRatio(0.0), budget=(0.2, 1.0)).fit(X + 5e-4).solution_
    assert_allclose(loose.other_weights / loose.other_weights.sum(), loose.weights / loose.weights.sum(), atol=1e-4)


@MANY
@pytest.mark.parametrize("risk", [RootMeanSquare(), StandardDeviation(), SemiDeviation()], ids=lambda r: r.term_name)
def test_many_ways_to_a_risk_of_0(risk):
    """Slopes of a root are divided by its value: at 0, what rounding has left of them says nothing."""
    zeros = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        X = 2e-5 * rng.integers(-1000, 1001, (3, 9))
        held = np.round(rng.dirichlet(np.ones(9)), 2)
        held[-1] += 1 - held.sum()
        model = MeanRisk(risk, benchmark_weights=held, constraints=[ActiveBounds(-0.3, 0.3)])
        found = model.fit(X).solution_
        if found.objective < 1e-10:
            zeros += 1
            assert found.freedom > 1e-3
    assert zeros > 10


def test_flat_but_nowhere_to_go():
    """All portfolios are as good, but the bounds leave one."""
    model = MeanRisk(objective=MaxReturn(), min_weights=0.25).fit(np.full((5, 4), 0.01))
    assert_freedom(model, 0.0)
    assert_allclose(model.weights_, 0.25)


def test_a_step_is_taken_no_farther_than_it_is_as_good_and_within_the_limits():
    X, y = simulate(4, 60)
    w = np.array([0.3, 0.2, 0.2, 0.2, 0.1])
    model = MinTrackingError(constraints=[MaxTurnover(0.1)])
    problem = model.make_problem(np.c_[X, X[:, 0]], y, previous_weights=w)
    step = SimpleNamespace(open=np.arange(5))
    copies = np.array([-0.3, 0, 0, 0, 0.3])
    assert_allclose(uniqueness._as_good(problem, w, step, copies), w + copies / 4)  # a turnover of 0.3, 0.15, 0.075
    worse = uniqueness._as_good(problem, w, step, np.array([0.05, -0.05, 0, 0, 0]))
    better = uniqueness._as_good(problem, w, step, np.array([-0.05, 0.05, 0, 0, 0]))
    for good in (worse, better):
        assert problem.value(good) <= problem.value(w) + 1e-9 * problem.scale
    assert min(np.abs(good - w).sum() for good in (worse, better)) < 1e-3


def test_nearly_the_same_is_not_the_same():
    """A difference of a thousandth in the returns decides, and the warning is silent."""
    X, y = simulate(6, 60)
    other = X[:, 0] + 1e-3 * X.std() * np.random.default_rng(0).standard_normal(60)
    for risk in (RootMeanSquare(), CVaR(0.8)):
        assert_freedom(MinTrackingError(risk).fit(np.c_[X, other], y), 0.0)


def test_what_is_not_decided_is_said_to_be_unknown():
    class Spread(Constraint):
        def constraints(self, problem, w):
            return [w[0] <= 0.5]

    X, y = simulate(6, 60)
    twice = X[:, [0, 0, *range(1, 6)]]
    for params in ({"constraints": [Spread()]}, {"cardinality": 3}):
        solution = MinTrackingError(**params).fit(twice, y).solution_
        assert np.isnan(solution.freedom)
        assert solution.other_weights is None


def test_a_backtest_warns_once_and_keeps_a_record():
    X, y = simulate(4, 200)
    twice = np.c_[X, X[:, 0]]
    with pytest.warns(NonUniqueWarning, match="In 10 of 10 rebalances the optimum is not unique") as caught:
        tested = backtest(MinTrackingError(), twice, y, cv=WalkForward(100, 10))
    assert len(caught) == 1
    assert (tested.rebalances["freedom"] > 1e-3).all()
    assert (backtest(MinTrackingError(), X, y, cv=WalkForward(100, 10)).rebalances["freedom"] == 0).all()


def test_a_frontier_warns_once():
    X, y = simulate(4, 100)
    twice = np.c_[X, X[:, 0]]
    with pytest.warns(NonUniqueWarning, match="of 4 points of the frontier") as caught:
        found = frontier(MeanRisk(), twice, y, values=4)
    assert len(caught) == 1
    assert (found.table["freedom"] > 1e-3).sum() >= 3
    with pytest.warns(NonUniqueWarning, match="x0"):  # the way back
        MeanRisk().fit(twice)


@MANY
def test_no_solver_runs_in_the_usual_case(monkeypatch):
    X, y = simulate(8, 120)
    monkeypatch.setattr(uniqueness, "linprog", lambda *_, **__: pytest.fail("a linear program was solved"))
    for risk in (RootMeanSquare(), CVaR(0.9), MeanAbsoluteDeviation(), WorstRealization()):
        assert_freedom(MinTrackingError(risk).fit(X, y), 0.0)
    assert_freedom(MinTrackingError().fit(*simulate(30, 20)), 0.0)


def test_a_tilt_finds_no_other_weights_where_there_are_said_to_be_none():
    """A price of a millionth moves the weights as far as it can where they are free, and hardly where they are not."""
    rng = np.random.default_rng(0)
    for seed in range(30):
        X, y = simulate(int(rng.integers(3, 9)), int(rng.choice([5, 20, 60])), seed)
        risk = EVERY_RISK[seed % 9]
        held = rng.dirichlet(np.ones(X.shape[1]))
        terms = {"constraints": [MaxTurnover(0.2)]} if seed % 2 else {"costs": [TransactionCost(1e-4)]}
        model = MinTrackingError(risk, min_weights=-0.3, **terms)
        problem = model.make_problem(X, y, previous_weights=held)
        solution = find(problem)[0]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NonUniqueWarning)
            freedom = model.fit(X, y, previous_weights=held).solution_.freedom
        tilt = Summand("tilt", 1e-7 * problem.scale, Linear(rng.standard_normal(X.shape[1])))
        tilted = find(dataclasses.replace(problem, objective=[*problem.objective, tilt]))[0]
        moved = np.abs(tilted.weights - solution.weights).sum() / 2
        assert moved < 2e-3 or freedom > 1e-3

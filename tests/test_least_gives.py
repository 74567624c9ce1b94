"""How far one limit has to give way, against textbook programs and all sets of names."""

import re
from itertools import combinations

import cvxpy as cp
import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.sparse import csr_array

from trackfolio import MeanRisk, MinTrackingError
from trackfolio.constraints import Exposure, GroupBounds, LinearConstraint, MaxLeverage, MaxTrades, MaxTurnover
from trackfolio.diagnosis import diagnose
from trackfolio.exceptions import SolverFailure
from trackfolio.risks import CVaR, StandardDeviation
from trackfolio.solvers import InteriorPoint
from trackfolio.solvers._infeasible import _gives

from .conftest import simulate

N = 6
LABELS = ["a", "a", "a", "b", "b", "b"]
VALUES = np.arange(1.0, 7.0)
BEFORE = np.array([0.5, 0.3, 0.2, 0, 0, 0])
# Changes are shown rounded, by at most so much of them.
ROUNDED = 0.0051


def close(change, least):
    return (1 - 1e-5) * least <= abs(change) <= (1 + ROUNDED) * least


# With risks: one convex program.

LIMITS = {
    "budget": ({}, lambda w, t: [cp.sum(w) == 1 - t, w >= 0, w <= 1]),
    "max_weights": ({"max_weights": 0.2}, lambda w, t: [cp.sum(w) == 1, w >= 0, w <= 0.2 + t]),
    "groupbounds (lower of 'a')": (
        {"constraints": [("groupbounds", GroupBounds(LABELS, lower={"a": 0.9}))]},
        lambda w, t: [cp.sum(w) == 1, w >= 0, cp.sum(w[:3]) >= 0.9 - t],
    ),
    "exposure (upper)": (
        {"constraints": [("exposure", Exposure(1e6 * VALUES, upper=1.1e6))]},
        lambda w, t: [cp.sum(w) == 1, w >= 0, 1e6 * VALUES @ w <= 1.1e6 + t],
    ),
    "maxturnover": (
        {"constraints": [("maxturnover", MaxTurnover(0.05))]},
        lambda w, t: [cp.sum(w) == 1, w >= 0, cp.norm1(w - BEFORE) / 2 <= 0.05 + t],
    ),
    "maxleverage (gross)": (
        {"min_weights": -1.0, "constraints": [("maxleverage", MaxLeverage(gross=1.0))]},
        lambda w, t: [cp.sum(w) == 1, w >= -1, w <= 1, cp.norm1(w) <= 1 + t],
    ),
}


def market(seed):
    """Assets of which the later have small risks, and a benchmark of less than one of them, in part sold short."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(120, N)) @ np.diag(np.geomspace(0.03, 0.003, N)) + 0.01 * rng.normal(size=(120, 1))
    return X, X @ np.array([0, -0.2, 0, 0.2, 0.3, 0.3])


# With all assets moving together, leverage lowers no tail.
@pytest.mark.parametrize(
    ("name", "kind"), [*((name, "tracking") for name in LIMITS), *((name, "tail") for name in [*LIMITS][:-1])]
)
def test_under_a_risk_the_least_give_is_that_of_a_textbook_program(name, kind, monkeypatch):
    monkeypatch.setattr(_gives.LeastGives, "_narrowed", lambda *_: pytest.fail("it was searched for by trials"))
    X, y = market(3)
    parameters, limits = LIMITS[name]
    w, t = cp.Variable(N), cp.Variable(nonneg=True)
    unit = 1e6 if "exposure" in name else 1.0

    def risk(w):
        if kind == "tracking":
            return cp.norm2(X @ w - y) / np.sqrt(len(X))
        a, tail = cp.Variable(), cp.Variable(len(X), nonneg=True)
        risk.rows = [tail >= -X @ w - a]
        return a + cp.sum(tail) / (0.05 * len(X))

    risk.rows = []
    value = risk(w)
    at_zero = cp.Problem(cp.Minimize(value), [*limits(w, 0.0), *risk.rows]).solve(solver=cp.CLARABEL)
    freely = cp.Problem(cp.Minimize(value), [*limits(w, unit * t), t <= 0.9, *risk.rows]).solve(solver=cp.CLARABEL)
    bound = 0.5 * (at_zero + freely)
    cp.Problem(cp.Minimize(t), [*limits(w, unit * t), value <= bound, *risk.rows]).solve(solver=cp.CLARABEL)
    constraints = dict(parameters.get("constraints", []))
    others = {key: own for key, own in parameters.items() if key != "constraints"}
    if kind == "tracking":
        model = MeanRisk(CVaR(), max_tracking_error=bound, constraints=list(constraints.items()), **others)
    else:
        limited = [*constraints.items(), ("tail", CVaR(0.95) <= bound)]
        model = MinTrackingError(StandardDeviation(), constraints=limited, **others)
    found = diagnose(model, X, y, previous_weights=BEFORE)
    changes = {each.what: each.change for each in found.conflict}
    assert close(changes[name], unit * t.value), (changes[name], unit * t.value)


# Few names: one mixed-integer program.


def least_by_sets(allowed, rows, bounds, t_columns):
    """Least t over all sets of names, by a linear program for each; t loosens the sides of rows by its columns."""
    best = np.inf
    for names in allowed:
        A, b = [], []
        for (a, low, high), (of_low, of_high) in zip(rows, t_columns, strict=True):
            if np.isfinite(high):
                A.append(np.append(a, -of_high)), b.append(high)
            if np.isfinite(low):
                A.append(np.append(-np.asarray(a), -of_low)), b.append(-low)
        box, more_A, more_b = bounds(names)
        A, b = [*A, *more_A], [*b, *more_b]
        found = linprog([0.0] * N + [1.0], A, b, bounds=[*box, (0, None)], method="highs")
        best = min(best, found.x[-1]) if found.status == 0 else best
    return best


def sets(sizes):
    return [names for size in sizes for names in combinations(range(N), size)]


def plain(names, low=0.0, high=0.3, by_low=0.0, by_high=0.0):
    """Bounds of those that are held; both may give way."""
    A, b = [], []
    for k in names:
        row = np.zeros(N + 1)
        row[k], row[-1] = 1.0, -by_high
        A, b = [*A, row], [*b, high]
        row = np.zeros(N + 1)
        row[k], row[-1] = -1.0, -by_low
        A, b = [*A, row], [*b, -low]
    return [(None, None) if k in names else (0, 0) for k in range(N)], A, b


FULL = (np.ones(N), 1.0, 1.0)


@pytest.mark.parametrize("unit", [1.0, 1e-5, 1e5])
def test_bounds_budget_and_number_with_few_names(unit):
    X, y = simulate(N, 60)
    model = MinTrackingError(cardinality=3, budget=unit, max_weights=0.3 * unit)
    found = {each.what: each.change for each in diagnose(model, X, unit * y).conflict}
    three = sets([1, 2, 3])
    of_bounds = least_by_sets(three, [FULL], lambda names: plain(names, by_high=1.0), [(0, 0)])
    of_budget = least_by_sets(three, [FULL], plain, [(1, 0)])
    assert close(found["max_weights"] / unit, of_bounds)
    assert close(found["budget"] / unit, of_budget)
    assert found["cardinality"] == 1


def test_smallest_positions():
    X, y = simulate(N, 60)
    model = MinTrackingError(cardinality=(4, 6), min_position=0.3)
    found = {each.what: each.change for each in diagnose(model, X, y).conflict}
    least = least_by_sets(sets([4, 5, 6]), [FULL], lambda names: plain(names, 0.3, 1.0, by_low=1.0), [(0, 0)])
    assert close(found["min_position"], least)
    assert found["cardinality (fewest)"] == -1


def test_exposures_with_few_names():
    X, y = simulate(N, 60)
    model = MinTrackingError(cardinality=2, max_weights=0.6, constraints=[Exposure(VALUES, 5.7)])
    found = {each.what: each.change for each in diagnose(model, X, y).conflict}
    row = (VALUES, 5.7, np.inf)
    least = least_by_sets(sets([1, 2]), [FULL, row], lambda names: plain(names, 0.0, 0.6), [(0, 0), (1, 0)])
    assert close(found["exposure (lower)"], least)


def test_turnover_with_few_names():
    X, y = simulate(N, 60)
    equal = np.full(N, 1 / N)
    model = MinTrackingError(cardinality=3, constraints=[MaxTurnover(0.3)])
    found = {each.what: each.change for each in diagnose(model, X, y, previous_weights=equal).conflict}
    # Each name that goes is 1/6 of the turnover: three are 0.5, of 0.3 there is enough for one.
    assert close(found["maxturnover"], 0.2)
    assert found["cardinality"] == 2


def test_few_trades():
    """Two weights above their new bounds must be sold, and a third bought: three trades, or bounds of 0.5."""
    X, y = simulate(N, 60)
    model = MeanRisk(CVaR(), max_weights=0.25, constraints=[MaxTrades(1)])
    found = {each.what: each.change for each in diagnose(model, X, y, previous_weights=BEFORE).conflict}

    def limited(names):
        """Those that are not traded stay; bounds give way for all."""
        A, b = [], []
        for k in range(N):
            row = np.zeros(N + 1)
            row[k], row[-1] = 1.0, -1.0
            A, b = [*A, row], [*b, 0.25]
        return [(0, None) if k in names else (BEFORE[k], BEFORE[k]) for k in range(N)], A, b

    assert close(found["max_weights"], least_by_sets(sets([0, 1]), [FULL], limited, [(0, 0)]))
    fewest = next(
        size
        for size in range(2, N)
        if np.isfinite(
            least_by_sets(
                sets([size]),
                [FULL, *((np.eye(N)[k], -np.inf, 0.25) for k in range(N))],
                lambda names: ([(0, None) if k in names else (BEFORE[k],) * 2 for k in range(N)], [], []),
                [(0, 0)] * (N + 1),
            )
        )
    )
    assert found["maxtrades"] == fewest - 1


def test_where_one_program_takes_long_questions_find_the_same(monkeypatch):
    X, y = simulate(N, 60)
    model = MinTrackingError(cardinality=3, max_weights=0.3, constraints=[Exposure(VALUES, 4.6)])
    first = diagnose(model, X, y)

    def late(*_, **__):
        raise TimeoutError

    monkeypatch.setattr(_gives, "least_give_of_few", late)
    second = diagnose(model, X, y)
    for one, other in zip(first.conflict, second.conflict, strict=True):
        assert one.what == other.what
        assert (one.change is None) == (other.change is None)
        assert one.change is None or one.change == pytest.approx(other.change, rel=2 * ROUNDED)


# That there is none is noticed early.


@pytest.mark.parametrize("limit", [MaxTurnover(0.05), CVaR(0.95) <= 1e-3], ids=["turnover", "tail"])
def test_iterations_end_early_where_limits_clash(limit):
    X, y = market(3)
    model = MinTrackingError(max_weights=0.2, constraints=[limit])
    problem = model.make_problem(X, y, previous_weights=BEFORE)
    for attempt in InteriorPoint().attempts(problem):
        with pytest.raises(SolverFailure) as caught:
            attempt()
        assert int(re.search(r"after (\d+) iterations", str(caught.value))[1]) < 25


def test_sparse_rows_are_explained_as_dense_ones():
    X, y = market(3)
    A = np.array([[1.0, 0, 0, 1, 0, 0], [0, 1, 1, 0, 0, 0]])
    found = [
        diagnose(
            MeanRisk(CVaR(), min_weights=-1.0, max_tracking_error=0.004, constraints=[LinearConstraint(rows, 0.4)]),
            X,
            y,
        )
        for rows in (A, csr_array(A))
    ]
    assert found[0].names == ["linearconstraint", "max_tracking_error"]
    assert str(found[0]) == str(found[1])

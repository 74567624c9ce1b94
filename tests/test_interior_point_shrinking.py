"""The interior-point method with few assets and scenarios at a time, against itself with all and against Clarabel."""

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose

from trackfolio import MeanRisk, MinTrackingError
from trackfolio.constraints import Exposure, RiskLimit
from trackfolio.costs import TransactionCost
from trackfolio.objectives import MaxReturn, MaxUtility
from trackfolio.risks import CDaR, CVaR, LowerPartialMoment, MeanAbsoluteDeviation, SemiVariance, WorstRealization
from trackfolio.solution import Solution
from trackfolio.solvers import Conic, InteriorPoint
from trackfolio.solvers.interior_point import _columns, _near, _sample, _shrinking
from trackfolio.solvers.interior_point._maps import Chosen
from trackfolio.solvers.interior_point._method import solve_program
from trackfolio.solvers.interior_point._pieces import Pieces, PiecesState
from trackfolio.solvers.interior_point._translate import Translation

from .conftest import find_by, simulate

# Tall data.


@pytest.fixture
def small_is_tall(monkeypatch):
    for module, name, value in ((_sample, "_TALL", 200), (_sample, "_TALL_PER_VARIABLE", 5), (_near, "_FEW", 50)):
        monkeypatch.setattr(module, name, value)


TALL = {
    "objective": lambda X, y: MeanRisk(CVaR(0.95)).make_problem(X),
    "two tails": lambda X, y: MeanRisk(CVaR(0.99), constraints=[CVaR(0.9) <= 0.0183]).make_problem(X),
    "limit": lambda X, y: MeanRisk(CVaR(), MaxReturn(), constraints=[CVaR(0.95) <= 0.0235]).make_problem(X),
    "of active returns": lambda X, y: MinTrackingError(CVaR(0.9)).make_problem(X, y),
    "near an index": lambda X, y: MeanRisk(CVaR(0.9), max_tracking_error=0.003).make_problem(X, y),
    "worst": lambda X, y: MeanRisk(WorstRealization()).make_problem(X),
    "squares": lambda X, y: MeanRisk(SemiVariance(-0.01)).make_problem(X),
    "a moment": lambda X, y: MeanRisk(LowerPartialMoment(1, -0.01)).make_problem(X),
    "weighted": lambda X, y: MeanRisk(CVaR()).make_problem(
        X, sample_weight=np.random.default_rng(0).integers(0, 3, len(X))
    ),
}


@pytest.mark.parametrize("case", TALL)
def test_scenarios_near_a_kink_are_all_scenarios(case, small_is_tall):
    X, y = simulate(8, 3000, 1)
    problem = TALL[case](X, y)
    whole = Translation(problem)
    point, _, _ = solve_program(whole.program, 1e-12, 100)
    w = problem.unit * point.x[:8]
    found, _ = find_by(problem, InteriorPoint())
    assert found.status == "optimal"
    assert_allclose(found.objective, problem.value(w), rtol=1e-9)
    assert_allclose(found.weights, w, atol=1e-6)


def test_few_scenarios_are_near_a_kink(small_is_tall, monkeypatch):
    X, _ = simulate(8, 3000, 1)
    rows = []

    def counting(program, *others):
        rows.append(max(len(p.offset) for p in program.pieces))
        return solve_program(program, *others)

    monkeypatch.setattr(_shrinking, "solve_program", counting)
    MeanRisk(CVaR(0.95)).fit(X)
    assert len(rows) >= 3
    assert max(rows) <= 0.2 * len(X)


@pytest.mark.parametrize("hasty", ["_SETTLED", "_FREE"])
@pytest.mark.parametrize(
    "risk", [CVaR(0.9), MeanAbsoluteDeviation(), SemiVariance(), LowerPartialMoment(1, 0.0)], ids=repr
)
def test_scenarios_that_settled_too_early_return(risk, hasty, monkeypatch):
    X, _ = simulate(8, 1000, 1)
    right = MeanRisk(risk, solver=Conic()).fit(X).solution_
    limits = dict.fromkeys(("_SETTLED", "_FREE"), 0.4) if hasty == "_SETTLED" else {"_FREE": 0.49, "_FOR_EACH": 1}
    for name, value in limits.items():
        monkeypatch.setattr(_shrinking, name, value)
    found = MeanRisk(risk, solver=InteriorPoint()).fit(X).solution_
    assert found.status == "optimal"
    assert_allclose(found.objective, right.objective, rtol=1e-8)


@pytest.mark.parametrize("active", [False, True])
def test_settled_scenarios_of_limits_keep_their_part(active):
    """Those deep in the tail are part of the limit, and of its multiplier."""
    X, y = simulate(8, 1000, 1)
    terms = {"constraints": [RiskLimit(CVaR(0.9), 0.004 if active else 0.0245, active=active)]}
    models = [MeanRisk(CVaR(), MaxReturn(), solver=s, **terms).fit(X, y) for s in (InteriorPoint(), Conic())]
    ours, theirs = (model.solution_ for model in models)
    assert_allclose(ours.objective, theirs.objective, rtol=1e-6)
    name = "risklimit" if "risklimit" in ours.multipliers else "cvar"
    assert ours.multipliers[name] > 1e-3
    assert_allclose(ours.multipliers[name], theirs.multipliers[name], rtol=1e-4)


# Many assets, of which few are held.


@pytest.fixture
def few_are_many(monkeypatch):
    monkeypatch.setattr(_columns, "MANY", 10)


WIDE = {
    "tail": lambda X, y: MeanRisk(CVaR(0.9)).make_problem(X),
    "near an index": lambda X, y: MeanRisk(CVaR(0.9), max_tracking_error=0.004).make_problem(X, y),
    "limits": lambda X, y: MeanRisk(
        SemiVariance(), MaxUtility(2.0), constraints=[Exposure(np.arange(40.0), upper=10), CVaR(0.9) <= 0.016]
    ).make_problem(X),
    "path": lambda X, y: MeanRisk(CDaR(0.9), max_weights=0.2).make_problem(X),
    "some cannot leave": lambda X, y: MeanRisk(CVaR(0.9), min_weights={"x0": 0.02} | zeros(1, 40)).make_problem(X),
    "costs of all": lambda X, y: MeanRisk(CVaR(0.9), costs=[TransactionCost(1e-3)]).make_problem(
        X, previous_weights=np.full(40, 1 / 40)
    ),
}


def zeros(start, stop):
    return {f"x{i}": 0.0 for i in range(start, stop)}


@pytest.mark.parametrize("prices", [None, "zero", "random"])
@pytest.mark.parametrize("near", [None, "neighbour", "wrong"])
@pytest.mark.parametrize("case", WIDE)
def test_columns_that_join_are_all_columns(case, near, prices, few_are_many):
    X, y = simulate(40, 300, 1)
    problem = WIDE[case](X, y)
    whole = Translation(problem)
    w = solve_program(whole.program, 1e-12, 100).point.x[:40]
    start = {None: None, "neighbour": np.where(w > 0.01, w, 0.0), "wrong": np.eye(40)[7]}[near]
    known = {None: {}, "zero": {"min_weights": np.zeros(40)}, "random": {"min_weights": np.cos(np.arange(40)) ** 2}}
    neighbour = None if start is None else Solution(start, "", multipliers=known[prices])
    found, _ = find_by(dataclasses.replace(problem, near=neighbour), InteriorPoint())
    assert found.status == "optimal"
    assert_allclose(found.objective, problem.value(w), rtol=1e-9)
    assert_allclose(found.weights, w, atol=1e-5)


@pytest.mark.parametrize("leaving", [10.0, 1e3, 1e9])
def test_assets_that_left_too_early_return(leaving, few_are_many, monkeypatch):
    X, _ = simulate(40, 300, 1)
    right = MeanRisk(CVaR(0.9)).fit(X).solution_
    monkeypatch.setattr(_columns, "_LEAVING", leaving)
    hasty = MeanRisk(CVaR(0.9), solver=InteriorPoint()).fit(X).solution_
    assert hasty.status == "optimal"
    assert_allclose(hasty.objective, right.objective, rtol=1e-9)


def test_nobody_is_held_at_first(few_are_many):
    X, _ = simulate(40, 300, 1)
    model = MeanRisk(LowerPartialMoment(1, 0.0), budget=(0, 1)).fit(X - 0.05)
    assert_allclose(model.weights_, 0, atol=1e-7)
    problem = dataclasses.replace(MeanRisk(CVaR()).make_problem(X), near=Solution(np.zeros(40), ""))
    assert find_by(problem, InteriorPoint())[0].status == "optimal"


def test_assets_nearby_that_cannot_keep_the_limits(few_are_many):
    X, _ = simulate(40, 300, 1)
    problem = MeanRisk(CVaR(), max_weights=0.05).make_problem(X)
    near = dataclasses.replace(problem, near=Solution(np.eye(40)[3], ""))
    found, whole = (find_by(p, InteriorPoint())[0] for p in (near, problem))
    assert_allclose(found.objective, whole.objective, rtol=1e-9)


def test_columns_are_few(few_are_many, monkeypatch):
    X, _ = simulate(40, 300, 1)
    columns = []

    def counting(program, *others):
        columns.append(program.n_assets)
        return solve_program(program, *others)

    monkeypatch.setattr(_shrinking, "solve_program", counting)
    held = (MeanRisk(CVaR(0.9)).fit(X).weights_ > 1e-6).sum()
    assert columns[0] == 40
    assert all(held <= some < 40 for some in columns[1:])
    assert len(columns) <= 3


def test_bounds_of_nobody_tell_nothing():
    """The means of an empty sum, as is left of bounds of some assets where all of these have left, would warn."""
    X, _ = simulate(40, 300, 1)
    program = Translation(MeanRisk(CVaR(0.9)).make_problem(X)).program
    point, none = solve_program(program, 1e-2, 100).point, np.zeros(0)
    nobody = Pieces(Chosen(np.zeros(0, dtype=int), none, 40), -1.0, none, none, none + np.inf)
    nobody.has_upper = False
    more = dataclasses.replace(program, pieces=[*program.pieces, nobody])
    states = dataclasses.replace(point, pieces=[*point.pieces, PiecesState(none, none, none, none, none)])
    assert (_columns.going(more, states) == _columns.going(program, point)).all()
    assert _columns.going(program, point).any()

"""Any risk with limits on what is held or traded, against all ways to decide solved one by one as convex problems."""

import importlib.util
import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose

from trackfolio import MeanRisk, MinTrackingError
from trackfolio.constraints import ConditionalBudget, GroupCardinality, LinearConstraint, MaxTrades
from trackfolio.exceptions import InfeasibleError, SolverFailure, UnsupportedProblemError
from trackfolio.risks import (
    CDaR,
    CVaR,
    EVaR,
    MeanAbsoluteDeviation,
    SemiVariance,
    StandardDeviation,
    Variance,
    WorstRealization,
)
from trackfolio.solvers import MixedInteger, Sparse

from .conftest import simulate

X, Y = simulate(8, 50, seed=3)
SIX, Y_SIX = simulate(6, 50, seed=4)
HELD = np.array([0.3, 0.3, 0.2, 0.1, 0.1, 0.0])
TAIL = CVaR(0.9)
needs_scip = pytest.mark.skipif(importlib.util.find_spec("pyscipopt") is None, reason="SCIP is not installed")


def least(ways, *data, **metadata):
    """Smallest objective of models, one for each way to decide; infinite where all of them contradict themselves."""
    values = [np.inf]
    for model in ways:
        try:
            values.append(model.fit(*data, **metadata).solution_.objective)
        except InfeasibleError:
            continue
    return min(values)


def subsets(n, most, fewest=0):
    for k in range(fewest, most + 1):
        for names in itertools.combinations(range(n), k):
            yield np.isin(np.arange(n), names)


def solved(model, *data, **metadata):
    model.fit(*data, **metadata)
    found = model.solution_
    assert (found.solver, found.certificate.kind, found.status) == ("MixedInteger", "reported", "optimal")
    assert found.lower_bound <= found.objective
    assert found.primal_violation <= 1e-8
    return model


RISKS = [
    TAIL,
    MeanAbsoluteDeviation(),
    WorstRealization(),
    CDaR(0.9),
    pytest.param(SemiVariance(), marks=needs_scip),
]


@pytest.mark.parametrize("risk", RISKS, ids=repr)
def test_no_three_names_have_less_risk(risk):
    model = solved(MeanRisk(risk, cardinality=3), X)
    best = least((MeanRisk(risk, max_weights=held.astype(float)) for held in subsets(8, 3, fewest=3)), X)
    assert_allclose(model.solution_.objective, best, rtol=1e-6)
    assert np.count_nonzero(model.weights_) <= 3


def test_no_two_names_have_less_tail_risk_within_a_tracking_error():
    terms = {"max_tracking_error": 0.0065}
    model = MeanRisk(TAIL, cardinality=2, min_position=0.3, **terms)
    boxes = ({"min_weights": 0.3 * held, "max_weights": held.astype(float)} for held in subsets(8, 2))
    best = least((MeanRisk(TAIL, **box, **terms) for box in boxes), X, Y)
    if importlib.util.find_spec("pyscipopt") is None:
        with pytest.raises(UnsupportedProblemError, match="SCIP"):
            model.fit(X, Y)
    else:
        assert_allclose(solved(model, X, Y).solution_.objective, best, rtol=1e-6)


@pytest.mark.parametrize("most", [1, 2])
def test_no_long_or_short_names_of_groups_have_less_tail_risk(most):
    groups = ["a", "a", "a", "b", "b", "b"]
    first = np.arange(6) < 3
    limits = [GroupCardinality(groups, most=most, fewest={"b": 1})]
    bounds = {"min_weights": -0.5, "max_weights": 0.9}
    model = MeanRisk(TAIL, cardinality=3, min_position=0.25, constraints=limits, **bounds)
    ways = (
        MeanRisk(TAIL, min_weights=np.where(short, -0.5, 0.25 * held), max_weights=np.where(short, -0.25, 0.9 * held))
        for held in subsets(6, 3)
        if (held & first).sum() <= most and 1 <= (held & ~first).sum() <= most
        for short in subsets(6, 2)
        if not (short & ~held).any()
    )
    assert_allclose(solved(model, SIX).solution_.objective, least(ways, SIX), rtol=1e-6)


# Trades.


def trade_only(risk, traded):
    """A model of which the weights of all others stay."""
    return MeanRisk(risk, min_weights=np.where(traded, 0, HELD), max_weights=np.where(traded, 1, HELD))


@pytest.mark.parametrize("risk", [TAIL, pytest.param(Variance(), marks=needs_scip)], ids=repr)
@pytest.mark.parametrize("most", [0, 1, 2, 3])
def test_no_trades_of_so_many_assets_have_less_risk(risk, most):
    model = solved(MeanRisk(risk, constraints=[MaxTrades(most)]), SIX, previous_weights=HELD)
    best = least((trade_only(risk, traded) for traded in subsets(6, most, fewest=most)), SIX)
    assert_allclose(model.solution_.objective, best, rtol=1e-6)
    assert (np.abs(model.weights_ - HELD) > 1e-9).sum() <= most


def test_few_trades_to_few_names():
    model = solved(MeanRisk(TAIL, cardinality=3, constraints=[MaxTrades(4)]), SIX, previous_weights=HELD)
    ways = (
        MeanRisk(TAIL, min_weights=np.where(traded, 0, HELD * held), max_weights=np.where(traded, 1, HELD) * held)
        for traded in subsets(6, 4, fewest=4)
        for held in subsets(6, 3, fewest=3)
        if not (~held & ~traded & (HELD > 0)).any()
    )
    assert_allclose(model.solution_.objective, least(ways, SIX), rtol=1e-6)


def test_positions_out_of_their_bounds_must_be_traded():
    limits = {"max_weights": 0.25}
    with pytest.raises(InfeasibleError, match="maxtrades"):
        MeanRisk(TAIL, constraints=[MaxTrades(2)], **limits).fit(SIX, previous_weights=HELD)
    model = solved(MeanRisk(TAIL, constraints=[MaxTrades(3)], **limits), SIX, previous_weights=HELD)
    assert (model.weights_[:2] <= 0.25).all()


def test_what_is_decided_at_given_weights_is_linear():
    w = np.array([0.1, 0.5, 0.2, 0.1, 0.1, 0.0])
    problem = MeanRisk(constraints=[MaxTrades(2)]).make_problem(SIX, previous_weights=HELD)
    still = MaxTrades(2).decided(problem, w)
    assert np.array_equal(still.A, np.eye(6)[2:])
    assert np.array_equal(still.lower, HELD[2:])
    assert np.array_equal(still.upper, HELD[2:])
    large = ConditionalBudget(0.15, 0.8).decided(problem, w)
    assert np.array_equal(large.A, [[0, 1, 1, 0, 0, 0], *np.eye(6)[[0, 3, 4, 5]]])
    assert np.array_equal(large.upper, [0.8, 0.15, 0.15, 0.15, 0.15])
    for term, amount in ((MaxTrades(1), 0.2), (MaxTrades(2), 0), (ConditionalBudget(0.15, 0.6), 0.1)):
        assert_allclose(term.violation(problem, w), amount, atol=1e-12)


def test_trades_beside_other_linear_limits_have_multipliers_of_these_alone():
    limits = [MaxTrades(3), LinearConstraint(np.eye(6)[:2], upper=0.4)]
    model = MeanRisk(TAIL, constraints=limits).fit(SIX, previous_weights=HELD)
    assert np.shape(model.solution_.multipliers["linearconstraint"]) == (2,)
    assert np.shape(model.solution_.multipliers["budget"]) == ()


# Large positions.


def large_only(risk, large, threshold, limit, most):
    sum_ = [LinearConstraint(large[None].astype(float), -np.inf, limit)] if large.any() else []
    return MeanRisk(risk, max_weights=np.where(large, most, threshold), constraints=sum_)


@pytest.mark.parametrize("risk", [TAIL, pytest.param(Variance(), marks=needs_scip)], ids=repr)
@pytest.mark.parametrize(("threshold", "limit", "most"), [(0.18, 0.5, 0.3), (0.2, 0.3, 1.0)])
def test_no_large_positions_within_their_budget_have_less_risk(risk, threshold, limit, most):
    five = SIX[:, :5]
    model = solved(MeanRisk(risk, max_weights=most, constraints=[ConditionalBudget(threshold, limit)]), five)
    best = least((large_only(risk, large, threshold, limit, most) for large in subsets(5, 5)), five)
    assert_allclose(model.solution_.objective, best, rtol=1e-6)
    w = model.weights_
    assert w[w > threshold + 1e-9].sum() <= limit + 1e-9


def test_large_positions_that_leave_too_little_for_the_budget():
    with pytest.raises(InfeasibleError, match="conditionalbudget"):
        MeanRisk(TAIL, max_weights=0.3, constraints=[ConditionalBudget(0.1, 0.2)]).fit(SIX)


# Solvers.


@needs_scip
@pytest.mark.parametrize("risk", [None, StandardDeviation(), Variance()], ids=repr)
@pytest.mark.parametrize("limits", [{"cardinality": 3}, {"cardinality": (2, 4), "min_position": 0.2}], ids=repr)
def test_scip_finds_what_the_search_finds(risk, limits):
    ours = MinTrackingError(risk, solver=Sparse(), **limits).fit(X, Y)
    theirs = solved(MinTrackingError(risk, solver=MixedInteger(), **limits), X, Y)
    assert_allclose(theirs.solution_.objective, ours.solution_.objective, rtol=1e-5)
    assert_allclose(theirs.weights_, ours.weights_, atol=1e-6)


@needs_scip
def test_highs_and_scip_agree():
    highs, scip = (
        solved(MeanRisk(TAIL, cardinality=2, solver=MixedInteger(solver)), X) for solver in ("HIGHS", "SCIP")
    )
    assert_allclose(highs.weights_, scip.weights_, atol=1e-6)


def without_scip(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "pyscipopt" else find(name))


def test_without_scip_the_message_says_how_to_install_it(monkeypatch):
    without_scip(monkeypatch)
    message = r'objective__risk with limits on what is held .* not installed: pip install "trackfolio\[scip\]"'
    with pytest.raises(UnsupportedProblemError, match=message):
        MeanRisk(constraints=[MaxTrades(3)]).fit(SIX, previous_weights=HELD)
    with pytest.raises(UnsupportedProblemError, match=r"This problem with limits .* SCIP"):
        MeanRisk(SemiVariance(), cardinality=2).fit(SIX)
    solved(MeanRisk(TAIL, cardinality=2), SIX)
    assert MeanRisk(cardinality=2).fit(SIX).solution_.solver == "Sparse"


@needs_scip
@pytest.mark.parametrize(
    ("risk", "solver"), [(EVaR(0.9), None), (EVaR(0.9), "SCIP"), (EVaR(0.9), "HIGHS"), (Variance(), "HIGHS")]
)
def test_a_risk_that_the_solver_cannot_take_is_said_to_be_one(risk, solver):
    with pytest.raises(UnsupportedProblemError):
        MeanRisk(risk, cardinality=2, solver=MixedInteger(solver)).fit(SIX)


def test_a_solver_that_there_is_not():
    with pytest.raises(ValueError, match="must be None, 'HIGHS' or 'SCIP', got 'GUROBI'"):
        MeanRisk(TAIL, cardinality=2, solver=MixedInteger("GUROBI")).fit(SIX)


def test_the_time_limit_ends_the_search_with_a_gap():
    many = simulate(40, 500, seed=3)[0]
    with pytest.raises(SolverFailure, match="give it more time_limit"):
        MeanRisk(CVaR(0.95), cardinality=5, solver=MixedInteger(time_limit=1e-4)).fit(many)
    for seconds in (0.1, 0.3, 1, 3):
        try:
            model = MeanRisk(CVaR(0.95), cardinality=5, solver=MixedInteger(time_limit=seconds)).fit(many)
        except SolverFailure:
            continue  # there is no portfolio yet
        break
    found = model.solution_
    assert (found.status, found.stopped_by, found.certificate.kind) == ("stopped", "time", "reported")
    assert 0 < found.lower_bound < found.objective
    assert np.count_nonzero(model.weights_) <= 5


@pytest.mark.parametrize(
    "model",
    [
        MeanRisk(TAIL, cardinality=2),
        pytest.param(MeanRisk(constraints=[MaxTrades(2)]), marks=needs_scip),
        MeanRisk(cardinality=2),
        MeanRisk(cardinality=2, min_weights=-0.2),
    ],
    ids=repr,
)
def test_nothing_is_printed(capfd, model):
    model.fit(SIX, previous_weights=HELD)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"constraints": [MaxTrades(-1)]}, "MaxTrades.limit must be a whole number of at least 0, got -1"),
        ({"constraints": [MaxTrades(2.5)]}, "MaxTrades.limit must be a whole number of at least 0, got 2.5"),
        ({"constraints": [ConditionalBudget(-0.1, 0.4)]}, "ConditionalBudget.threshold .* got -0.1"),
        ({"constraints": [ConditionalBudget(0.1, np.inf)]}, "ConditionalBudget.limit .* got inf"),
        ({"constraints": [ConditionalBudget(0.1, 0.4)], "min_weights": -0.1}, "needs min_weights of at least 0"),
        ({"constraints": [MaxTrades(2)], "max_weights": None}, "MaxTrades needs finite min_weights and max_weights"),
    ],
)
def test_numbers_that_cannot_be_are_named(terms, message):
    with pytest.raises(ValueError, match=message):
        MeanRisk(TAIL, **terms).fit(SIX, previous_weights=HELD)


def test_trades_need_previous_weights():
    with pytest.raises(ValueError, match="MaxTrades needs the previous weights"):
        MeanRisk(TAIL, constraints=[MaxTrades(2)]).fit(SIX)

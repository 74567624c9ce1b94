"""The proof of a search: whatever numbers it holds, no bound is above what some portfolio attains."""

import dataclasses
import itertools
from functools import cache
from unittest.mock import patch

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from trackfolio import MinTrackingError
from trackfolio._holdings import HELD, OPEN, OUT, SHORT, HeldLimit, Holdings
from trackfolio._search_proof import (
    Leaves,
    Relaxation,
    SearchProof,
    checked,
    covers_all,
    homogenised,
    leaf_bounds,
    proven_bound,
)
from trackfolio.certificate import certify, implied_bounds
from trackfolio.risks import Variance
from trackfolio.solvers import Sparse
from trackfolio.solvers.sparse import _method
from trackfolio.solvers.sparse._engines import engine_of
from trackfolio.solvers.sparse._program import Program
from trackfolio.solvers.sparse._tree import Tree

from .brute_force import portfolios as every_portfolio
from .conftest import simulate
from .test_sparse_brute_force import Case

random_seeds = given(seed=st.integers(0, 2**20))
configured = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # to shrink a search takes minutes
    suppress_health_check=list(HealthCheck),
)

N = 6
KINDS = {
    "long only": ("rmse", 3, []),
    "least positions": ("variance", 3, [Case.floor]),
    "long and short": ("by weights", 2, [Case.short, Case.floor]),
    "groups and trades": ("utility", 3, [Case.short, Case.group_bounds, Case.turnover, Case.trades]),
}
of_all_kinds = pytest.mark.parametrize("kind", KINDS)


@cache
def solved(kind):
    """A problem, its solution, and the best portfolio of each set of names by brute force: sides and value."""
    name, most, terms = KINDS[kind]
    case = Case(name, 21, N, 40).limit(most)
    for term in terms:
        term(case)
    with patch.object(_method, "_FEWEST_ASSETS", 0):  # so that few assets have the relaxation of many
        found = case.solution()
    sides, values, _ = zip(*every_portfolio(case.instance), strict=True)
    decided = np.where(np.array(sides) == 0, OUT, sides)
    return case.model.make_problem(*case.data, **case.fitted_with), found, (decided, np.array(values))


def best_within(leaves, portfolios):
    """Least value of the portfolios of each leaf."""
    decided, values = portfolios
    inside = ((leaves.states[:, None] == OPEN) | (leaves.states[:, None] == decided)).all(axis=2)
    return np.min(np.where(inside, values, np.inf), axis=1)


def bounds_by(problem, proof):
    """Bound of each leaf."""
    lower, upper = implied_bounds(problem)
    holdings = dataclasses.replace(problem.holdings, lower=lower, upper=upper)
    with np.errstate(all="ignore"):
        relaxations = [checked(problem, relaxation, lower) for relaxation in proof.relaxations]
        return leaf_bounds(problem, holdings, relaxations, proof.leaves)


def assert_true(problem, proof, portfolios):
    """No leaf's bound is above its best portfolio."""
    best = best_within(proof.leaves, portfolios)
    assert (bounds_by(problem, proof) <= best + 1e-9 * np.abs(best)).all()


def bound_by(problem, proof):
    return proven_bound(problem, proof, *implied_bounds(problem))


def with_leaves(proof, **changes):
    return dataclasses.replace(proof, leaves=dataclasses.replace(proof.leaves, **changes))


@of_all_kinds
def test_proof_is_checked_from_data_and_values_alone(kind):
    problem, found, portfolios = solved(kind)
    best = portfolios[1].min()
    assert certify(problem, found) == found.certificate
    assert len(found.proof.leaves) > 1
    assert abs(bound_by(problem, found.proof) - best) <= 2e-6 * abs(best)
    assert_true(problem, found.proof, portfolios)
    # Nothing else of the solution counts: without its multipliers, and at other weights, the bound is the same.
    worse = np.eye(N)[int(np.argmax([problem.value(w) for w in np.eye(N)]))]
    other = certify(problem, dataclasses.replace(found, weights=worse, row_duals=None, limit_duals={}))
    assert other.lower_bound == pytest.approx(found.lower_bound, rel=1e-5)
    assert other.gap > 0.1


@of_all_kinds
def test_without_one_leaf_nothing_is_proven(kind):
    problem, found, _ = solved(kind)
    for k in range(len(found.proof.leaves)):
        rest = SearchProof(found.proof.relaxations, found.proof.leaves.part(np.arange(len(found.proof.leaves)) != k))
        assert bound_by(problem, rest) == -np.inf
    none = SearchProof(found.proof.relaxations, found.proof.leaves.part(np.arange(0)))
    assert bound_by(problem, none) == -np.inf
    dropped = certify(problem, dataclasses.replace(found, proof=none))
    assert dropped.lower_bound == problem.least_value


@of_all_kinds
def test_a_decision_that_is_changed_leaves_portfolios_out(kind):
    problem, found, _ = solved(kind)
    states = found.proof.leaves.states
    for row, column in zip(*np.nonzero(states != OPEN), strict=True):
        for other in {OUT, HELD, SHORT} - {states[row, column]}:
            changed = states.copy()
            changed[row, column] = other
            assert bound_by(problem, with_leaves(found.proof, states=changed)) == -np.inf


@of_all_kinds
def test_a_leaf_is_not_empty_because_it_says_so(kind):
    problem, found, _ = solved(kind)
    says_empty = np.full(len(found.proof.leaves), -1)
    assert bound_by(problem, with_leaves(found.proof, relaxation=says_empty)) == -np.inf
    unknown = with_leaves(found.proof, relaxation=np.full(len(found.proof.leaves), 99))
    assert bound_by(problem, unknown) == -np.inf


def shaken(rng, x):
    """Numbers like others: scaled, turned, with some at random, or spoiled."""
    x = np.array(x, dtype=float)
    size = float(np.abs(x).max(initial=0.0)) or 1.0
    how = rng.integers(5)
    if how == 0:
        return x * rng.uniform(0, 3)
    if how == 1:
        return -x
    if how == 2:
        return x + size * rng.choice([1e-6, 0.1, 1.0, 100.0]) * rng.standard_normal(x.shape)
    where = rng.random(x.shape) < 0.3
    return np.where(where, rng.choice([0.0, 1e9, -1e9, size] + [np.inf, np.nan] * int(how == 4)), x)


def shaken_relaxation(rng, problem, given):
    """Another claim of what lies below the objective."""
    d = given.diagonal if given.diagonal.any() else np.diagonal(problem.split.quadratic.gram()[0])
    matrix = rng.standard_normal((len(d), len(d))) * np.abs(d).max() if given.matrix is None else given.matrix
    slope = np.zeros(len(d)) if given.slope is None else given.slope
    how = rng.integers(4)
    if how == 0:
        return Relaxation(finite(shaken(rng, d)))
    if how == 1:
        # Of weights of one sum, the function is higher or lower by a constant.
        return Relaxation(d, matrix + rng.choice([1e3, -1.0]), slope)
    if how == 2:
        return Relaxation(d, matrix @ matrix.T, slope)
    return Relaxation(*(finite(shaken(rng, part)) for part in (d, matrix, slope)))


def finite(x):
    return np.nan_to_num(x, posinf=1e3, neginf=-1e3)


@of_all_kinds
@configured
@random_seeds
def test_tampering_proves_nothing_that_is_false(kind, seed):
    problem, found, portfolios = solved(kind)
    rng, proof = np.random.default_rng(seed), found.proof
    parts = ["points", "origins", "shares", "row_duals", "limit_duals", "relaxation", "relaxations"]
    for name in rng.choice(parts, rng.integers(1, 3)):
        if name == "relaxations":
            claims = [shaken_relaxation(rng, problem, each) for each in proof.relaxations]
            proof = dataclasses.replace(proof, relaxations=claims)
            continue
        now = getattr(proof.leaves, name)
        if name == "points":
            new = sp.csr_array(shaken(rng, now.toarray()))
        elif name == "relaxation":
            new = rng.integers(-1, len(proof.relaxations) + 1, len(now))
        else:
            new = shaken(rng, now)
        proof = with_leaves(proof, **{name: new})
    assert_true(problem, proof, portfolios)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_claim_that_is_not_finite_proves_nothing(value):
    problem, found, _ = solved("least positions")
    spoiled = [dataclasses.replace(each, diagonal=np.full(N, value)) for each in found.proof.relaxations]
    assert bound_by(problem, dataclasses.replace(found.proof, relaxations=spoiled)) == -np.inf


@pytest.mark.parametrize(
    "changes", [{"min_weights": -0.1}, {"budget": (0.9, 1.0)}, {"budget": 0.0, "min_weights": -1.0}]
)
def test_entries_say_nothing_of_shorts_and_of_sums_that_vary(changes):
    """A claim that is below the objective entry by entry is below it for weights of at least 0 and of one sum alone."""
    X, y = simulate(7, 40, seed=1)
    for terms, holds in (({}, True), (changes, False)):
        model = MinTrackingError(Variance(), cardinality=3, solver=Sparse(node_limit=0), **terms)
        problem = model.make_problem(X, y)
        entries = homogenised(problem.split.quadratic.gram(), 1.0)
        below = Relaxation(np.zeros(7), entries - 1e-5 * (1 - np.eye(7)), np.zeros(7))
        assert np.isfinite(checked(problem, below, problem.lower).constant) == holds


def test_a_claim_that_equals_the_objective_is_lowered_by_rounding():
    X, y = simulate(7, 40, seed=1)
    problem = MinTrackingError(Variance(), cardinality=3).make_problem(X, y)
    entries = homogenised(problem.split.quadratic.gram(), 1.0)
    assert -1e-14 < checked(problem, Relaxation(np.zeros(7), entries, np.zeros(7)), problem.lower).constant < 0


def test_bounds_are_lowered_by_rounding():
    X, y = simulate(4, 40, seed=1)
    model = MinTrackingError(Variance(), cardinality=1, min_position=1.0).fit(X, y)
    found = model.solution_
    assert 0 < found.objective - bound_by(model.make_problem(X, y), found.proof) < 1e-13 * found.objective


def test_multipliers_of_the_wrong_sign_count_as_none():
    problem, found, portfolios = solved("groups and trades")
    leaves = found.proof.leaves
    only_lower = np.isinf(problem.linear.upper) & ~np.isinf(problem.linear.lower)
    assert only_lower.any()
    wrong = {"row_duals": leaves.row_duals - 9 * only_lower, "limit_duals": -1e-4 - leaves.limit_duals}
    none = {"row_duals": leaves.row_duals * ~only_lower, "limit_duals": 0 * leaves.limit_duals}
    assert_true(problem, with_leaves(found.proof, **wrong), portfolios)
    assert_allclose(*(bounds_by(problem, with_leaves(found.proof, **each)) for each in (wrong, none)), atol=1e-12)


def random_states(rng, holdings, depth):
    """Leaves that cover all portfolios: assets decided at random, in all their ways."""
    leaves, n = [np.zeros(len(holdings.least), dtype=np.int8)], len(holdings.least)
    for _ in range(depth):
        state = leaves.pop(rng.integers(len(leaves)))
        open_ = np.flatnonzero(state == OPEN)
        if not len(open_):
            leaves.append(state)
            continue
        asset = rng.choice(open_)
        for way in ways_of(holdings)[asset]:
            leaves.append(np.where(np.arange(n) == asset, way, state).astype(np.int8))
    return np.array(leaves)


def ways_of(holdings):
    sides = zip(holdings.can_be_long, holdings.can_be_short, strict=True)
    return [[OUT] + [HELD] * bool(long) + [SHORT] * bool(short) for long, short in sides]


@cache
def engine(kind):
    """What bounds the parts of a search, with all relaxations of the proof."""
    problem, found, _ = solved(kind)
    ready = engine_of(Program.of(problem))
    ready.relaxations.extend(found.proof.relaxations[1:])
    return ready


def bounded(kind, states, number, start):
    """A leaf of some decisions with the multipliers of a relaxation; one that claims to be empty where it seems so."""
    holdings = engine(kind).program.holdings
    closed = holdings.closed(states)
    node = None if closed is None else engine(kind).relaxed(closed, start, number, np.inf)
    if node is None:
        rows, limits = len(solved(kind)[0].linear.lower), len(engine(kind).program.limits)
        return -np.inf, (states, states, np.zeros(len(states)), 0.0, np.zeros(rows), np.zeros(limits), -1)
    return node.bound, (states, closed, node.w, node.share, node.row_duals, node.limit_duals, number)


@of_all_kinds
@settings(configured, max_examples=10)
@random_seeds
def test_parts_that_the_search_never_saw_have_true_bounds(kind, seed):
    problem, found, portfolios = solved(kind)
    rng = np.random.default_rng(seed)
    numbers = range(len(found.proof.relaxations))
    states = random_states(rng, problem.holdings, rng.integers(1, 15))
    nodes, columns = zip(*(bounded(kind, s, rng.choice(numbers), found.weights) for s in states), strict=True)
    states, origins, points, shares, rows, limits, relaxation = map(np.array, zip(*columns, strict=True))
    leaves = Leaves(states, origins, sp.csr_array(points), shares, rows, limits, relaxation)
    proof = SearchProof(found.proof.relaxations, leaves)
    assert_true(problem, proof, portfolios)
    # What the search believes is what is proven, up to rounding.
    assert (bounds_by(problem, proof) >= np.array(nodes) - 1e-9 * abs(found.objective)).all()
    for size in (1e-3, 0.3):
        noise = {
            name: getattr(leaves, name) * (1 + size * rng.standard_normal(getattr(leaves, name).shape))
            for name in ("shares", "row_duals", "limit_duals")
        }
        moved = sp.csr_array(points * (1 + size * rng.standard_normal(points.shape)))
        assert_true(problem, with_leaves(proof, points=moved, **noise), portfolios)


@pytest.mark.parametrize("lower", [0.0, -0.1])
def test_leaves_of_a_search_prove_what_it_believes(monkeypatch, lower):
    trees, run = [], Tree.run
    monkeypatch.setattr(Tree, "run", lambda self, root: trees.append(self) or run(self, root))
    X, y = simulate(30, 60, seed=1)
    model = MinTrackingError(cardinality=5, min_weights=lower, solver=Sparse(node_limit=60)).fit(X, y)
    problem, proof = model.make_problem(X, y), model.solution_.proof
    believed = np.array([part.bound for part in trees[0].parts])
    assert (bounds_by(problem, proof) >= (1 - 1e-9) * believed).all()


# Cover of all portfolios by leaves, against all decisions listed one by one.


def of_sides(sides):
    """Holdings of assets that are long only, long or short with a hole between them, or short only."""
    least, lower, upper = np.array([(0.0, 0, 1), (0.1, -1, 1), (0.1, -1, 0.05)])[sides].T
    total = HeldLimit("cardinality", np.ones(len(sides), dtype=bool), 0, len(sides))
    return Holdings([total], least, lower, upper)


@settings(configured, max_examples=200)
@given(sides=st.lists(st.integers(0, 2), min_size=1, max_size=4), seed=st.integers(0, 2**20), spoil=st.integers(0, 3))
def test_leaves_are_said_to_cover_all_only_where_they_do(sides, seed, spoil):
    rng, holdings = np.random.default_rng(seed), of_sides(sides)
    states = random_states(rng, holdings, rng.integers(0, 12))
    if not spoil:
        assert covers_all(holdings, states)
    for _ in range(spoil):
        row, column = rng.integers(len(states)), rng.integers(len(sides))
        states[row, column] = rng.choice([OUT, OPEN, HELD, SHORT, 3])
        states = np.delete(states, row, axis=0) if rng.random() < 0.3 and len(states) > 1 else states
    covered = all(
        any(((leaf == OPEN) | (leaf == full)).all() for leaf in states)
        for full in map(np.array, itertools.product(*ways_of(holdings)))
    )
    assert covered or not covers_all(holdings, states)


def test_order_of_the_leaves_does_not_matter():
    problem, found, _ = solved("long only")
    leaves: Leaves = found.proof.leaves
    order = np.random.default_rng(0).permutation(len(leaves))
    turned = SearchProof(found.proof.relaxations, leaves.part(order))
    assert bound_by(problem, turned) == bound_by(problem, found.proof)

"""Few names with all that may stand beside them: units, constants, assets that must be held, families of portfolios."""

import dataclasses
import itertools

import matplotlib as mpl
import numpy as np
import pytest
from numpy.testing import assert_allclose

from trackfolio import MeanRisk, MinTrackingError
from trackfolio._functions import Linear, Summand
from trackfolio.certificate import certify
from trackfolio.constraints import GroupCardinality, MaxTurnover
from trackfolio.costs import TransactionCost
from trackfolio.exceptions import InfeasibleError, UnsupportedProblemError
from trackfolio.model_selection import cardinality_path, frontier
from trackfolio.objectives import MaxRatio
from trackfolio.risks import CVaR, Variance
from trackfolio.solvers import MixedInteger, Sparse, solve

N = 8


@pytest.fixture(scope="module")
def market():
    rng = np.random.default_rng(1)
    factors = rng.normal(size=(60, 2))
    X = 0.01 * (factors @ rng.normal(size=(2, N)) + 0.5 * rng.normal(size=(60, N)))
    return X, X @ rng.dirichlet(np.ones(N)) + 0.001 * rng.normal(size=60)


def best_of_all(model, X, y, number, **fit):
    """Least objective over all sets of names, each without a limit on their number."""
    upper = np.broadcast_to(np.asarray(model.max_weights, dtype=float), N)
    found = []
    for names in itertools.combinations(range(N), number):
        model.set_params(cardinality=None, max_weights=np.where(np.isin(range(N), names), upper, 0.0))
        try:
            found.append(model.fit(X, y, **fit).solution_.objective)
        except InfeasibleError:
            continue
    model.set_params(max_weights=upper)
    return min(found)


def test_a_root_with_costs_is_not_taken_for_its_square(market):
    X, y = market
    held = np.full(N, 1 / N)
    model = MinTrackingError(cardinality=3, costs=[TransactionCost(6.0)], solver=Sparse())
    with pytest.raises(UnsupportedProblemError, match="no quadratic form with proportional costs, nor the root of one"):
        model.fit(1000 * X, 1000 * y, previous_weights=held)
    found = model.set_params(solver=None).fit(1000 * X, 1000 * y, previous_weights=held).solution_
    best = best_of_all(model, 1000 * X, 1000 * y, 3, previous_weights=held)
    assert found.solver == "MixedInteger"
    assert_allclose(found.objective, best, rtol=1e-4)


@pytest.mark.parametrize("constant", [-0.01, 0.01])
def test_constants_of_the_objective_are_in_its_bound(market, constant):
    X, y = market
    problem = MeanRisk(cardinality=3).make_problem(X, y)
    extra = Summand("extra", 1.0, Linear(np.linspace(0, 1e-5, N), constant))
    shifted = dataclasses.replace(problem, objective=[*problem.objective, extra])
    found = solve(shifted)
    assert found.status == "optimal"
    assert 0 <= found.objective - found.lower_bound <= 1e-6 * abs(found.objective)
    worse = dataclasses.replace(found, weights=np.eye(N)[0])
    assert certify(shifted, worse).lower_bound == pytest.approx(found.lower_bound, abs=1e-12)


def test_what_must_be_held_is_held(market):
    X, y = market
    lower = np.zeros(N)
    lower[[6, 7]] = 0.05
    model = MinTrackingError(min_weights=lower, cardinality=4)
    found = model.fit(X, y).solution_
    assert (found.solver, found.status) == ("Sparse", "optimal")
    assert_allclose(found.objective, best_of_all(model, X, y, 4), rtol=1e-6)


@pytest.mark.parametrize("budget", [1e-9, 1e9, 1e12])
@pytest.mark.parametrize("limits", [[], [MaxTurnover(0.7)]])
def test_units_do_not_matter(market, budget, limits):
    X, _ = market
    shares, held = np.array([0.6, 0.5, 0.4, 0.3, 0.2, 0.6, 0.5, 0.4]), np.full(N, 1 / N)
    weights = []
    for unit in (1.0, budget):
        terms = [MaxTurnover(limit.limit * unit) for limit in limits]
        model = MinTrackingError(
            budget=unit, max_weights=unit * shares, cardinality=3, benchmark_weights=unit * held, constraints=terms
        )
        model.fit(X, previous_weights=unit * held)
        assert model.solution_.status == "optimal"
        weights.append(model.weights_ / unit)
    assert_allclose(weights[1], weights[0], atol=1e-7)


def test_assets_of_a_largest_weight_of_0_are_out_and_no_error(market):
    X, y = market
    upper = np.array([0.0, 1, 1, 1, 0, 1, 1, 1])
    model = MinTrackingError(max_weights=upper, min_position=0.1, cardinality=3).fit(X, y)
    assert model.solution_.status == "optimal"
    assert not model.weights_[upper == 0].any()


def test_factor_models_of_hundreds_of_assets_are_proven(market):
    from sklearn.decomposition import FactorAnalysis

    from trackfolio.datasets import make_index_market

    data = make_index_market(n_assets=200, n_periods=400, random_state=0)
    risk, upper = Variance(FactorAnalysis(5)), np.ones(200)
    for excluded in ([], [0, 50, 199]):
        upper[excluded] = 0.0
        model = MinTrackingError(risk, cardinality=20, benchmark_weights=data.weights, max_weights=upper)
        found = model.set_params(solver=Sparse(node_limit=300)).fit(data.X).solution_
        assert found.gap < 0.01


def test_a_path_says_how_few_names_are_enough(market):
    X, y = market
    path = cardinality_path(MinTrackingError(), X, y, progress=False)
    assert path.cardinalities.tolist() == list(range(1, N + 1))
    assert (np.diff(path.objectives) <= 1e-12).all()
    assert (path.lower_bounds <= path.objectives).all()
    assert path.is_proven.all()
    limit = (path.objectives[2] + path.objectives[3]) / 2
    assert (path.fewest(limit).names, path.fewest(limit).at_least, path.fewest(limit).is_proven) == (4, 4, True)
    assert path.fewest(0.0).names is None
    assert path.out_of_sample(X, y).to_numpy() == pytest.approx(path.objectives)
    assert list(path.table["status"]) == ["optimal"] * N
    assert "8 proven optimal" in repr(path)
    mpl.use("Agg")
    ax = path.plot(X=X, y=y)
    assert ax.get_legend().get_texts()[0].get_text() == "out of reach: proven"


def test_a_path_begins_where_limits_allow_and_lists_are_sorted(market):
    X, y = market
    path = cardinality_path(MinTrackingError(max_weights=0.3), X, y, 6, progress=False)
    assert path.cardinalities.tolist() == [4, 5, 6]
    assert (path.fewest(1.0).names, path.fewest(1.0).at_least) == (4, 4)
    assert cardinality_path(MinTrackingError(), X, y, [5, 2, 5], progress=False).cardinalities.tolist() == [2, 5]
    ranged = MinTrackingError(cardinality=(3, 5), min_position=0.05)
    assert cardinality_path(ranged, X, y, 5, progress=False).cardinalities.tolist() == [3, 4, 5]
    with pytest.raises(InfeasibleError, match=r"cardinality of at most 2 and max_weights allow a sum of 0\.6"):
        cardinality_path(MinTrackingError(max_weights=0.3), X, y, [2, 4], progress=False)
    for wrong in (0, 3.0, [], "4", [2.5], [(1, 2)]):
        with pytest.raises(ValueError, match="cardinalit"):
            cardinality_path(MinTrackingError(), X, y, wrong, progress=False)


def test_what_a_solver_reports_is_not_called_proven(market):
    X, y = market
    path = cardinality_path(MeanRisk(CVaR(0.9)), X, y, [2, 3], progress=False)
    assert not path.is_proven.any()
    assert path.fewest(path.objectives[1]) == (3, 1)
    assert "0 proven optimal" in repr(path)


def test_a_frontier_keeps_few_names(market):
    X, y = market
    groups = GroupCardinality(["a"] * 4 + ["b"] * 4, most=2)
    points = frontier(MeanRisk(constraints=[groups]), X, y, parameter="tracking_penalty", values=4, progress=False)
    assert (points.table["assets held"] <= 4).all()


def test_a_ratio_of_few_names_by_a_given_solver(market):
    X, _ = market
    for risk, solver in ((Variance(), Sparse()), (CVaR(0.9), MixedInteger("HIGHS"))):
        model = MeanRisk(risk, MaxRatio(risk_free_rate=-0.01), cardinality=3, solver=solver).fit(X)
        best = best_of_all(model.set_params(solver=None), X, None, 3)
        assert_allclose(model.set_params(solver=solver, cardinality=3).fit(X).solution_.objective, best, rtol=1e-6)


def test_multipliers_are_those_of_the_names_held(market):
    X, y = market
    model = MinTrackingError(Variance(), cardinality=3, min_position=0.25).fit(X, y)
    prices, w = model.solution_.multipliers, model.weights_
    assert not any(prices[name][w == 0].any() for name in ("min_weights", "max_weights", "min_position"))
    at = np.flatnonzero(np.isclose(w, 0.25))
    assert len(at) == 1, "one name is held at its least position"
    # What a slightly lower least position of one name gains, the names being the same.
    less = np.full(N, 0.25)
    less[at[0]] -= 1e-5
    gained = model.solution_.objective - model.set_params(min_position=less).fit(X, y).solution_.objective
    assert_allclose(prices["min_position"][at[0]], gained / 1e-5, rtol=1e-2)


@pytest.mark.parametrize("wrong", [{"tolerance": None}, {"tolerance": -1}, {"time_limit": "a"}, {"node_limit": -3}])
def test_limits_of_the_search_are_numbers(market, wrong):
    with pytest.raises(ValueError, match=f"Sparse.{next(iter(wrong))} must be a number of at least 0"):
        MinTrackingError(cardinality=3, solver=Sparse(**wrong)).fit(*market)

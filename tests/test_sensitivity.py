"""Multipliers of every limit against central differences of the optimum, for both estimators and every solver."""

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from trackfolio import MeanRisk, MinTrackingError
from trackfolio.constraints import (
    ActiveBounds,
    BetaBounds,
    ConditionalBudget,
    Constraint,
    Exposure,
    GroupBounds,
    GroupRatio,
    LinearConstraint,
    MaxActiveShare,
    MaxLeverage,
    MaxTrades,
    MaxTurnover,
    MinReturn,
    RiskLimit,
)
from trackfolio.costs import L2, TransactionCost
from trackfolio.objectives import MaxRatio, MaxReturn, MaxUtility
from trackfolio.risks import (
    CVaR,
    Huber,
    MaxDrawdown,
    MeanAbsoluteDeviation,
    RootMeanSquare,
    SemiVariance,
    StandardDeviation,
    Variance,
    WorstRealization,
)
from trackfolio.solvers import Conic, DenseQP, InteriorPoint

from .conftest import simulate
from .test_solvers import EXAMPLES, subclasses

N = 6
X, Y = simulate(N, 90, seed=3)
X, Y = X + 2e-4 * np.arange(N), Y + 3e-4
HELD = np.array([0.3, 0.1, 0.25, 0.05, 0.2, 0.1])
INDEX = np.array([0.05, 0.3, 0.1, 0.25, 0.1, 0.2])
GROUPS = ["a", "a", "b", "b", None, "b"]
A, B = (np.array([group == name for group in GROUPS], dtype=float) for name in ("a", "b"))
TILT = np.array([3.0, 1.0, -2.0, 4.0, 0.5, 2.0])
BETAS = (X - X.mean(axis=0)).T @ (Y - Y.mean()) / np.sum((Y - Y.mean()) ** 2)
MU = X.mean(axis=0)


@dataclass(frozen=True, eq=False)
class Case:
    """A limit g(w) <= L on a constraint or parameter, and where its multiplier stands."""

    size: Any
    terms: Any
    name: str
    place: Any = None
    options: dict = field(default_factory=dict)

    def limit(self, value):
        return self.terms(value)


def of(constraint, size, place=None, **options):
    return Case(size, lambda L: {"constraints": [("limit", constraint(L))]}, "limit", place, options)


def half(v):
    return np.abs(v).sum() / 2


def ratio(a, b):
    return min(a / max(b, 1e-9), 5.0)


LONG_SHORT = {"min_weights": -0.5}
CASES = {
    "max_weights": Case(lambda w: w[2], lambda L: {"max_weights": {"x2": L}}, "max_weights", 2),
    "min_weights": Case(lambda w: -w[4], lambda L: {"min_weights": {"x4": -L}}, "min_weights", 4),
    "max_weights, short": Case(
        lambda w: w[2], lambda L: {"max_weights": {"x2": L}}, "max_weights", 2, LONG_SHORT | {"budget": 0.2}
    ),
    "active bounds, upper": of(lambda L: ActiveBounds(-np.inf, {"x2": L}), lambda w: w[2] - INDEX[2], 2),
    "active bounds, lower": of(lambda L: ActiveBounds({"x1": -L}), lambda w: INDEX[1] - w[1], 1),
    "beta": of(lambda L: BetaBounds(upper=L), lambda w: BETAS @ w),
    "beta, lower": of(lambda L: BetaBounds(lower=-L), lambda w: -BETAS @ w),
    "exposure": of(lambda L: Exposure(TILT, upper=L), lambda w: TILT @ w),
    "exposure, active": of(lambda L: Exposure(100 * TILT, -L, active=True), lambda w: -100 * TILT @ (w - INDEX)),
    "group": of(lambda L: GroupBounds(GROUPS, upper={"b": L}), lambda w: B @ w, 1),
    "group, active": of(lambda L: GroupBounds(GROUPS, {"a": -L}, active=True), lambda w: -A @ (w - INDEX), 0),
    "group ratio": of(lambda L: GroupRatio(GROUPS, "a", "b", upper=max(L, 0)), lambda w: ratio(A @ w, B @ w)),
    "group ratio, lower": of(lambda L: GroupRatio(GROUPS, "a", "b", -L, 9.0), lambda w: -ratio(A @ w, B @ w), 0),
    "rows": of(lambda L: LinearConstraint([TILT, 1e3 * A], [-9.0, -np.inf], [9.0, L]), lambda w: 1e3 * A @ w, 1),
    "active share": of(MaxActiveShare, lambda w: half(w - INDEX)),
    "gross": of(lambda L: MaxLeverage(gross=L), lambda w: np.abs(w).sum(), None, **LONG_SHORT),
    "short": of(lambda L: MaxLeverage(9.0, 9.0, short=max(L, 0)), lambda w: -np.minimum(w, 0).sum(), 2, **LONG_SHORT),
    "turnover": of(MaxTurnover, lambda w: half(w - HELD)),
    "min return": of(lambda L: MinReturn(-L), lambda w: -MU @ w),
    "min return, net": of(
        lambda L: MinReturn(-L, costs=[TransactionCost(1e-3)]), lambda w: -MU @ w + 2e-3 * half(w - HELD)
    ),
    "risk": of(lambda L: CVaR(0.8) <= L, lambda w: CVaR(0.8).value(X @ w)),
    "deviation": of(lambda L: StandardDeviation() <= L, lambda w: StandardDeviation().value(X @ w)),
    "active variance": of(lambda L: RiskLimit(Variance(), L, True), lambda w: Variance().value(X @ w - Y)),
    "worst": of(lambda L: WorstRealization() <= L, lambda w: WorstRealization().value(X @ w)),
    "drawdown": of(lambda L: MaxDrawdown() <= L, lambda w: MaxDrawdown().value(X @ w)),
    "max_tracking_error": Case(
        lambda w: np.sqrt(np.mean((X @ w - Y) ** 2)), lambda L: {"max_tracking_error": L}, "max_tracking_error"
    ),
}
TRACKERS = {
    "RMSE": lambda: MinTrackingError(),
    "tracking deviation, L2": lambda: MinTrackingError(Variance(), costs=[L2(1e-5)]),
    "tracking CVaR": lambda: MinTrackingError(CVaR(0.8)),
    "tracking MAD": lambda: MinTrackingError(MeanAbsoluteDeviation(), costs=[TransactionCost(1e-3)]),
    "Huber": lambda: MinTrackingError(Huber(1e-3)),
}
MANAGERS = {
    "variance": lambda: MeanRisk(),
    "CVaR": lambda: MeanRisk(CVaR(0.8)),
    "return": lambda: MeanRisk(objective=MaxReturn()),
    "utility": lambda: MeanRisk(SemiVariance(), MaxUtility(5.0), costs=[L2(1e-5)]),
    "Sharpe": lambda: MeanRisk(StandardDeviation(), MaxRatio(-1e-3)),
    "penalty": lambda: MeanRisk(tracking_penalty=0.5),
}
MODELS = TRACKERS | MANAGERS
SOLVERS = {"DenseQP": DenseQP(), "InteriorPoint": InteriorPoint(), "Conic": Conic()}


def solved(make, solver=None, **params):
    model = make().set_params(benchmark_weights=INDEX, solver=solver, **params)
    return model.fit(X, Y, previous_weights=HELD)


@cache
def difference(what, name):
    """A value of the limit that binds, and the improvement per unit of it by central differences."""
    make, case = MODELS[what], CASES[name]
    free = solved(make, **case.options).weights_
    rng = np.random.default_rng(0)
    candidates = [HELD, INDEX, *np.eye(N), *rng.dirichlet(np.ones(N), 50)]
    candidates = [w * case.options.get("budget", 1.0) for w in candidates]
    best = min(candidates, key=case.size)
    least, most = case.size(best), case.size(free)
    if least > most - 1e-4 * abs(most) - 1e-9:
        return None, None, None
    for share in (0.6, 0.45, 0.3, 0.8):
        value = case.size(share * free + (1 - share) * best)
        step = 1e-4 * (most - least)
        f = [solved(make, **case.options | case.limit(value + k * step)).solution_.objective for k in (-2, -1, 0, 1, 2)]
        slopes = -np.diff(f) / step
        # No kink, and the limit binds: the multiplier is unique.
        if np.min(slopes) > 0 and np.ptp(slopes) <= 0.02 * np.max(slopes):
            return value, (f[1] - f[3]) / (2 * step), np.ptp(slopes)
    return None, None, None


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("what", MODELS)
def test_multiplier_is_the_derivative(what, name):
    case, make = CASES[name], MODELS[what]
    if name == "max_tracking_error" and what in TRACKERS:
        pytest.skip("a tracker has no such limit")
    value, slope, error = difference(what, name)
    if value is None:
        pytest.skip("the limit does not bind, or there is a kink at all values tried")
    done = []
    for label, solver in SOLVERS.items():
        model = make().set_params(benchmark_weights=INDEX, **case.options | case.limit(value))
        if what == "Sharpe":
            problem = model.make_problem(X, Y, previous_weights=HELD, ratio=0.1)
        else:
            problem = model.make_problem(X, Y, previous_weights=HELD)
        if solver.lacking(problem):
            continue
        price = solved(make, solver, **case.options | case.limit(value)).solution_.multipliers[case.name]
        price = price if case.place is None else price[case.place]
        assert_allclose(price, slope, rtol=2e-3, atol=2 * error, err_msg=label)
        done.append(label)
    assert "Conic" in done


def test_every_kind_of_limit_is_looked_at():
    looked_at = {type(case.limit(1.0)["constraints"][0][1]) for case in CASES.values() if case.name == "limit"}
    discrete = {kind for kind, term in EXAMPLES.items() if term.is_discrete or hasattr(term, "holdings")}
    assert looked_at | discrete == set(subclasses(Constraint))
    checked = [(what, name) for what in MODELS for name in CASES if not ("max_tr" in name and what in TRACKERS)]
    binding = [pair for pair in checked if difference(*pair)[0] is not None]
    assert len(binding) > 0.8 * len(checked)
    assert {name for _, name in binding} == set(CASES)


@pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS)
@pytest.mark.parametrize("what", ["RMSE", "variance", "penalty"])
def test_equalities_have_a_sign_and_fixed_weights_two_prices(what, solver):
    make, step = MODELS[what], 1e-5

    def fit(budget=1.0, tilt=1.3, ratio=0.9, fixed=0.1):
        limits = [("tilt", Exposure(TILT, tilt, tilt)), ("ratio", GroupRatio(GROUPS, "a", "b", ratio, ratio))]
        bounds = {"min_weights": {"x3": fixed}, "max_weights": {"x3": fixed}}
        return solved(make, solver, budget=budget, constraints=limits, **bounds).solution_

    prices = fit().multipliers
    for name, usual in {"budget": 1.0, "tilt": 1.3, "ratio": 0.9}.items():
        slope = (fit(**{name: usual - step}).objective - fit(**{name: usual + step}).objective) / (2 * step)
        assert_allclose(prices[name], slope, rtol=1e-3, err_msg=name)
    slope = (fit(fixed=0.1 - step).objective - fit(fixed=0.1 + step).objective) / (2 * step)
    assert_allclose(prices["max_weights"][3] - prices["min_weights"][3], slope, rtol=1e-3)
    assert min(prices["max_weights"][3], prices["min_weights"][3]) == 0


@pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS)
@pytest.mark.parametrize("side", [0, 1])
def test_pairs_of_budgets(side, solver):
    """Least variance wants to invest little; a tracker of twice the index much."""
    step = 1e-5

    def fit(value):
        budget = (value, 3.0) if side == 0 else (0.0, value)
        if side == 0:
            return MeanRisk(budget=budget, solver=solver).fit(X).solution_
        return MinTrackingError(budget=budget, max_weights=None, solver=solver).fit(X, 2 * Y).solution_

    slope = (fit(1 + step).objective - fit(1 - step).objective) / (2 * step) * (1 if side == 0 else -1)
    assert slope > 0
    assert_allclose(fit(1.0).multipliers["budget"], slope, rtol=1e-3)


def test_bounds_have_prices_where_others_are_free():
    """The certificate then has residuals alone, but slopes there are."""

    def fit(least):
        bounds = np.full(N, -np.inf)
        bounds[4] = least
        return MeanRisk(CVaR(0.8), min_weights=bounds, max_weights=None).fit(X).solution_

    slope = (fit(0.3 + 1e-5).objective - fit(0.3 - 1e-5).objective) / 2e-5
    solution = fit(0.3)
    assert solution.certificate.kind == "residuals"
    assert slope > 0
    assert_allclose(solution.multipliers["min_weights"][4], slope, rtol=1e-3)
    assert solution.multipliers_note == ""


# Where there are none, or where they hold for the names at hand only.


def test_an_error_of_0_has_no_multipliers_and_says_why():
    solution = MinTrackingError().fit(X, X @ INDEX).solution_
    assert solution.multipliers == {}
    assert solution.multipliers_note == "There are no multipliers: the objective is 0, where a root has no derivative."
    assert MinTrackingError().fit(X, Y).solution_.multipliers_note == ""


def test_a_constraint_of_ones_own_leaves_the_bounds_without():
    class Spread(Constraint):
        def constraints(self, problem, w):
            return [sum(w**2) <= 0.2]

    solution = MinTrackingError(constraints=[Spread()]).fit(X, Y).solution_
    assert solution.multipliers["spread"] > 0
    assert "min_weights" not in solution.multipliers
    assert solution.multipliers_note.startswith("min_weights and max_weights have no multipliers: a term")


@pytest.mark.parametrize("risk", [RootMeanSquare(), CVaR(0.8)], ids=lambda r: r.term_name)
@pytest.mark.parametrize("limit", [MaxTrades(3), ConditionalBudget(0.25, 0.6)], ids=lambda c: c.term_name)
def test_whole_numbers_have_none_and_say_why(limit, risk):
    """With a linear limit beside them, whose rows the names' own once threw out of step: the fit failed."""
    others = [Exposure(TILT, upper=1.5), GroupBounds(GROUPS, upper=0.6)]
    model = MinTrackingError(risk, constraints=[limit, *others]).fit(X, Y, previous_weights=HELD)
    assert model.solution_.solver == "MixedInteger"
    assert model.solution_.multipliers == {}
    assert "whole numbers" in model.solution_.multipliers_note


@pytest.mark.parametrize("names", [3, 5, 6])
@pytest.mark.parametrize("make", [MinTrackingError, MeanRisk])
def test_with_few_names_they_are_derivatives_of_the_whole_search(names, make):
    """With 6 names, whole numbers do not bind: a weight of 0 at its bound then has a price."""
    base = {"min_weights": 0.0, "max_weights": 0.35, "tilt": 0.0}

    def fit(**changes):
        p = base | changes
        limits = [Exposure(TILT, upper=p["tilt"])]
        model = make(Variance(), cardinality=names, constraints=limits)
        return model.set_params(min_weights=p["min_weights"], max_weights=p["max_weights"]).fit(X, Y).solution_

    solution, step = fit(), 1e-6
    assert solution.multipliers_note.startswith("The multipliers hold for the names as they are held")
    slopes = {name: np.zeros(N) for name in ("min_weights", "max_weights")}
    for name, sign in (("min_weights", -1), ("max_weights", 1)):
        for i in range(N):
            moved = np.full(N, base[name])
            moved[i] += sign * step
            slopes[name][i] = (solution.objective - fit(**{name: moved}).objective) / step
        assert_allclose(solution.multipliers[name], slopes[name], rtol=0.02, atol=1e-9, err_msg=name)
    assert (solution.multipliers["min_weights"].max() > 1e-6) == (names == 6)
    slope = (fit(tilt=-step).objective - fit(tilt=step).objective) / (2 * step)
    assert_allclose(solution.multipliers["exposure"], slope, rtol=0.02, atol=1e-9)

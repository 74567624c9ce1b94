"""Costs: what they add, under every objective and in a limit, and those that would change nothing."""

from unittest.mock import patch

import cvxpy as cp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from trackfolio import MeanRisk, MinTrackingError
from trackfolio.constraints import MinReturn
from trackfolio.costs import L1, L2, CustomCost, ManagementFee, TransactionCost
from trackfolio.exceptions import InfeasibleError
from trackfolio.objectives import MaxRatio, MaxReturn, MaxUtility, MinRisk
from trackfolio.risks import StandardDeviation, Variance
from trackfolio.solvers import Conic, DenseQP

from .conftest import simulate

X, Y = simulate()
EARNING = X + 0.003  # with means above the costs, so that there is a ratio
HELD = np.eye(8)[2] * 0.5 + 0.0625
EQUAL = np.full(8, 1 / 8)
FEES = np.linspace(0, 0.001, 8)
RATES = np.array([0.0, 0.003, 0, 0, 0.001, 0, 0, 0])

# A cost, and the same for numpy and for cvxpy.
CASES = {
    "rate": (TransactionCost(0.001), lambda m, w: 0.001 * m.sum(m.abs(w - HELD))),
    "rates": (TransactionCost({"x1": 0.003, "x4": 0.001}), lambda m, w: RATES @ m.abs(w - HELD)),
    "held longer": (
        TransactionCost(0.005, 0.01, holding_period=21),
        lambda m, w: (0.005 * m.sum(m.abs(w - HELD)) + 0.01 * m.sum(m.power(m.abs(w - HELD), 1.5))) / 21,
    ),
    "impact": (TransactionCost(0, 0.002), lambda m, w: 0.002 * m.sum(m.power(m.abs(w - HELD), 1.5))),
    "square": (
        TransactionCost(0.0005, 0.002, 2),
        lambda m, w: 0.0005 * m.sum(m.abs(w - HELD)) + 0.002 * m.sum(m.power(w - HELD, 2)),
    ),
    "fees": (ManagementFee(FEES), lambda m, w: FEES @ w),
    "rebate": (ManagementFee({"x5": -0.0004}), lambda m, w: -0.0004 * w[5]),
    "l1": (L1(0.001), lambda m, w: 0.001 * m.sum(m.abs(w))),
    "l2": (L2(0.001), lambda m, w: 0.001 * m.sum(m.power(w, 2))),
    "own": (CustomCost(lambda w: 0.001 * cp.max(w)), lambda m, w: 0.001 * m.max(w)),
}


def solved(model, *data, kind="bound", **metadata):
    model.fit(*data, **metadata)
    assert model.solution_.status == "optimal", model.solution_
    assert model.solution_.gap <= 1e-8
    assert model.solution_.certificate.kind == kind
    return model


def least(objective):
    """Least value over the weights of a long-short portfolio, by cvxpy alone, scaled by hand."""
    w = cp.Variable(8)
    program = cp.Problem(cp.Minimize(100 * objective(w)), [cp.sum(w) == 1, w >= -0.5, w <= 1])
    program.solve(solver=cp.CLARABEL, tol_gap_rel=1e-9, tol_gap_abs=1e-9)
    return program.value / 100


def deviation(returns):
    centred = (returns - returns.mean(axis=0)) / np.sqrt(len(returns) - 1)
    return lambda w: cp.norm(centred @ w)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("objective", [None, MinRisk(), MaxReturn(), MaxUtility(0.5)], ids=repr)
def test_objective_with_costs_is_that_of_the_textbook(name, objective):
    cost, amount = CASES[name]
    tracking = objective is None
    returns, mu = X - Y[:, None] if tracking else X, X.mean(axis=0)
    of_risk, of_return = (1.0, 0.0) if tracking else (objective.risk_weight, objective.return_weight)
    value = least(lambda w: of_risk * deviation(returns)(w) - of_return * mu @ w + amount(cp, w))
    model = MinTrackingError(StandardDeviation()) if tracking else MeanRisk(StandardDeviation(), objective)
    model.set_params(min_weights=-0.5, costs=[cost])
    w = solved(model, X, Y, previous_weights=HELD, kind="residuals" if name == "own" else "bound").weights_
    assert_allclose(model.solution_.objective, value, rtol=1e-6, atol=1e-9)
    assert_allclose(model.cost_, amount(np, w), rtol=1e-9)
    recomputed = of_risk * np.std(returns @ w, ddof=1) - of_return * mu @ w + amount(np, w)
    assert_allclose(model.solution_.objective, recomputed, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("name", CASES)
def test_ratio_net_of_costs_is_the_largest(name):
    """At the largest ratio θ, and at no other, the least of θ·risk - gain is 0 (Dinkelbach)."""
    cost, amount = CASES[name]
    model = MeanRisk(StandardDeviation(), MaxRatio(0.0001), min_weights=-0.5, costs=[cost])
    solved(model, EARNING, previous_weights=HELD, kind="residuals" if name == "own" else "bound")
    mu, ratio, w = EARNING.mean(axis=0), -model.solution_.objective, model.weights_
    assert_allclose(ratio, (mu @ w - 0.0001 - amount(np, w)) / np.std(EARNING @ w, ddof=1), rtol=1e-9)
    assert_allclose(model.score(EARNING), ratio, rtol=1e-9)
    value = least(lambda v: ratio * deviation(EARNING)(v) - mu @ v + 0.0001 + amount(cp, v))
    assert_allclose(value, 0, atol=1e-7 * ratio * np.std(EARNING @ w))


def test_costs_add_up():
    names = ["square", "fees", "l1", "l2"]
    value = least(lambda w: deviation(X)(w) + sum(CASES[name][1](cp, w) for name in names))
    model = MeanRisk(StandardDeviation(), min_weights=-0.5, costs=[CASES[name][0] for name in names])
    solved(model, X, previous_weights=HELD)
    assert_allclose(model.solution_.objective, value, rtol=1e-6)
    assert_allclose(model.cost_, sum(CASES[name][1](np, model.weights_) for name in names), rtol=1e-9)


def test_quadratic_costs_stay_with_the_fast_solver():
    costs = [TransactionCost(0, 1e-4, 2, holding_period=5), ManagementFee(0.1 * FEES), L2(1e-5)]
    fast = solved(MeanRisk(costs=costs), X, previous_weights=HELD)
    general = solved(MeanRisk(costs=costs, solver=Conic()), X, previous_weights=HELD)
    assert fast.solution_.solver == "DenseQP"
    assert_allclose(fast.solution_.objective, general.solution_.objective, rtol=1e-9)


def test_more_trading_than_it_is_worth_is_not_done():
    model = solved(MeanRisk(StandardDeviation(), costs=[TransactionCost(0.1)]), X, previous_weights=HELD)
    assert_allclose(model.weights_, HELD, atol=1e-7)
    assert_allclose(model.solution_.objective, np.std(X @ HELD, ddof=1), rtol=1e-6)


# Costs in a limit on the return.


def test_costs_of_a_limit_count_there_and_nowhere_else():
    limit = MinReturn(0.0003, costs=[TransactionCost(0.0005)])
    model = solved(MeanRisk(StandardDeviation(), constraints=[limit]), X, previous_weights=EQUAL)
    assert model.cost_ == 0
    assert_allclose(model.solution_.objective, np.std(X @ model.weights_, ddof=1), rtol=1e-12)
    # A fee on everything is no more than a higher limit.
    fee = MeanRisk(constraints=[MinReturn(0.0003, costs=[ManagementFee(0.0002)])])
    assert_allclose(solved(fee, X).weights_, MeanRisk(constraints=[MinReturn(0.0005)]).fit(X).weights_, atol=1e-5)


def test_objective_and_limit_count_each_their_own_costs():
    model = MeanRisk(
        objective=MaxReturn(),
        constraints=[Variance() <= 1.5e-4, MinReturn(0.00021, costs=[TransactionCost(0.0008)])],
        costs=[TransactionCost(0.0001)],
    )
    solved(model, X, previous_weights=EQUAL)
    w, mu = cp.Variable(8), X.mean(axis=0)
    traded, most = cp.norm1(w - EQUAL), np.sqrt(1.5e-4)
    limits = [cp.sum(w) == 1, w >= 0, deviation(X)(w) <= most, 1e3 * (mu @ w - 0.0008 * traded) >= 0.21]
    program = cp.Problem(cp.Maximize(1e3 * (mu @ w - 0.0001 * traded)), limits)
    program.solve(solver=cp.CLARABEL, tol_gap_rel=1e-9, tol_gap_abs=1e-9)
    assert_allclose(model.solution_.objective, -program.value / 1e3, rtol=1e-6)
    moved = np.abs(model.weights_ - EQUAL).sum()
    assert_allclose(mu @ model.weights_ - 0.0008 * moved, 0.00021, atol=1e-9)
    assert_allclose(model.cost_, 0.0001 * moved, rtol=1e-9)


@pytest.mark.parametrize("active", [False, True])
def test_unreachable_net_return_is_said(active):
    mu = X.mean(axis=0)
    limit = MinReturn(0.1, costs=[TransactionCost(0.0001)], active=active)
    # The asset of the largest return earns the most: trading costs less than what the others lack.
    most = mu.max() - 0.0001 * np.abs(np.eye(8)[mu.argmax()] - EQUAL).sum() - active * Y.mean()
    with pytest.raises(InfeasibleError, match=r"lower minreturn from 0\.1 to at most") as caught:
        MeanRisk(constraints=[limit]).fit(X, Y, previous_weights=EQUAL)
    needed = {each.name: each.needed for each in caught.value.explanation.conflict}
    assert 0.999 * most <= needed["minreturn"] <= most


# What would change nothing.


def refused(match, model, *data, error=ValueError, **metadata):
    called = AssertionError("a solver was called on bad input")
    with (
        patch.object(DenseQP, "solve", side_effect=called),
        patch.object(Conic, "solve", side_effect=called),
        pytest.raises(error, match=match),
    ):
        model.fit(*data, **metadata)


@pytest.mark.parametrize("estimator", [MeanRisk, MinTrackingError])
@pytest.mark.parametrize(
    "cost", [ManagementFee(0.01), L1(0.01), TransactionCost(), TransactionCost({"x0": 0.0}, [0.0] * 8)], ids=repr
)
def test_a_cost_without_effect_is_an_error(cost, estimator):
    refused(f"{cost.term_name} has no effect", estimator(costs=[cost]), X, Y, previous_weights=HELD)


@pytest.mark.parametrize("cost", [ManagementFee(0.0005), L1(0.0005)], ids=repr)
def test_a_constant_counts_in_a_ratio(cost):
    model = solved(MeanRisk(StandardDeviation(), MaxRatio(), costs=[cost]), EARNING)
    earned, risk = EARNING @ model.weights_ - 0.0005, np.std(EARNING @ model.weights_, ddof=1)
    assert_allclose(-model.solution_.objective, earned.mean() / risk, rtol=1e-9)
    as_rate = solved(MeanRisk(StandardDeviation(), MaxRatio(0.0005)), EARNING)
    assert_allclose(model.solution_.objective, as_rate.solution_.objective, rtol=1e-8)
    nothing = MeanRisk(StandardDeviation(), MaxRatio(), costs=[TransactionCost(0.0)])
    refused("has no effect", nothing, EARNING, previous_weights=HELD)


def test_a_budget_that_is_free_gives_it_an_effect():
    model = MeanRisk(objective=MaxReturn(), budget=(0, 1), costs=[ManagementFee(1.0)]).fit(X)
    assert_allclose(model.weights_, 0, atol=1e-7)


def test_the_sum_of_absolute_weights_has_an_effect_where_some_are_short():
    gross = [
        np.abs(solved(MeanRisk(StandardDeviation(), min_weights=-1, costs=costs), X).weights_).sum()
        for costs in (None, [L1(1e-4)], [L1(1e-2)])
    ]
    assert gross[0] > gross[1] + 0.01 > gross[2] + 0.01
    assert_allclose(gross[2], 1, atol=1e-6)
    # All signs are fixed, but they differ: the sum depends on how much is short.
    sides = {"min_weights": np.repeat([0.0, -1.0], 4), "max_weights": np.repeat([2.0, 0.0], 4)}
    of_two_sides = solved(MeanRisk(Variance(), costs=[L1(1e-5)], **sides), X)
    assert of_two_sides.cost_ < MeanRisk(Variance(), **sides).fit(X).weights_ @ np.repeat([1e-5, -1e-5], 4)
    all_short = MeanRisk(Variance(), budget=-1, min_weights=-1, max_weights=0, costs=[L1(1e-5)])
    refused("l1 has no effect", all_short, X)


@pytest.mark.parametrize("held", [np.zeros(8), np.ones(8)], ids=["from cash", "all are sold"])
def test_trades_that_cost_the_same_whatever_is_kept_count(held):
    model = solved(MeanRisk(Variance(), costs=[TransactionCost(0.001)]), X, previous_weights=held)
    assert_allclose(model.weights_, MeanRisk(Variance()).fit(X).weights_, atol=1e-6)
    assert_allclose(model.cost_, 0.001 * np.abs(model.weights_ - held).sum())
    unequal = solved(MeanRisk(Variance(), costs=[TransactionCost({"x0": 0.01})]), X, previous_weights=np.ones(8))
    assert unequal.weights_[0] > MeanRisk(Variance()).fit(X).weights_[0] + 0.01


# What makes no sense.


@pytest.mark.parametrize(
    ("cost", "match"),
    [
        (TransactionCost(-0.1), "at least 0"),
        (TransactionCost(np.inf), "finite"),
        (TransactionCost(0.1, [0.0, -1, 0, 0, 0, 0, 0, 0]), "impact of 'x1' is -1; .* at least 0"),
        (TransactionCost(0.1, exponent=3), "1.5 or 2"),
        (TransactionCost(0.1, holding_period=0), "positive"),
        (TransactionCost(0.1, holding_period=np.inf), "positive, got inf"),
        (TransactionCost(0.1, holding_period=[1, 2]), "one number"),
        (TransactionCost({"x9": 0.1}), "x9"),
        (ManagementFee([0.1]), "8 assets"),
        (ManagementFee({"x0": -0.1, "x3": np.inf}), "fee of 'x3' is inf; give finite numbers"),
        (L1(-1), "positive number"),
        (L1(0), "positive number"),
        (L1([1, 2]), "one number"),
        (L2("much"), "one number"),
        (L2(np.nan), "NaN"),
    ],
    ids=repr,
)
def test_costs_that_make_no_sense(cost, match):
    refused(match, MeanRisk(costs=[cost]), X, previous_weights=HELD)


def test_what_is_missing_or_wrong_is_said():
    refused("TransactionCost needs the previous weights", MeanRisk(costs=[TransactionCost(0.1)]), X)
    refused("function of the weights", MeanRisk(costs=[CustomCost(3)]), X, error=TypeError)
    with pytest.raises(ValueError, match="not convex"):
        MeanRisk(costs=[CustomCost(lambda w: -cp.sum_squares(w))]).fit(X)


def test_nested_names():
    model = MeanRisk(costs=[TransactionCost(0.1), ("herfindahl", L2(0.1))])
    model.set_params(costs__transactioncost__rate=0.2, costs__herfindahl__coefficient=0.3)
    assert model.costs[0].rate == 0.2
    assert model.costs[1][1].coefficient == 0.3

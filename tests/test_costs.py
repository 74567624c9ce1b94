"""Costs: what they add, under every objective, and those that would change nothing."""

import cvxpy as cp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from trackfolio import MeanRisk, MinTrackingError
from trackfolio.costs import L1, L2, CustomCost, ManagementFee, TransactionCost
from trackfolio.objectives import MaxReturn, MaxUtility, MinRisk
from trackfolio.risks import StandardDeviation

from .conftest import simulate

X, Y = simulate()
HELD = np.eye(8)[2] * 0.5 + 0.0625
FEES = np.linspace(0, 0.001, 8)

CASES = {
    "rate": (TransactionCost(0.001), lambda w: 0.001 * cp.norm1(w - HELD)),
    "held longer": (TransactionCost(0.001, holding_period=21), lambda w: 0.001 * cp.norm1(w - HELD) / 21),
    "impact": (TransactionCost(0, 0.002), lambda w: 0.002 * cp.sum(cp.power(cp.abs(w - HELD), 1.5))),
    "square": (
        TransactionCost(0.0005, 0.002, 2),
        lambda w: 0.0005 * cp.norm1(w - HELD) + 0.002 * cp.sum_squares(w - HELD),
    ),
    "fees": (ManagementFee(FEES), lambda w: FEES @ w),
    "l1": (L1(0.001), lambda w: 0.001 * cp.norm1(w)),
    "l2": (L2(0.001), lambda w: 0.001 * cp.sum_squares(w)),
    "own": (CustomCost(lambda w: 0.001 * cp.max(w)), lambda w: 0.001 * cp.max(w)),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("objective", [None, MinRisk(), MaxReturn(), MaxUtility(0.5)], ids=repr)
def test_objective_with_costs_is_that_of_the_textbook(name, objective):
    cost, expression = CASES[name]
    tracking = objective is None
    returns = X - Y[:, None] if tracking else X
    centred, mu = (returns - returns.mean(axis=0)) / np.sqrt(len(X) - 1), X.mean(axis=0)
    of_risk, of_return = (1.0, 0.0) if tracking else (objective.risk_weight, objective.return_weight)
    w = cp.Variable(8)
    total = of_risk * cp.norm(centred @ w) - of_return * mu @ w + expression(w)
    program = cp.Problem(cp.Minimize(100 * total), [cp.sum(w) == 1, w >= -0.5, w <= 1])
    program.solve(solver=cp.CLARABEL, tol_gap_rel=1e-9, tol_gap_abs=1e-9)
    model = MinTrackingError(StandardDeviation()) if tracking else MeanRisk(StandardDeviation(), objective)
    model.set_params(min_weights=-0.5, costs=[cost]).fit(X, Y, previous_weights=HELD)
    assert model.solution_.status == "optimal"
    assert model.solution_.certificate.kind == ("residuals" if name == "own" else "bound")
    assert_allclose(model.solution_.objective, program.value / 100, rtol=1e-6, atol=1e-9)
    assert_allclose(model.cost_, expression(cp.Constant(model.weights_)).value, rtol=1e-9)


@pytest.mark.parametrize(
    "cost", [ManagementFee(0.01), L1(0.01), TransactionCost(), TransactionCost(0.0, 0.0)], ids=repr
)
def test_a_cost_without_effect_is_an_error(cost):
    with pytest.raises(ValueError, match="has no effect"):
        MeanRisk(costs=[cost]).fit(X, previous_weights=HELD)


def test_a_budget_that_is_free_gives_it_an_effect():
    model = MeanRisk(objective=MaxReturn(), budget=(0, 1), costs=[ManagementFee(1.0)]).fit(X)
    assert_allclose(model.weights_, 0, atol=1e-7)


@pytest.mark.parametrize(
    ("cost", "match"),
    [
        (TransactionCost(-0.1), "at least 0"),
        (TransactionCost(np.inf), "finite"),
        (TransactionCost(0.1, exponent=3), "1.5 or 2"),
        (TransactionCost(0.1, holding_period=0), "positive"),
        (TransactionCost({"x9": 0.1}), "x9"),
        (ManagementFee([0.1]), "8 assets"),
        (L1(-1), "positive number"),
        (L2("much"), "one number"),
        (L2(np.nan), "NaN"),
    ],
    ids=repr,
)
def test_costs_that_make_no_sense(cost, match):
    with pytest.raises(ValueError, match=match):
        MeanRisk(costs=[cost]).fit(X, previous_weights=HELD)


def test_what_is_missing_or_wrong_is_said():
    with pytest.raises(ValueError, match="TransactionCost needs the previous weights"):
        MeanRisk(costs=[TransactionCost(0.1)]).fit(X)
    with pytest.raises(TypeError, match="function of the weights"):
        MeanRisk(costs=[CustomCost(3)]).fit(X)
    with pytest.raises(ValueError, match="not convex"):
        MeanRisk(costs=[CustomCost(lambda w: -cp.sum_squares(w))]).fit(X)


def test_nested_names():
    model = MeanRisk(costs=[TransactionCost(0.1), ("herfindahl", L2(0.1))])
    model.set_params(costs__transactioncost__rate=0.2, costs__herfindahl__coefficient=0.3)
    assert model.costs[0].rate == 0.2
    assert model.costs[1][1].coefficient == 0.3

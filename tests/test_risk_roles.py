"""What solvers and proofs take of each risk, against the risk's own value: no solver of a portfolio takes part.

The values themselves are compared with their formulas in test_risks.py.
"""

import cvxpy as cp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from trackfolio._terms import offers
from trackfolio.risks import (
    AverageDrawdown,
    CDaR,
    CVaR,
    EDaR,
    EVaR,
    GiniMeanDifference,
    Huber,
    LowerPartialMoment,
    MaxDrawdown,
    MeanAbsoluteDeviation,
    RootMeanSquare,
    SemiDeviation,
    SemiVariance,
    StandardDeviation,
    UlcerIndex,
    Variance,
    WorstRealization,
)
from trackfolio.risks._calls import call_weighted, evaluated
from trackfolio.risks._quadratic import MeanSquare
from trackfolio.testing import _of_shape

RISKS = [
    RootMeanSquare(),
    MeanSquare(),
    Variance(),
    StandardDeviation(),
    SemiVariance(),
    SemiVariance(0.2),
    SemiDeviation(),
    SemiDeviation(0.2),
    MeanAbsoluteDeviation(),
    LowerPartialMoment(1, 0.2),
    LowerPartialMoment(2, 0.2),
    Huber(0.8),
    WorstRealization(),
    CVaR(0.8),
    CVaR(0.55),
    EVaR(0.7),
    MaxDrawdown(),
    AverageDrawdown(),
    CDaR(0.7),
    EDaR(0.7),
    UlcerIndex(),
    GiniMeanDifference(),
]
R = np.random.default_rng(7).normal(0.1, 1.0, 11)
# Some periods are not there at all, others twice.
REPEATS = np.array([0.0, 1.0, 2.0, 1.0, 0.0, 3.0, 1.0, 1.0, 2.0, 1.0, 0.0])
UNEVEN = np.array([0.05, 1.0, 2.5, 0.3, 0.0, 3.0, 1.0, 0.1, 2.0, 1.0, 0.7])
CASES = [
    pytest.param(risk, s, id=f"{risk!r} {name}")
    for risk in RISKS
    for name, s in {"plain": None, "repeated": REPEATS, "uneven": UNEVEN}.items()
    if s is None or not risk.of_path
]
WITH_SUPPORT = [case for case in CASES if offers(case.values[0], "support")]
WITH_SHAPE = [case for case in CASES if offers(case.values[0], "shape")]


def gradient(risk, r, s):
    """Slope of the value by central differences: where all returns differ, there are no kinks nearby."""
    steps = 1e-6 * np.eye(len(r))
    return np.array([of(risk, r + step, s) - of(risk, r - step, s) for step in steps]) / 2e-6


def of(risk, r, s):
    return call_weighted(risk.value, r, s)


@pytest.mark.parametrize(("risk", "s"), CASES)
def test_expression_is_the_value(risk, s):
    written = call_weighted(risk.expression, cp.Constant(R), s)
    assert_allclose(evaluated(written), of(risk, R, s), rtol=1e-6)


@pytest.mark.parametrize(("risk", "s"), WITH_SHAPE)
def test_shape_is_the_value(risk, s):
    shape = risk.shape(len(R)) if s is None else risk.shape(len(R), s)
    assert_allclose(_of_shape(shape, R), of(risk, R, s), rtol=1e-12)
    if s is not None and shape.of == "returns":
        assert (shape.lower[s == 0] == shape.upper[s == 0]).all()  # periods that are not there do not count


@pytest.mark.parametrize(("risk", "s"), WITH_SUPPORT)
def test_support_by_the_right_slope_touches_the_risk(risk, s):
    right = gradient(risk, R, s)
    slope, constant = call_weighted(risk.support, right, s)
    assert_allclose(slope, right, atol=1e-6)
    assert_allclose(slope @ R + constant, of(risk, R, s), rtol=1e-6)
    # Nearly right ones come near: no more than a linear loss.
    for share in (0.99, 1.01):
        slope, constant = call_weighted(risk.support, share * right, s)
        assert slope @ R + constant >= of(risk, R, s) - 0.02 * np.abs(right) @ np.abs(R)


@pytest.mark.parametrize(("risk", "s"), WITH_SUPPORT)
@pytest.mark.parametrize("size", [1e-3, 1.05, 30.0])
def test_support_is_nowhere_above_the_risk(risk, s, size):
    rng = np.random.default_rng(0)
    for pull in (size * gradient(risk, R, s), *(size * rng.standard_normal((8, len(R)))), np.zeros(len(R))):
        slope, constant = call_weighted(risk.support, pull, s)
        outward = [
            big * direction for direction in (slope, -slope, *np.eye(len(R)), *-np.eye(len(R))) for big in (1, 9)
        ]
        for r in (R, *outward, *rng.standard_normal((20, len(R))), *rng.standard_t(2, (5, len(R))).cumsum(axis=0)):
            assert slope @ r + constant <= of(risk, r, s) + 1e-9 * (1 + np.abs(slope) @ np.abs(r))


@pytest.mark.parametrize("n", [2, 3, 4, 5, 7, 8, 9, 16, 17])
def test_sorting_network_of_any_size_sorts(n):
    r = np.random.default_rng(n).standard_normal(n)
    pairs = [abs(a - b) for a in r for b in r]
    found = evaluated(GiniMeanDifference().expression(cp.Constant(r)))
    assert_allclose(found, sum(pairs) / (n * (n - 1)), rtol=1e-6)


def test_network_of_two_layers_for_three_wires():
    """Batcher's network for 4 wires has 5 comparisons, for 8 wires 19: no more variables than that."""
    from trackfolio.risks._gini import _Network

    assert [_Network(n).n_values for n in (4, 8, 16)] == [4 + 2 * 5, 8 + 2 * 19, 16 + 2 * 63]


@pytest.mark.parametrize("risk", RISKS, ids=repr)
def test_values_are_in_double_precision(risk):
    for r in ((1000 * R).astype(np.int16), R.astype(np.float32)):
        assert risk.value(r) == risk.value(r.astype(np.float64))
    if not risk.of_path:
        s = (REPEATS / 3 + 1).astype(np.float32)
        assert risk.value(R, s) == risk.value(R, s.astype(np.float64))


@pytest.mark.parametrize("s", [[1.0, 2.0], [-1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [np.nan, 1.0, 1.0]])
def test_weights_of_periods_that_make_no_sense(s):
    with pytest.raises(ValueError, match="must give 3 numbers of at least 0, not all of them 0"):
        CVaR(0.5).value([0.1, 0.2, 0.3], s)


def test_the_place_of_what_is_not_finite_is_said():
    with pytest.raises(ValueError, match="that of period 2 is not"):
        CVaR(0.5).value([0.1, 0.2, np.inf, np.nan])
    with pytest.raises(ValueError, match=r"one period, got an array of shape \(0,\)"):
        CVaR(0.5).value([])


def test_a_shift_of_all_returns_has_no_price():
    """What all periods have in common moves the mean alone."""
    share = REPEATS / REPEATS.sum()
    for risk in (MeanAbsoluteDeviation(), GiniMeanDifference(), SemiDeviation(), SemiVariance()):
        right = gradient(risk, R, REPEATS)
        slope, constant = risk.support(right - 5 * share, REPEATS)
        assert_allclose(slope, right, atol=1e-6)
        assert_allclose(constant, risk.support(right, REPEATS)[1], atol=1e-9)


def test_one_period_repeated_has_no_differences():
    slope, constant = GiniMeanDifference().support(np.array([0.3, 0.2, 0.1]), np.array([0.0, 3.0, 0.0]))
    assert_allclose(slope, 0, atol=1e-15)
    assert constant == 0


def test_levels_targets_and_orders_that_are_not_given():
    for risk in (CVaR, EVaR, CDaR, EDaR):
        assert risk().value(R) == risk(0.95).value(R)
    assert LowerPartialMoment().value(R) == LowerPartialMoment(1, 0.0).value(R)


def test_ties_of_the_worst_periods():
    """Where the worst periods have a share of the tail or more, all entropic weight is on them."""
    assert_allclose(EVaR(0.75).value([-2.0, -2.0, 1.0, 3.0]), 2.0, rtol=1e-12)
    assert_allclose(EVaR(0.5).value([-2.0, -2.0, 1.0, 3.0]), 2.0, rtol=1e-12)
    assert EVaR(0.4).value([-2.0, -2.0, 1.0, 3.0]) < 2.0

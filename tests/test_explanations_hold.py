"""What an explanation says, tried: with a change the general solver finds a portfolio, with a hundredth less none."""

import dataclasses
import re
import warnings

import cvxpy as cp
import numpy as np
import pytest
from sklearn.base import clone

from trackfolio import MeanRisk, MinTrackingError
from trackfolio.constraints import (
    AbsoluteSum,
    BetaBounds,
    ConditionalBudget,
    Constraint,
    Exposure,
    GroupBounds,
    GroupCardinality,
    GroupRatio,
    Limit,
    LinearConstraint,
    MaxLeverage,
    MaxTrades,
    MaxTurnover,
    MinReturn,
    RiskLimit,
    Rows,
)
from trackfolio.costs import CustomCost, TransactionCost
from trackfolio.diagnosis import diagnose
from trackfolio.exceptions import InfeasibleError
from trackfolio.risks import CVaR, MeanAbsoluteDeviation, Risk, RootMeanSquare, StandardDeviation
from trackfolio.solvers import Conic, MixedInteger

N = 8
EQUAL = np.full(N, 1 / N)
VALUES = np.arange(float(N))
HALVES = ["a"] * 4 + ["b"] * 4


def market():
    rng = np.random.default_rng(3)
    X = 0.01 * rng.normal(size=(120, N)) @ np.diag(np.geomspace(1.5, 0.3, N)) + 0.008 * rng.normal(size=(120, 1))
    return X + 0.0003, X @ rng.dirichlet(np.ones(N)) + 0.001 * rng.normal(size=120)


X, Y = market()
NEAREST = MinTrackingError().fit(X, Y).solution_.objective
CLOSE = 0.5 * (
    NEAREST + MinTrackingError(constraints=[MaxTurnover(0.02)]).fit(X, Y, previous_weights=EQUAL).solution_.objective
)
GAIN = float(np.sort(X.mean(axis=0))[-3:].mean())


class Turnover(Constraint):
    """Half of the sum of what is traded, written with any coefficient."""

    def __init__(self, limit, coefficient=1.0):
        self.limit = limit
        self.coefficient = coefficient

    def limits(self, problem):
        price = np.full(N, 0.5 / self.coefficient)
        return [Limit([(self.coefficient, AbsoluteSum(price, price, EQUAL))], self.limit)]


class Shortfall(Risk):
    """Mean of the losses, of which nothing is known but value and expression."""

    def value(self, returns):
        return float(np.mean(np.maximum(-returns, 0)))

    def expression(self, returns):
        return cp.sum(cp.pos(-returns)) / returns.shape[0]


def changed(model, way, share):
    """The model with a share of a change."""
    value = way.needed if share == 1 else way.limit + share * way.change
    if isinstance(way.change, int):
        value = way.needed if share == 1 else way.needed - int(np.sign(way.change))
    if way.name in model.get_params():
        return clone(model).set_params(**{way.name: value})
    key = f"constraints__{way.name}__{way.side or 'limit'}"
    if way.label is not None:
        value = {**model.get_params()[key], way.label: value}
    return clone(model).set_params(**{key: value})


def fits(model, **fit):
    problem = model.make_problem(X, Y, **fit)
    solver = MixedInteger() if problem.is_discrete else Conic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model.set_params(solver=solver).fit(X, Y, **fit)
        except InfeasibleError:
            return False
    return True


FREE = {"min_weights": None, "max_weights": None}
CASES = {
    "an equality": MeanRisk(CVaR(), max_tracking_error=1.2 * NEAREST, constraints=[Exposure(VALUES, 6.5, 6.5)]),
    "betas": MeanRisk(CVaR(), max_tracking_error=1.2 * NEAREST, constraints=[BetaBounds(1.3, 1.4)]),
    "short positions": MeanRisk(
        CVaR(), max_tracking_error=0.9 * NEAREST, constraints=[MaxLeverage(gross=1.1, short=0.02)], **FREE
    ),
    "short positions and an exposure": MeanRisk(
        CVaR(), constraints=[MaxLeverage(long=1.1, short=0.05), Exposure(VALUES, 9.0)], **FREE
    ),
    "three risks": MeanRisk(
        CVaR(),
        constraints=[
            ("rms", RiskLimit(RootMeanSquare(), 1.5 * NEAREST, active=True)),
            ("deviation", RiskLimit(StandardDeviation(), 1.3 * NEAREST, active=True)),
            MinReturn(0.9 * float(X.mean(axis=0).max())),
        ],
    ),
    "net active returns": MeanRisk(
        CVaR(),
        max_tracking_error=3 * NEAREST,
        constraints=[MinReturn(5e-4, active=True, costs=[TransactionCost(0.001)])],
    ),
    "a cost of one's own": MeanRisk(
        CVaR(),
        max_weights=0.2,
        constraints=[MinReturn(GAIN, costs=[CustomCost(lambda w: 1e-4 * cp.sum_squares(w - EQUAL))])],
    ),
    "a risk of one's own": MeanRisk(max_weights=0.15, constraints=[("shortfall", Shortfall() <= 0.00304)]),
    "half a sum": MeanRisk(CVaR(), max_tracking_error=CLOSE, constraints=[Turnover(0.02, 0.5)]),
    "twice a sum": MeanRisk(CVaR(), max_tracking_error=CLOSE, constraints=[Turnover(0.02, 2.0)]),
    "twenty times a sum": MeanRisk(max_tracking_error=CLOSE, max_weights=0.25, constraints=[Turnover(0.02, 20.0)]),
    "bounds that turnover ends": MinTrackingError(cardinality=7, max_weights=0.13, constraints=[MaxTurnover(0.25)]),
    "few names near an index": MeanRisk(cardinality=3, max_tracking_error=0.5 * NEAREST),
    "few names and turnover": MinTrackingError(cardinality=3, max_weights=0.3, constraints=[MaxTurnover(0.5)]),
    "few names, short": MinTrackingError(
        cardinality=3, min_weights=-0.5, max_weights=0.5, constraints=[Exposure(VALUES, 8.0)]
    ),
    "few trades": MinTrackingError(constraints=[Exposure(VALUES, lower=4.5), MaxTrades(2)], max_weights=0.3),
    "few trades of what is too much": MeanRisk(max_weights=0.1, constraints=[MaxTrades(3)]),
    "a conditional budget": MinTrackingError(max_weights=0.12, constraints=[ConditionalBudget(0.1, 0.2)]),
    "groups with an apostrophe": MinTrackingError(
        constraints=[GroupCardinality(["it's"] * 4 + ["b"] * 4, most={"it's": 1, "b": 1})], max_weights=0.3
    ),
}


@pytest.mark.filterwarnings("ignore::trackfolio.exceptions.TrackfolioWarning")
@pytest.mark.parametrize("model", CASES.values(), ids=CASES)
def test_each_change_is_enough_and_needed(model):
    fit = {"previous_weights": EQUAL}
    found = diagnose(model, X, Y, **fit)
    assert found.is_feasible is False
    assert found.remedies
    for way in found.remedies:
        assert way.limit is not None
        assert fits(changed(model, way, 1.0), **fit), way
        assert not fits(changed(model, way, 0.99), **fit), way
    for each in found.conflict:
        assert each.change is not None or each.reason.startswith("no value"), each
        if each.change is None and each.limit is not None and not each.side:
            for more in (0.1, 0.5, 1.0):
                tried = dataclasses.replace(each, change=more * (-1) ** (each.name == "min_weights"))
                assert not fits(changed(model, tried, 0.99), **fit), (each, more)


@pytest.mark.filterwarnings("ignore::trackfolio.exceptions.TrackfolioWarning")
def test_bounds_without_multipliers_are_not_acquitted():
    for name in ("a risk of one's own", "a cost of one's own"):
        assert "max_weights" in diagnose(CASES[name], X, Y).names


@pytest.mark.parametrize("name", ["rows", "give", "weights", "cardinality", "min_position", "held", "turn_0"])
def test_what_limits_are_called_changes_nothing(name):
    def said(name):
        near = MeanRisk(
            CVaR(), max_tracking_error=CLOSE, max_weights=0.5, constraints=[(name, MaxTurnover(0.02)), MaxLeverage(1.0)]
        )
        few = MinTrackingError(constraints=[(name, Exposure(VALUES, lower=4.5)), MaxTrades(2)], max_weights=0.3)
        found = [diagnose(model, X, Y, previous_weights=EQUAL) for model in (near, few)]
        assert [one.is_feasible for one in found] == [False, False]
        return [re.sub(rf"\b{name}\b", "it", str(one)) for one in found]

    assert said(name) == said("mt")


class Cap(Constraint):
    """Bounds of some assets, whose parameter has another shape than its rows."""

    def __init__(self, limit):
        self.limit = limit

    def rows(self, problem):
        A = np.zeros((len(self.limit), N))
        for k, name in enumerate(self.limit):
            A[k, problem.names.index(name)] = 1
        return Rows(A, -np.inf, np.array(list(self.limit.values())))


class Twice(Constraint):
    """Each number is the bound of two assets."""

    def __init__(self, upper):
        self.upper = upper

    def rows(self, problem):
        return Rows(np.eye(N)[:4], -np.inf, np.repeat(self.upper, 2))


@pytest.mark.parametrize("term", [Cap({"x1": 0.1, "x2": 0.1}), Twice([0.1, 0.2])], ids=["keys", "repeated"])
def test_parameters_of_ones_own_may_have_any_shape(term):
    assert diagnose(MinTrackingError(constraints=[term]), X, Y).is_feasible
    with pytest.raises(InfeasibleError) as caught:
        MeanRisk(CVaR(), max_tracking_error=0.9 * NEAREST, constraints=[term]).fit(X, Y)
    assert caught.value.explanation.names == ["max_tracking_error"]


def test_rows_of_another_shape_are_named():
    model = MinTrackingError(constraints=[LinearConstraint(np.eye(N)[:3], upper=[0.4])])
    for ask in (diagnose, lambda model, *data: model.fit(*data)):
        with pytest.raises(ValueError, match="linearconstraint"):
            ask(model, X, Y)


def test_bounds_of_ones_own_are_not_cut_off():
    wide = {"cardinality": 2, "min_weights": -20, "constraints": [Exposure(VALUES, 100.0)]}
    assert diagnose(MinTrackingError(max_weights=20, **wide), X, Y).is_feasible
    found = diagnose(MinTrackingError(max_weights=5, **wide), X, Y)
    values = {each.what: each for each in found.conflict}
    assert values["max_weights"].needed == pytest.approx(100 / 7, rel=0.01)  # all of it in the last, short of the first


def test_ratios_of_short_positions_have_a_reason():
    ratio, group = GroupRatio(HALVES, "a", "b", upper=0.5), GroupBounds(HALVES, lower={"a": 1.2})
    found = diagnose(MinTrackingError(min_weights=-1, max_weights=1, constraints=[ratio, group]), X, Y)
    assert all(each.reason or each.change is not None for each in found.conflict)


def test_bounds_that_are_infinite_in_part_are_explained_without_a_warning():
    upper = np.where(np.arange(N) == 3, np.inf, 0.11)
    model = MeanRisk(max_tracking_error=0.8 * NEAREST + 0.2 * CLOSE, min_weights=None, max_weights=upper)
    assert diagnose(model, X, Y).is_feasible is False


@pytest.mark.filterwarnings("ignore::trackfolio.exceptions.TrackfolioWarning")
def test_a_diagnosis_that_fails_leaves_the_fit_to_other_solvers(monkeypatch):
    from trackfolio import solvers

    def broken(*_):
        raise RuntimeError("no idea")

    monkeypatch.setattr(solvers, "contradiction", broken)
    with pytest.raises(InfeasibleError):
        MeanRisk(MeanAbsoluteDeviation(), max_tracking_error=0.5 * NEAREST).fit(X, Y)

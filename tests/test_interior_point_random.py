"""The interior-point method against cvxpy and Clarabel on random problems with all kinds of terms."""

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from trackfolio import MeanRisk, MinTrackingError
from trackfolio.constraints import (
    Exposure,
    GroupBounds,
    MaxActiveShare,
    MaxLeverage,
    MaxTurnover,
    MinReturn,
    RiskLimit,
)
from trackfolio.costs import L1, L2, ManagementFee, TransactionCost
from trackfolio.objectives import MaxReturn, MaxUtility, MinRisk
from trackfolio.risks import Huber, RootMeanSquare
from trackfolio.solvers import Conic, InteriorPoint, find

from .conftest import find_by, simulate
from .test_interior_point import RISKS

EXAMPLES = 29  # for each of 18 risks: 522 in all
LIMITABLE = [risk for risk in RISKS if not isinstance(risk, Huber)]


@st.composite
def problems(draw, risk):
    """A problem with terms drawn at random; limits are those of equal weights, or a little wider."""
    seed = draw(st.integers(0, 2**20))
    n, periods = draw(st.integers(3, 8)), draw(st.sampled_from([12, 40, 70]))
    X, y = simulate(n, periods, seed)
    y = draw(st.sampled_from([1.0, 3.0])) * y  # the larger returns, of assets or benchmark, are the unit
    equal, held = np.full(n, 1 / n), np.random.default_rng(seed).dirichlet(np.ones(n))
    slack, distance = draw(st.sampled_from([1.3, 1.01, 1.0])), 0.5 * float(np.abs(equal - held).sum())

    def limit(active):
        limited = draw(st.sampled_from(LIMITABLE))
        most = limited.value(X @ equal - active * y)
        return RiskLimit(limited, most + (slack - 1) * abs(most) + 1e-9, active=active)

    constraints = {
        "exposure": lambda: Exposure(np.arange(n), lower=0.1, upper=(n - 1) / 2),
        "turnover": lambda: MaxTurnover(distance * slack + 1e-9),
        "share": lambda: MaxActiveShare(distance * slack + 1e-9),
        "groups": lambda: GroupBounds(
            {f"x{i}": "a" if i < n // 2 else "b" for i in range(n)}, lower={"a": 0.1}, upper={"b": 0.9}
        ),
        "gain": lambda: MinReturn(float(X.mean(axis=0) @ equal) - 1e-6),
        "risk": lambda: limit(False),
        "active": lambda: limit(True),
    }
    costs = {
        "ridge": L2(1e-3),
        "trade": TransactionCost(rate=5e-4),
        "fee": ManagementFee(1e-4 * np.arange(n)),
    }
    short = draw(st.booleans())
    if short:
        constraints["leverage"], costs["lasso"] = lambda: MaxLeverage(1.5), L1(1e-4)
    chosen = draw(st.lists(st.sampled_from(sorted(constraints)), unique=True, max_size=4))
    paid = draw(st.lists(st.sampled_from(sorted(costs)), unique=True, max_size=2))
    terms = {
        "constraints": [(name, constraints[name]()) for name in chosen],
        "costs": [costs[name] for name in paid],
        "min_weights": -0.3 if short else 0.0,
        "max_weights": draw(st.sampled_from([0.6, 1.0])),
        "benchmark_weights": held,
    }
    if draw(st.booleans()):
        model = MinTrackingError(risk, **terms)
    else:
        goal = draw(st.sampled_from([MinRisk(), MaxReturn(), MaxUtility(3.0)]))
        limits = [None, slack * RootMeanSquare().value(X @ equal - y) + 1e-9]
        model = MeanRisk(risk, goal, max_tracking_error=draw(st.sampled_from(limits)), **terms)
        model.set_params(tracking_penalty=draw(st.sampled_from([None, 2.0])))
    paths = [risk, *(getattr(term, "risk", None) for _, term in terms["constraints"])]
    weights = None
    if draw(st.booleans()) and not any(getattr(each, "of_path", False) for each in paths):
        weights = np.random.default_rng(seed).integers(0, 3, periods).astype(float)
    return model.make_problem(X, y, previous_weights=held, sample_weight=weights)


@pytest.mark.parametrize("risk", RISKS, ids=repr)
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_agrees_with_clarabel(risk, data):
    """Where Clarabel stops short of a proof, ours must not be above its value."""
    problem = data.draw(problems(risk))
    if InteriorPoint().lacking(problem):
        return  # an impact of squares within a limit, say
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, _ = find_by(problem, Conic())
        ours, _ = find_by(problem, InteriorPoint())
    assert (ours is None) == (theirs is None)
    if ours is None:
        return
    scale = max(abs(theirs.objective), problem.scale)
    if ours.status != "optimal":
        # A feasible set that is hardly wider than a point: the solution is near, and the next solver takes over.
        assert ours.gap <= 1e-6, ours
        taken_over, reasons = find(problem)
        assert (taken_over.status, len(reasons)) == ("optimal", 1)
        return
    assert ours.primal_violation <= 1e-8
    assert ours.objective <= theirs.objective + 1e-7 * scale, (ours, theirs)
    if theirs.status == "optimal":
        assert_allclose(ours.objective, theirs.objective, atol=1e-7 * scale)

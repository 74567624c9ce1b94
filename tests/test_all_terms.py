"""Properties over all risks, limits, objectives and both estimators: nothing feasible is better, and limits hold."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import trackfolio.risks
from trackfolio import MeanRisk, MinTrackingError
from trackfolio.constraints import Exposure, MaxTurnover, RiskLimit
from trackfolio.costs import L2, TransactionCost
from trackfolio.exceptions import AccuracyWarning
from trackfolio.objectives import MaxReturn, MaxUtility, MinRisk
from trackfolio.risks import Huber, LowerPartialMoment, Risk

from .conftest import simulate

SPECIAL = {Huber: [Huber(0.01)], LowerPartialMoment: [LowerPartialMoment(), LowerPartialMoment(2, 0.001)]}
CLASSES = [getattr(trackfolio.risks, name) for name in trackfolio.risks.__all__]
RISKS = [risk for cls in CLASSES if cls is not Risk for risk in SPECIAL.get(cls) or [cls()]]
PREVIOUS = np.full(6, 1 / 6)


def mixtures(w, rng):
    """Weights that are feasible where a convex set holds w and the previous weights."""
    others = rng.dirichlet(np.ones(6), 200)
    shares = rng.uniform(0, 1, (200, 1)) ** 4
    return np.vstack([others, (1 - shares) * w + shares * others, (1 - shares) * w + shares * PREVIOUS])


@pytest.mark.parametrize("risk", RISKS, ids=lambda r: f"{r.term_name}{getattr(r, 'order', '')}")
@settings(max_examples=3, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 1000),
    estimator=st.sampled_from([MinTrackingError, MeanRisk]),
    limited=st.lists(st.sampled_from(["exposure", "turnover", "risk", "active"]), unique=True),
    costly=st.booleans(),
    objective=st.sampled_from([MinRisk(), MaxReturn(), MaxUtility(0.5)]),
)
def test_no_feasible_portfolio_is_better_and_limits_hold_on_the_data(risk, seed, estimator, limited, costly, objective):
    X, y = simulate(6, 80, seed)
    of_equal = risk.value(X @ PREVIOUS), risk.value(X @ PREVIOUS - y)
    limits = {
        "exposure": Exposure(np.arange(6.0), 2.0, 3.0),
        "turnover": MaxTurnover(0.3),
        "risk": risk <= of_equal[0] + 1e-6,
        "active": RiskLimit(risk, of_equal[1] + 1e-6, active=True),
    }
    parameters = {"objective": objective} if estimator is MeanRisk else {}
    model = estimator(
        risk,
        constraints=[(name, limits[name]) for name in limited],
        costs=[TransactionCost(1e-4), L2(1e-4)] if costly else None,
        **parameters,
    )
    model.fit(X, y, previous_weights=PREVIOUS)
    problem = model.make_problem(X, y, previous_weights=PREVIOUS)
    w, solution = model.weights_, model.solution_
    assert solution.status == "optimal", solution
    assert solution.certificate.kind == "bound"
    assert problem.violation(w) <= 1e-8
    # The limits once more, by plain numpy.
    assert_allclose(w.sum(), 1, atol=1e-9)
    assert w.min() >= -1e-9
    if "turnover" in limited:
        assert np.abs(w - PREVIOUS).sum() / 2 <= 0.3 + 1e-9
    if "risk" in limited:
        assert risk.value(X @ w) <= of_equal[0] + 1e-6 + 1e-8
    if "active" in limited:
        assert risk.value(X @ w - y) <= of_equal[1] + 1e-6 + 1e-8
    for other in mixtures(w, np.random.default_rng(seed)):
        if problem.violation(other) <= 0:
            assert problem.value(other) >= solution.lower_bound - 1e-12
            assert problem.value(other) >= solution.objective - 1e-8 * problem.scale


@pytest.mark.parametrize("risk", RISKS, ids=lambda r: f"{r.term_name}{getattr(r, 'order', '')}")
def test_wrong_multipliers_never_give_a_false_bound(risk):
    """Whatever the solver says of the periods, the proof stays true."""
    import dataclasses

    from trackfolio.certificate import certify
    from trackfolio.solvers import Conic, solve

    X, y = simulate(6, 80, 1)
    model = MeanRisk(risk, constraints=[RiskLimit(risk, risk.value(X @ PREVIOUS - y), active=True)])
    problem = model.make_problem(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AccuracyWarning)
        solution = solve(problem, Conic())
    rng = np.random.default_rng(0)
    for spread in (1e-6, 1e-3, 1.0, 1e3):
        for _ in range(5):
            wrong = dataclasses.replace(
                solution,
                weights=solution.weights + spread * rng.standard_normal(6),
                row_duals=solution.row_duals + spread * problem.scale * rng.standard_normal(1),
                limit_duals={
                    n: [d + spread * rng.standard_normal() for d in v] for n, v in solution.limit_duals.items()
                },
                pulls={
                    n: [None if p is None else p + spread * rng.standard_normal(len(p)) for p in v]
                    for n, v in solution.pulls.items()
                },
            )
            assert certify(problem, wrong).lower_bound <= solution.objective + 1e-9 * problem.scale

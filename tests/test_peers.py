"""The same problems as a peer solves them, and cases in which peers silently err."""

import warnings

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.decomposition import FactorAnalysis

from trackfolio import MeanRisk, MinTrackingError
from trackfolio.constraints import MaxTurnover, RiskLimit
from trackfolio.costs import TransactionCost
from trackfolio.datasets import load_sp500
from trackfolio.exceptions import AccuracyWarning
from trackfolio.risks import (
    AverageDrawdown,
    CDaR,
    CVaR,
    EDaR,
    EVaR,
    GiniMeanDifference,
    LowerPartialMoment,
    MaxDrawdown,
    MeanAbsoluteDeviation,
    SemiDeviation,
    SemiVariance,
    StandardDeviation,
    UlcerIndex,
    Variance,
    WorstRealization,
)

# Measures at the weights of skfolio 1.12.2, MeanRisk(risk_measure=..., solver="CLARABEL") with tolerances of 1e-10,
# on load_sp500(start="2021-10-01"); then with max_tracking_error=0.003. Its definitions are ours, but for two things:
# its tracking error divides by T - 1, and its first lower partial moment has the mean as target.
SKFOLIO = [
    (Variance(), 8.141773305776107e-05, 1.8034543143743693e-04),
    (StandardDeviation(), 0.009023177543982557, 0.01342927515539463),
    (SemiVariance(), 4.106379077140492e-05, 9.155798903802566e-05),
    (SemiDeviation(), 0.006408103428103188, 0.009568593889691845),
    (MeanAbsoluteDeviation(), 0.006788814642963221, 0.010179641506744287),
    (CVaR(), 0.01765019950690392, 0.029927018258107264),
    (EVaR(), 0.019933913466777028, 0.03504021604786482),
    (WorstRealization(), 0.02282347832158785, 0.04366665480526515),
    (CDaR(), 0.05788495698105238, 0.15744740601672444),
    (MaxDrawdown(), 0.07451712737542343, 0.17183234828875268),
    (AverageDrawdown(), 0.01658356660310303, 0.056250249876195986),
    (EDaR(), 0.06635001009801615, 0.16228843755673347),
    (UlcerIndex(), 0.02323407083374272, 0.07262207116455632),
    (GiniMeanDifference(), 0.009921624475147807, 0.014824864448957746),
]


@pytest.fixture(scope="module")
def sp500():
    return load_sp500(start="2021-10-01", return_X_y=True)


@pytest.mark.parametrize(("risk", "free", "limited"), SKFOLIO, ids=[risk.term_name for risk, *_ in SKFOLIO])
def test_least_risk_is_that_of_skfolio(sp500, risk, free, limited):
    X, y = sp500
    periods = len(X)
    assert periods == 312
    models = (
        (MeanRisk(risk).fit(X), free),
        (MeanRisk(risk, max_tracking_error=0.003 * np.sqrt((periods - 1) / periods)).fit(X, y), limited),
    )
    for model, theirs in models:
        assert model.solution_.status == "optimal"
        assert_allclose(model.solution_.objective, theirs, rtol=1e-6)
        assert_allclose(risk.value(X.to_numpy() @ model.weights_), model.solution_.objective, rtol=1e-12)


# Cases in which a peer silently gives a wrong number.


def test_two_limits_on_drawdowns_hold_at_once(sp500):
    X, _ = sp500
    limits = [AverageDrawdown() <= 0.02, MaxDrawdown() <= 0.08, CDaR(0.9) <= 0.056, CDaR(0.95) <= 0.062]
    model = MeanRisk(CVaR(), constraints=limits).fit(X)
    returns = X.to_numpy() @ model.weights_
    path = np.cumsum(returns)
    drawdowns = np.maximum.accumulate(np.maximum(path, 0)) - path
    worst = np.sort(drawdowns)[::-1]
    cdar = [np.dot(np.append(np.ones(int(k)), k - int(k)), worst[: int(k) + 1]) / k for k in (31.2, 15.6)]
    reached = np.array([drawdowns.mean(), drawdowns.max(), *cdar])
    most = np.array([limit.limit for limit in limits])
    assert (reached <= most + 1e-8).all()
    assert set(model.solution_.multipliers) >= {"averagedrawdown", "maxdrawdown", "cdar-1", "cdar-2"}
    prices = model.solution_.multipliers
    binding = [name for name in ("averagedrawdown", "maxdrawdown", "cdar-1", "cdar-2") if prices[name] > 1e-6]
    assert binding == ["averagedrawdown", "maxdrawdown", "cdar-2"]


def test_costs_with_a_benchmark_in_weights_and_cvar(sp500):
    """Against the textbook program in cvxpy."""
    X, _ = sp500
    values, benchmark, held = X.to_numpy(), np.full(20, 0.05), np.eye(20)[3]
    model = MinTrackingError(CVaR(0.9), benchmark_weights=benchmark, costs=[TransactionCost(0.001)])
    model.fit(X, previous_weights=held)
    w, level = cp.Variable(20), cp.Variable()
    loss = -(values @ w - values @ benchmark)
    risk = level + cp.sum(cp.pos(loss - level)) / (0.1 * len(values))
    program = cp.Problem(cp.Minimize(1e3 * (risk + 0.001 * cp.norm1(w - held))), [cp.sum(w) == 1, w >= 0])
    program.solve(solver=cp.CLARABEL)
    assert_allclose(model.solution_.objective, program.value / 1e3, rtol=1e-6)
    assert_allclose(model.cost_, 0.001 * np.abs(model.weights_ - held).sum(), rtol=1e-12)
    assert model.cost_ > 1e-4


def test_dates_off_by_one_day_are_refused(sp500):
    X, y = sp500
    late = y.shift(1).dropna()
    with pytest.raises(ValueError, match="rows"):
        MeanRisk(CVaR(), max_tracking_error=0.003).fit(X, late)
    relabelled = pd.Series(y.to_numpy(), index=y.index.shift(1, freq="D"))
    with pytest.raises(ValueError, match="2021-10-0"):
        MeanRisk(CVaR(), max_tracking_error=0.003).fit(X, relabelled)


def test_a_typo_in_a_name_is_refused(sp500):
    X, y = sp500
    with pytest.raises(ValueError, match="Did you mean 'AAPL'"):
        MeanRisk(max_weights={"APPL": 0.1}).fit(X, y)
    with pytest.raises(ValueError, match="Did you mean 'AAPL'"):
        MeanRisk(costs=[TransactionCost({"APPL": 0.1})]).fit(X, y, previous_weights=np.full(20, 0.05))


def test_tracking_limit_holds_on_the_returns_whatever_the_factor_model(sp500):
    X, y = sp500
    model = MeanRisk(StandardDeviation(FactorAnalysis(2, random_state=0)), max_tracking_error=0.003).fit(X, y)
    assert_allclose(np.sqrt(np.mean((X.to_numpy() @ model.weights_ - y) ** 2)), 0.003, atol=1e-8)


@pytest.mark.parametrize(
    "model",
    [
        MeanRisk(max_tracking_error=np.array([0.003, 0.004])),
        MeanRisk(tracking_penalty=[1, 2]),
        MeanRisk(CVaR([0.9, 0.95])),
        MeanRisk(constraints=[CVaR() <= np.array([0.02, 0.03])]),
        MeanRisk(constraints=[RiskLimit(MaxDrawdown(), [0.1])]),
        MeanRisk(constraints=[MaxTurnover([0.1, 0.2])]),
        MeanRisk(LowerPartialMoment(target=[0.0, 0.1])),
    ],
    ids=repr,
)
def test_arrays_where_one_number_is_meant_are_refused(sp500, model):
    with pytest.raises(ValueError, match="number"):
        model.fit(*sp500, previous_weights=np.full(20, 0.05))


def test_entropic_drawdowns_where_full_steps_of_the_solver_lead_astray():
    X, y = load_sp500(return_X_y=True)
    X, y = X.iloc[-1500:], y.iloc[-1500:]
    limit = 1.2 * MinTrackingError().fit(X, y).solution_.objective
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AccuracyWarning)  # old versions of Clarabel end at a gap of 1.1e-8
        model = MeanRisk(EDaR(), max_tracking_error=limit).fit(X, y)
    assert model.solution_.gap < 2e-8

"""Backtests against those of a peer where the conventions coincide: skfolio, by its numbers and, where it is, alive."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from trackfolio import EqualWeighted, MeanRisk
from trackfolio.datasets import load_sp500
from trackfolio.model_selection import WalkForward, backtest

# Folds as both say them; a peer's periods of calendars begin on a date, so that ours with "MS" and "QS" coincide.
FOLDS = {
    "days": (WalkForward(252, 63), {"train_size": 252, "test_size": 63}),
    "gap": (
        WalkForward(252, 21, gap=5, expanding=True),
        dict(train_size=252, test_size=21, purged_size=5, expand_train=True),
    ),
    "months": (WalkForward(6, 1, freq="MS"), {"train_size": 6, "test_size": 1, "freq": "MS"}),
    "quarters": (WalkForward(2, 2, freq="QS"), {"train_size": 2, "test_size": 2, "freq": "QS"}),
}
MODELS = {"equal": EqualWeighted(), "variance": MeanRisk()}

# Number, mean, standard deviation and smallest of the returns of skfolio 1.12.2, cross_val_predict(model, X, cv=
# WalkForward(..., reduce_test=True)) on the returns below, without and with its weight_drift.
SKFOLIO = {
    ("equal", "days", False): (502, 0.0007916603379573374, 0.010621617580042372, -0.042100840019285234),
    ("equal", "days", True): (502, 0.0007867984257634201, 0.010587978933893802, -0.04157897537654087),
    ("equal", "gap", False): (497, 0.000737059503235691, 0.01063987953040405, -0.042100840019285234),
    ("equal", "gap", True): (497, 0.0007506965359157368, 0.010563768345890043, -0.04143176246335889),
    ("equal", "months", False): (629, 0.0009700003494275462, 0.010592604379090665, -0.042100840019285234),
    ("equal", "months", True): (629, 0.0009667662314727526, 0.010579550150937445, -0.041432345207292665),
    ("equal", "quarters", False): (629, 0.0009700003494275462, 0.010592604379090665, -0.042100840019285234),
    ("equal", "quarters", True): (629, 0.0009690849853993818, 0.0106729733965735, -0.0402956480319665),
    ("variance", "days", False): (502, 0.00036427120498394106, 0.008836509294705983, -0.04448018523423387),
    ("variance", "days", True): (502, 0.0003472664281901857, 0.008820286449090492, -0.0436915590478103),
    ("variance", "gap", False): (497, 0.0004192522252621649, 0.009001849127436288, -0.043905282161658093),
    ("variance", "gap", True): (497, 0.00041797686180622965, 0.00896721605322764, -0.04225048496070749),
    ("variance", "months", False): (629, 0.000783179871499961, 0.008773427957587464, -0.04221037045224079),
    ("variance", "months", True): (629, 0.0007833071619703555, 0.008749917732988268, -0.04118606582362394),
    ("variance", "quarters", False): (629, 0.000674162633177476, 0.00910131988387312, -0.047611344324964375),
    ("variance", "quarters", True): (629, 0.0006668808467152582, 0.0090564800707578, -0.046658629418110276),
}


@pytest.fixture(scope="module")
def returns():
    return load_sp500(start="2019-12-01", return_X_y=True)[0]


def ours(model, folds, drift, returns):
    return np.asarray(backtest(MODELS[model], returns["2020":], cv=FOLDS[folds][0], drift=drift, progress=False).net)


def given(folds, returns):
    """Returns for the peer, whose first period is the first that begins within the data; ours is the first month."""
    return returns if "freq" in FOLDS[folds][1] else returns["2020":]


def theirs(model, folds, drift, returns):
    from skfolio import RiskMeasure
    from skfolio.model_selection import WalkForward, cross_val_predict
    from skfolio.optimization import EqualWeighted, MeanRisk

    drifting = {"portfolio_params": {"weight_drift": drift}}
    tight = {"solver": "CLARABEL", "solver_params": dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-14)}
    least = MeanRisk(risk_measure=RiskMeasure.VARIANCE, **tight, **drifting)
    chosen = EqualWeighted(**drifting) if model == "equal" else least
    cv = WalkForward(reduce_test=True, **FOLDS[folds][1])
    return np.asarray(cross_val_predict(chosen, given(folds, returns), cv=cv).returns)


# The peer's solver leaves returns of the least variance up to 1e-6 off at the tightest tolerances that it can reach.
CLOSE = {"equal": 1e-15, "variance": 5e-6}


@pytest.mark.parametrize(("case", "expected"), SKFOLIO.items(), ids=str)
def test_returns_are_those_that_skfolio_found(returns, case, expected):
    found = ours(*case, returns)
    measures = [found.mean(), found.std(ddof=1), found.min()]
    assert len(found) == expected[0]
    assert_allclose(measures, expected[1:], rtol=0, atol=CLOSE[case[0]])


@pytest.mark.filterwarnings("ignore:Solution may be inaccurate:UserWarning")
@pytest.mark.parametrize("drift", [False, True])
@pytest.mark.parametrize("folds", FOLDS)
@pytest.mark.parametrize("model", MODELS)
def test_returns_are_those_of_skfolio(returns, model, folds, drift):
    pytest.importorskip("skfolio", reason="the peers are installed in .venv-bench alone")
    assert_allclose(ours(model, folds, drift, returns), theirs(model, folds, drift, returns), rtol=0, atol=CLOSE[model])


def test_folds_are_those_of_skfolio(returns):
    pytest.importorskip("skfolio", reason="the peers are installed in .venv-bench alone")
    from skfolio.model_selection import WalkForward

    for name, (ours, theirs) in FOLDS.items():
        peers = WalkForward(reduce_test=True, **theirs).split(given(name, returns))
        shift = len(given(name, returns)) - len(returns["2020":])
        folds = ours.split(returns["2020":])
        for (train, test), (of_train, of_test) in zip(folds, peers, strict=True):
            assert_array_equal(train, of_train - shift)
            assert_array_equal(test, of_test - shift)

"""Frontiers: their ends, their shape, and the price that multipliers put on the parameter."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from trackfolio import MeanRisk, MinTrackingError
from trackfolio.constraints import MaxTurnover
from trackfolio.exceptions import InfeasibleError
from trackfolio.model_selection import frontier
from trackfolio.objectives import MaxRatio
from trackfolio.risks import CVaR, StandardDeviation
from trackfolio.solvers.interior_point import _near

from .conftest import simulate


def quiet(*arguments, **options):
    return frontier(*arguments, progress=False, **options)


def test_ends_and_shape_of_risk_against_tracking_error(frames):
    X, y = frames
    found = quiet(MeanRisk(StandardDeviation()), X, y, values=6)
    rmse = [np.sqrt(np.mean((p - y) ** 2)) for p in found.portfolios]
    assert_allclose(rmse, found.values, atol=1e-8)
    tracker, free = MinTrackingError().fit(X, y), MeanRisk(StandardDeviation()).fit(X)
    assert_allclose(found[0].weights_, tracker.weights_, atol=1e-9)
    assert_allclose(found[-1].weights_, free.weights_, atol=1e-6)
    risk = found.table["risk"].to_numpy()
    slopes = np.diff(risk) / np.diff(found.values)
    assert (slopes < 0).all()
    assert (np.diff(slopes) > 0).all()
    # Between two points, the slope lies between the multipliers at them.
    prices = -found.table["multiplier"].to_numpy()[1:-1]
    assert (slopes[1:-1] >= prices[:-1]).all()
    assert (slopes[1:-1] <= prices[1:]).all()


def test_ends_of_return_and_penalty(frames):
    X, y = frames
    found = quiet(MeanRisk(CVaR(0.9)), X, parameter="min_return", values=4)
    assert_allclose(found.values[-1], X.mean().max(), rtol=1e-6)
    assert_allclose(found.table["mean return"], found.values, atol=1e-9)
    assert found.table["risk"].is_monotonic_increasing
    priced = quiet(MeanRisk(CVaR(0.9)), X, y, parameter="tracking_penalty", values=5)
    assert priced.table["tracking RMSE"].is_monotonic_decreasing
    assert_allclose(priced[-1].weights_, MinTrackingError().fit(X, y).weights_, atol=1e-9)
    assert priced.values[0] == 0
    assert np.isinf(priced.values[-1])


def test_ratio_along_the_tracking_error(frames):
    X, y = frames
    X, y = X + 0.001, y + 0.001
    found = quiet(MeanRisk(StandardDeviation(), MaxRatio()), X, y, values=4)
    ratio = found.table["mean return"] / found.table["risk"]
    assert ratio.is_monotonic_increasing


@pytest.mark.parametrize(
    ("parameter", "values"), [("constraints__maxturnover__limit", [0.1, 0.2]), ("max_weights", [0.3, 0.5])]
)
def test_any_parameter_is_as_fitting_each(frames, parameter, values):
    X, y = frames
    model, held = MinTrackingError(constraints=[MaxTurnover(0.5)]), np.full(8, 1 / 8)
    found = quiet(model, X, y, parameter=parameter, values=values, previous_weights=held)
    for value, point in zip(values, found, strict=True):
        alone = MinTrackingError(constraints=[MaxTurnover(0.5)]).set_params(**{parameter: value})
        assert_array_equal(point.weights_, alone.fit(X, y, previous_weights=held).weights_)
    assert model.constraints[0].limit == 0.5


# Old versions of joblib fork, of which polars, where some other test has loaded it, warns.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_jobs_give_the_same_and_points_predict(frames, capsys):
    X, y = frames
    one, two = (quiet(MeanRisk(CVaR(0.9)), X, y, values=4, n_jobs=n) for n in (None, 2))
    for a, b in zip(one, two, strict=True):
        assert_array_equal(a.weights_, b.weights_)
    assert_array_equal(np.asarray(one.predict(X)[1]), np.asarray(one.portfolios[1]))
    assert "4 portfolios, max_tracking_error from" in repr(one)
    assert "<table" in one._repr_html_()
    assert capsys.readouterr().err == ""


def test_what_makes_no_sense_is_said(frames):
    X, y = frames
    with pytest.raises(ValueError, match="Did you mean 'max_tracking_error'"):
        quiet(MeanRisk(), X, y, parameter="max_tracking_eror")
    with pytest.raises(ValueError, match="list its values"):
        quiet(MeanRisk(), X, y, parameter="max_weights")
    with pytest.raises(ValueError, match="at least two"):
        quiet(MeanRisk(), X, y, values=1)
    with pytest.raises(ValueError, match="needs a benchmark"):
        quiet(MeanRisk(), X)
    with pytest.raises(TypeError, match="MeanRisk or MinTrackingError"):
        quiet("model", X, y)
    with pytest.raises(InfeasibleError, match=r"max_tracking_error=1e-05 cannot be reached.*at least") as caught:
        quiet(MeanRisk(), X, y, values=[1e-5, 0.01])
    assert caught.value.explanation.names == ["max_tracking_error"]


def test_each_point_begins_at_its_neighbour(market, monkeypatch):
    X, y = market
    nears = []
    own = MeanRisk._solution
    monkeypatch.setattr(
        MeanRisk,
        "_solution",
        lambda self, problem: nears.append(problem.near and problem.near.weights) or own(self, problem),
    )
    found = quiet(MeanRisk(CVaR(0.9)), X, y, values=5)
    assert nears[0] is None  # the free end
    weights = [model.weights_ for model in found.estimators]
    for near, before in zip(nears[1:], weights, strict=False):
        np.testing.assert_array_equal(near, before)


def test_beginning_at_the_neighbour_saves_steps(monkeypatch):
    X, y = simulate(80, 500, 1)
    warm = quiet(MeanRisk(CVaR(0.9)), X, y, values=20)
    monkeypatch.setattr(_near, "_start", lambda *_: None)
    cold = quiet(MeanRisk(CVaR(0.9)), X, y, values=20)
    steps = [[model.solution_.iterations for model in found.estimators[1:-1]] for found in (warm, cold)]
    assert sum(steps[0]) < 0.95 * sum(steps[1])
    for a, b in zip(warm, cold, strict=True):
        assert_allclose(CVaR(0.9).value(X @ a.weights_), CVaR(0.9).value(X @ b.weights_), rtol=1e-9)

"""A published tutorial on a tracking-error constraint, reproduced on the embedded data."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.model_selection import train_test_split

from trackfolio import MeanRisk
from trackfolio.datasets import load_sp500
from trackfolio.risks import CVaR

# Weights of the least CVaR without a benchmark, long-short, as published, in the order of the columns.
PUBLISHED = [
    0.03676195, -0.02374444, 0.02155918, 0.02117437, 0.0373302, -0.00370324, 0.01028137, 0.0298146, -0.07317879,
    0.15980287, -0.00139632, 0.01100645, -0.0810491, 0.20227491, 0.21580436, 0.17510456, 0.00322793, 0.06858182,
    0.11093659, 0.07941073,
]  # fmt: skip


@pytest.fixture(scope="module")
def split():
    X, y = load_sp500(start="2014-01-01", return_X_y=True)
    return train_test_split(X, y, test_size=0.33, shuffle=False)


def figures(model, X, y):
    """Tracking RMSE and CVaR in percent, and CVaR ratio, by plain numpy."""
    returns = X.to_numpy() @ model.weights_
    tail = np.sort(returns)
    size = 0.05 * len(tail)
    cvar = -(tail[: int(size)].sum() + (size - int(size)) * tail[int(size)]) / size
    return [100 * np.sqrt(np.mean((returns - y) ** 2)), 100 * cvar, returns.mean() / cvar]


def test_without_a_benchmark(split):
    X_train, X_test, y_train, y_test = split
    assert len(X_train) == 1516
    model = MeanRisk(CVaR(0.95), min_weights=-1).fit(X_train, y_train)
    assert model.solution_.solver == "InteriorPoint"
    assert_allclose(model.weights_, PUBLISHED, atol=1e-5)
    assert_allclose(figures(model, X_train, y_train), [0.60, 1.58, 0.02], atol=0.005)
    assert_allclose(figures(model, X_test, y_test)[:2], [1.04, 3.08], atol=0.005)
    assert model.solution_.gap < 1e-8


def test_with_a_limit_on_the_tracking_error(split):
    X_train, X_test, y_train, y_test = split
    model = MeanRisk(CVaR(0.95), min_weights=-1, max_tracking_error=0.003).fit(X_train, y_train)
    rmse = np.sqrt(np.mean((X_train.to_numpy() @ model.weights_ - y_train) ** 2))
    assert model.solution_.solver == "InteriorPoint"
    assert_allclose(rmse, 0.003, atol=1e-8)
    assert_allclose(figures(model, X_train, y_train), [0.30, 1.78, 0.03], atol=0.005)
    assert_allclose(figures(model, X_test, y_test)[:2], [0.58, 3.39], atol=0.005)
    portfolio = model.predict(X_train)
    assert_allclose(portfolio.ratio(CVaR(0.95)), 0.03, atol=0.005)
    assert model.solution_.gap < 1e-8

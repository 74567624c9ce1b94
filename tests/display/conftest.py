"""Portfolios and backtests to draw."""

import pytest

from trackfolio import EqualWeighted, MinTrackingError
from trackfolio.model_selection import WalkForward, backtest


@pytest.fixture(autouse=True)
def closed():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.fixture
def models(frames):
    X, y = frames
    return {"tracker": MinTrackingError(max_weights=0.3).fit(X, y), "equal": EqualWeighted().fit(X)}


@pytest.fixture
def portfolios(models, frames):
    return {name: model.predict(frames[0]) for name, model in models.items()}


@pytest.fixture
def tested(frames):
    X, y = frames
    return backtest(MinTrackingError(), X, y, cv=WalkForward(60, 15), transaction_costs=0.01, progress=False)

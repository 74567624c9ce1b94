"""Data that several tests share."""

import numpy as np
import pandas as pd
import pytest

from trackfolio._functions import RiskOf, Summand
from trackfolio._position import Position
from trackfolio.exceptions import InfeasibleError
from trackfolio.problem import Problem

#: Of data that leave several optima on purpose.
MANY = pytest.mark.filterwarnings("ignore::trackfolio.exceptions.NonUniqueWarning")


def simulate(n_assets=8, n_periods=120, seed=0, noise=0.001):
    """Fat-tailed returns with a common factor, and a benchmark that the assets cannot replicate exactly."""
    rng = np.random.default_rng(seed)
    market = 0.008 * rng.standard_t(5, (n_periods, 1))
    X = market * rng.uniform(0.5, 1.5, n_assets) + 0.01 * rng.standard_t(5, (n_periods, n_assets))
    y = X @ rng.dirichlet(np.ones(n_assets)) + noise * rng.standard_normal(n_periods)
    return X, y


@pytest.fixture
def market():
    """Arrays of 120 periods and 8 assets."""
    return simulate()


@pytest.fixture
def frames():
    """The same as a DataFrame and a Series with dates and names."""
    X, y = simulate()
    dates = pd.bdate_range("2020-01-01", periods=len(X), name="Date")
    return pd.DataFrame(X, index=dates, columns=list("ABCDEFGH")), pd.Series(y, index=dates, name="Index")


def tracking_problem(risk, X, y, lower=0.0, upper=1.0, **changes):
    """Problem of the least risk of X @ w - y within bounds."""
    n = X.shape[1]
    active = Position(X, y)
    defaults = dict(
        names=[f"x{i}" for i in range(n)],
        objective=[Summand("objective__risk", 1.0, RiskOf(risk, active))],
        portfolio=Position(X),
        active=active,
        lower=np.full(n, lower) if np.ndim(lower) == 0 else lower,
        upper=np.full(n, upper) if np.ndim(upper) == 0 else upper,
    )
    return Problem(**defaults | changes)


def find_by(problem, solver):
    """Solution by one solver and what fell short; two Nones where the limits contradict one another."""
    from trackfolio.solvers import find

    try:
        return find(problem, solver)
    except InfeasibleError:
        return None, None

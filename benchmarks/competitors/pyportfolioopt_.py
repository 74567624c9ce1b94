"""PyPortfolioOpt."""

from benchmarks.competitors import competitor
from benchmarks.problems import Array, Case, Task


@competitor(
    "PyPortfolioOpt ex_post_tracking_error",
    Task.LEAST_STD,
    "pyportfolioopt",
    note="convex_objective with the solver that cvxpy picks; the covariance that it asks for is timed",
)
def ex_post(case: Case) -> Array:
    """Minimise its ex-post tracking error, the variance of the active return."""
    from pypfopt import EfficientFrontier, objective_functions, risk_models

    frontier = EfficientFrontier(None, risk_models.sample_cov(_frame(case.X), returns_data=True, frequency=1))
    frontier.convex_objective(
        objective_functions.ex_post_tracking_error,
        historic_returns=case.X,
        benchmark_returns=case.y,
    )
    found: Array = frontier.weights
    return found


@competitor(
    "PyPortfolioOpt min_volatility on X - y",
    Task.LEAST_STD,
    "pyportfolioopt",
    note="the same problem on an N x N matrix, with the solver that cvxpy picks",
)
def min_volatility(case: Case) -> Array:
    """Minimise the volatility of the returns in excess of the index."""
    return _min_volatility(case, None)


@competitor(
    "PyPortfolioOpt min_volatility on X - y, Clarabel",
    Task.LEAST_STD,
    "pyportfolioopt",
    note="as before, with solver='CLARABEL'",
)
def min_volatility_clarabel(case: Case) -> Array:
    """Minimise the volatility of the returns in excess of the index with an interior-point method."""
    return _min_volatility(case, "CLARABEL")


def _min_volatility(case: Case, solver: str | None) -> Array:
    from pypfopt import EfficientFrontier, risk_models

    excess = _frame(case.X - case.y[:, None])
    covariance = risk_models.sample_cov(excess, returns_data=True, frequency=1)
    frontier = EfficientFrontier(None, covariance, solver=solver)
    frontier.min_volatility()
    found: Array = frontier.weights
    return found


def _frame(values: Array) -> object:
    # It takes arrays too, but warns; a frame costs next to nothing.
    import pandas as pd

    return pd.DataFrame(values)

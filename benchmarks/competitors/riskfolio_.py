"""Riskfolio-Lib."""

from typing import Any

import numpy as np

from benchmarks.competitors import competitor
from benchmarks.problems import Array, Case, Task


def _portfolio(returns: Array) -> Any:
    import pandas as pd
    import riskfolio as rp

    portfolio = rp.Portfolio(returns=pd.DataFrame(returns))
    portfolio.assets_stats(method_mu="hist", method_cov="hist")
    return portfolio


def _least_variance(portfolio: Any) -> Array:
    weights = portfolio.optimization(model="Classic", rm="MV", obj="MinRisk")
    if weights is None:
        raise RuntimeError("optimization() returned None: none of its solvers succeeded")
    found: Array = weights["weights"].to_numpy()
    return found


@competitor(
    "Riskfolio-Lib MinRisk on X - y",
    Task.LEAST_STD,
    "riskfolio-lib",
    note="has no tracker of its own: the least variance of the returns X - y is the same problem",
)
def excess(case: Case) -> Array:
    """Minimise the standard deviation of the returns in excess of the index."""
    return _least_variance(_portfolio(case.X - case.y[:, None]))


@competitor(
    "Riskfolio-Lib MinRisk(allowTE, TE=...)",
    Task.LIMITED,
    "riskfolio-lib",
    note="kindbench=False; it divides by T - 1, so its limit is scaled to be one on the RMSE",
)
def limited(case: Case) -> Array:
    """Minimise the variance of the portfolio within a limit on the tracking RMSE."""
    import pandas as pd

    portfolio = _portfolio(case.X)
    portfolio.kindbench, portfolio.benchindex = False, pd.DataFrame({"index": case.y})
    portfolio.allowTE = True
    portfolio.TE = case.rmse_limit * np.sqrt(case.n_periods / (case.n_periods - 1))
    return _least_variance(portfolio)

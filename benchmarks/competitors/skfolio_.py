"""skfolio."""

import numpy as np

from benchmarks.competitors import competitor
from benchmarks.problems import Array, Case, Task

BENCHMARK_TRACKER = "skfolio BenchmarkTracker()"


@competitor(
    BENCHMARK_TRACKER,
    Task.LEAST_STD,
    "skfolio",
    note="minimises the standard deviation of X - y: a constant lag costs it nothing",
)
def benchmark_tracker(case: Case) -> Array:
    """Minimise the standard deviation of the active return."""
    from skfolio.optimization import BenchmarkTracker

    found: Array = BenchmarkTracker().fit(case.X, case.y).weights_
    return found


@competitor(
    "skfolio MeanRisk(max_tracking_error=...)",
    Task.LIMITED,
    "skfolio",
    note="it divides by T - 1 under the root, so its limit is scaled to be one on the RMSE",
)
def mean_risk(case: Case) -> Array:
    """Minimise the variance of the portfolio within a limit on the tracking RMSE."""
    from skfolio.optimization import MeanRisk

    limit = case.rmse_limit * np.sqrt(case.n_periods / (case.n_periods - 1))
    found: Array = MeanRisk(max_tracking_error=limit).fit(case.X, case.y).weights_
    return found

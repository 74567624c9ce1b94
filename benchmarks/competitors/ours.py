"""trackfolio."""

from benchmarks.competitors import competitor
from benchmarks.problems import Array, Case, Task

OURS = "trackfolio MinTrackingError()"
OURS_STD = "trackfolio MinTrackingError(StandardDeviation())"
OURS_CONIC = "trackfolio MinTrackingError(solver=Conic())"


@competitor(OURS, Task.LEAST_RMSE, "trackfolio")
def least_rmse(case: Case) -> Array:
    """Minimise the tracking RMSE."""
    from trackfolio import MinTrackingError

    found: Array = MinTrackingError().fit(case.X, case.y).weights_
    return found


@competitor(OURS_STD, Task.LEAST_STD, "trackfolio")
def least_std(case: Case) -> Array:
    """Minimise the tracking error in the narrow sense."""
    from trackfolio import MinTrackingError
    from trackfolio.risks import StandardDeviation

    found: Array = MinTrackingError(StandardDeviation()).fit(case.X, case.y).weights_
    return found


@competitor(OURS_CONIC, Task.LEAST_RMSE, "trackfolio", note="the general solver, through cvxpy")
def least_rmse_conic(case: Case) -> Array:
    """Minimise the tracking RMSE by the solver for everything else."""
    from trackfolio import MinTrackingError
    from trackfolio.solvers import Conic

    found: Array = MinTrackingError(solver=Conic()).fit(case.X, case.y).weights_
    return found

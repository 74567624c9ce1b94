"""What one writes without a library: cvxpy with Clarabel."""

from benchmarks.competitors import competitor
from benchmarks.problems import Array, Case, Task


@competitor("cvxpy by hand, sum_squares(X @ w - y)", Task.LEAST_RMSE, "cvxpy", "clarabel")
def sum_squares(case: Case) -> Array:
    """Write the problem down as it stands in the textbook."""
    import cvxpy as cp

    w = cp.Variable(case.n_assets)
    loss = cp.sum_squares(case.X @ w - case.y)
    cp.Problem(cp.Minimize(loss), [cp.sum(w) == 1, w >= 0, w <= 1]).solve(solver="CLARABEL")
    found: Array = w.value
    return found


@competitor(
    "cvxpy by hand, quad_form of the Gram matrix",
    Task.LEAST_RMSE,
    "cvxpy",
    "clarabel",
    note="by someone who knows the traps: N x N, scaled, psd_wrap in place of a test of definiteness",
)
def gram(case: Case) -> Array:
    """Write the problem down in N x N, scaled to a size of 1."""
    import cvxpy as cp
    import numpy as np

    P, h = case.X.T @ case.X, case.y @ case.X
    s = np.trace(P) / case.n_assets
    w = cp.Variable(case.n_assets)
    loss = cp.quad_form(w, cp.psd_wrap(P / s)) - 2 * (h / s) @ w
    cp.Problem(cp.Minimize(loss), [cp.sum(w) == 1, w >= 0, w <= 1]).solve(solver="CLARABEL")
    found: Array = w.value
    return found

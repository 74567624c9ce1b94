"""Proofs from the data and the returned values alone: nothing that a solver said is believed."""

from typing import Any

import numpy as np
import numpy.typing as npt

from trackfolio._cone_form import cone_form
from trackfolio._terms import offers
from trackfolio._validation import Array
from trackfolio.constraints import AbsoluteSum
from trackfolio.problem import Certificate, Problem, Solution

__all__ = ["certify"]

Mask = npt.NDArray[np.bool_]
_EPS = float(np.finfo(float).eps)


def certify(problem: Problem, solution: Solution) -> Certificate:
    r"""Compute objective, lower bound and violation of a solution from the data.

    For a convex objective f with (sub)gradient g at the weights :math:`\hat w`, linear limits
    :math:`l \le Aw \le u` with multipliers :math:`\lambda`, and limits
    :math:`\sum_i c_{ki} |w_i - m_{ki}| \le L_k` with multipliers :math:`\nu_k \ge 0`, every w within the limits has

    .. math::

        f(w) \ge{}& f(\hat w) - g'\hat w + \lambda^{+\prime} l - \lambda^{-\prime} u - \nu' L \\
        &+ \sum_i \min_{lower_i \le w_i \le upper_i}
        \Big( (g - A'\lambda)_i w_i + \sum_k \nu_k c_{ki} |w_i - m_{ki}| \Big)

    whatever the multipliers are: wrong ones give a weak bound, never a false one. Where a weight has an infinite
    bound, the limits are first used to bound it; where that fails, the curvature of a quadratic objective is.

    Parameters
    ----------
    problem : Problem
        Data and terms.
    solution : Solution
        Weights and multipliers.

    Returns
    -------
    Certificate
        Of kind "bound"; of kind "residuals" where the risk has no `gradient` or a constraint is neither linear nor a
        sum of absolute values.

    Examples
    --------
    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> X, y = load_sp500(start="2021-01-01", return_X_y=True)
    >>> model = MinTrackingError().fit(X, y)
    >>> model.solution_.certificate.kind, model.solution_.gap < 1e-8
    ('bound', True)
    """
    w = solution.weights
    objective, violation = problem.value(w), problem.violation(w)
    provable = problem.risk.has_gradient and not any(problem.other_terms())
    unit = max(abs(objective), problem.scale)
    if provable:
        # The weights attain the objective: a bound above it only says that they break a limit by rounding.
        bound = min(max(_lower_bound(problem, solution, objective), problem.risk.least_value), objective)
        return Certificate("bound", objective, bound, float((objective - bound) / unit), violation)
    bound, residuals = _residuals(problem, solution)
    violation = max(violation, residuals.pop("primal"))
    return Certificate("residuals", objective, bound, float((objective - bound) / unit), violation, **residuals)


def reduced_costs(problem: Problem, solution: Solution) -> Array:
    """Gradient of the Lagrangian without the bounds: what a unit more of each asset would cost."""
    gradient: Array = problem.risk.gradient_at(problem.position, solution.weights)
    A, duals = problem.linear.A, solution.row_duals
    return gradient if duals is None else gradient - A.T @ duals


def priced_sums(problem: Problem, solution: Solution) -> list[tuple[float, AbsoluteSum]]:
    """Limits on sums of absolute values with their multipliers; a negative one proves nothing and counts as 0."""
    duals = solution.absolute_duals
    return [(max(duals.get(name, 0.0), 0.0), s) for name, s in problem.absolute_sums.items()]


def _lower_bound(problem: Problem, solution: Solution, objective: float) -> float:
    if solution.row_duals is None or not np.isfinite(solution.row_duals).all() or np.isnan(objective):
        return -np.inf
    w, (A, lower, upper) = solution.weights, problem.linear
    # A multiplier of a side that does not exist proves nothing; without it, the bound is weaker but true.
    duals = np.clip(solution.row_duals, np.where(np.isinf(upper), 0, -np.inf), np.where(np.isinf(lower), 0, np.inf))
    gradient = problem.risk.gradient_at(problem.position, w)
    slope = gradient - A.T @ duals
    sides = np.where(duals > 0, lower, np.where(duals < 0, upper, 0.0))
    sums = priced_sums(problem, solution)
    minima = _minima(problem, sums, slope)
    free = ~np.isfinite(minima)
    limits = -np.array([nu * s.limit for nu, s in sums])
    summands = np.concatenate([duals * sides, -gradient * w, np.where(free, slope * w, minima), limits])
    allowance = 4.0 * _EPS * (abs(objective) + float(np.abs(summands).sum()))
    bound = objective + float(summands.sum()) - allowance
    if free.any():
        bound = _bound_by_curvature(problem, objective, bound - objective, w, slope, free)
    return -np.inf if np.isnan(bound) else bound


def _minima(problem: Problem, sums: list[tuple[float, AbsoluteSum]], slope: Array) -> Array:
    """Minimum over each weight's interval of slope·w_i + Σ ν c |w_i - m|: at an end of the interval, or at a kink m."""
    lower, upper = implied_bounds(problem)
    ends = [lower, upper, *(np.clip(s.centre, lower, upper) for _, s in sums)]
    with np.errstate(invalid="ignore"):
        values = []
        for end in ends:
            linear = np.where(slope == 0, 0.0, slope * end)
            values.append(
                linear
                + sum(
                    np.where(nu * s.coefficients == 0, 0.0, nu * s.coefficients * np.abs(end - s.centre))
                    for nu, s in sums
                )
            )
    minima: Array = np.min(values, axis=0)
    return np.where(np.isnan(minima), -np.inf, minima)


def _bound_by_curvature(
    problem: Problem, objective: float, constant: float, w: Array, slope: Array, free: Mask
) -> float:
    """Bound where some weights are free: the least of slope'd + d'Sd, with S what a quadratic adds for them.

    S is the Schur complement of the matrix on the free weights: whatever the others do, the quadratic is at least
    d'Sd. In directions in which S is flat, the slope must be 0 up to the rounding with which it was computed; else
    there is no bound. Each asset is measured in units of its own size, so that none is flat for being small.
    """
    if not offers(problem.risk, "quadratic"):
        return -np.inf
    matrix, _, at_zero = problem.risk.quadratic(problem.position).gram()
    own = np.sqrt(np.diagonal(matrix))
    own = np.where(own > 0, own, np.max(own, initial=np.finfo(float).tiny))
    matrix, r = matrix / np.outer(own, own), slope[free] / own[free]
    across = matrix[np.ix_(free, ~free)]
    schur = (
        matrix[np.ix_(free, free)] - across @ np.linalg.pinv(matrix[np.ix_(~free, ~free)], hermitian=True) @ across.T
    )
    curvature, directions = np.linalg.eigh((schur + schur.T) / 2)
    along, rounding = directions.T @ r, 100 * len(matrix) * _EPS
    curved = curvature > rounding
    # For a root, whose gradient is that of the square over twice the objective, all is done for the square.
    factor = 2 * objective if problem.risk.is_root else 1.0
    size = 2 * np.sqrt(at_zero + float((own * w) @ matrix @ (own * w)))
    if (factor * np.abs(along[~curved]) > rounding * size).any():
        return -np.inf
    decrease = float(np.sum((factor * along[curved]) ** 2 / (4 * curvature[curved])))
    if not problem.risk.is_root:
        return objective + constant - decrease
    square = objective**2 + factor * constant - decrease - 4 * _EPS * (at_zero + objective**2)
    return float(np.sqrt(max(square, 0.0)))


def implied_bounds(problem: Problem) -> tuple[Array, Array]:
    """Bounds of the weights, infinite ones tightened by what the other limits imply."""
    lower, upper = problem.lower.copy(), problem.upper.copy()
    for s in problem.absolute_sums.values():
        reach = np.divide(s.limit, s.coefficients, out=np.full(len(lower), np.inf), where=s.coefficients > 0)
        lower, upper = np.maximum(lower, s.centre - reach), np.minimum(upper, s.centre + reach)
    if np.isinf(lower).any() or np.isinf(upper).any():
        A, row_lower, row_upper = problem.linear
        for k in range(A.shape[0]):
            row = A[[k]].toarray()[0] if hasattr(A, "toarray") else A[k]
            for a, limit in ((row, row_upper[k]), (-row, -row_lower[k])):
                if np.isfinite(limit):
                    _tighten(a, limit, lower, upper)
    return lower, upper


def _tighten(a: Array, limit: float, lower: Array, upper: Array) -> None:
    """Use a'w <= limit in place: each weight takes at most what the least of all others leaves."""
    with np.errstate(invalid="ignore"):
        least = np.where(a == 0, 0.0, np.where(a > 0, a * lower, a * upper))
    infinite = np.isinf(least)
    if infinite.sum() > 1:
        return
    rest = least[~infinite].sum() - np.where(infinite, 0.0, least)
    where = (a != 0) & (infinite if infinite.any() else True)
    reach = np.divide(limit - rest, a, out=np.zeros(len(a)), where=where)
    up, down = where & (a > 0), where & (a < 0)
    upper[up], lower[down] = np.minimum(upper, reach)[up], np.maximum(lower, reach)[down]


def _residuals(problem: Problem, solution: Solution) -> tuple[float, dict[str, float]]:
    """Dual objective and residuals of the cone form at the solver's point; violation also at the weights."""
    form = cone_form(problem)
    form.set_weights(problem, solution.weights)
    broken = [float(np.max(part.violation())) / problem.unit for parts in form.others.values() for part in parts]
    if solution.cone_point is None:
        return -np.inf, {"primal": max(broken, default=0.0), "stationarity": np.inf, "complementarity": np.inf}
    data, _, inverse = form.canonical()
    x, z = solution.cone_point
    A, b, c = data["A"], data["b"], data["c"]
    Px = data["P"] @ x if "P" in data else np.zeros(len(x))
    s = b - A @ x
    dual = float(inverse[-1]["offset"]) - 0.5 * float(x @ Px) - float(b @ z)
    # Each residual as what it may be worth in the objective at a point of this size: terms may come in any unit.
    outside = _outside(s, data["dims"], dual=False) / (1 + float(np.max(np.abs(b))))
    tilt = float(np.abs(Px + c + A.T @ z) @ np.maximum(np.abs(x), 1.0))
    return form.declared(problem, dual), {
        "primal": max([outside, *broken]),
        "stationarity": max(tilt, _outside(z, data["dims"], dual=True)),
        "complementarity": abs(float(s @ z)),
    }


def _outside(v: Array, dims: Any, *, dual: bool) -> float:
    """How far a vector is outside of a product of cones (zero, nonnegative, second-order, exponential) or its dual."""
    if dims.psd or dims.p3d or getattr(dims, "pnd", None):
        return np.inf  # not needed by any term so far; said openly rather than skipped
    start = dims.zero + dims.nonneg
    worst = [0.0, *(() if dual else np.abs(v[: dims.zero])), *(-v[dims.zero : start])]
    for size in dims.soc:
        worst.append(float(np.linalg.norm(v[start + 1 : start + size]) - v[start]))
        start += size
    for x, y, z in v[start : start + 3 * dims.exp].reshape(-1, 3):
        worst.append(_outside_exponential_dual(x, y, z) if dual else _outside_exponential(x, y, z))
    return float(max(worst))


def _outside_exponential(x: float, y: float, z: float) -> float:
    """Distance measure to y·exp(x/y) <= z, y > 0."""
    return float(y * np.exp(min(x / y, 700.0)) - z) if y > 0 else float(max(x, -y, -z))


def _outside_exponential_dual(u: float, v: float, w: float) -> float:
    """Distance measure to -u·exp(v/u) <= e·w, u < 0."""
    return float(-u * np.exp(min(v / u - 1, 700.0)) - w) if u < 0 else float(max(u, -v, -w))

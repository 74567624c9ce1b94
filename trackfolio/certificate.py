"""Proofs from the data and the returned values alone: nothing that a solver said is believed."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trackfolio._cone_form import cone_form
from trackfolio._functions import AbsoluteSum, least_each
from trackfolio._quadratic import root_of
from trackfolio._search_proof import proven_bound
from trackfolio._validation import Array
from trackfolio.problem import Problem
from trackfolio.solution import Certificate, Solution

__all__ = ["certify"]

Mask = npt.NDArray[np.bool_]
_EPS = float(np.finfo(float).eps)
# From here on curvature, in units of the assets' own, is known from squares to more digits than gaps have.
_SAFE_CURVATURE = 1e-6


@np.errstate(over="ignore", invalid="ignore")  # weights that are out of all bounds are judged too
def certify(problem: Problem, solution: Solution) -> Certificate:
    r"""Compute objective, lower bound and violation of a solution from the data.

    For the convex objective f and limits :math:`h_k(w) \le L_k` with multipliers :math:`\nu_k \ge 0`, let
    :math:`m + g'(w - \hat w)` be an affine function below :math:`f + \nu'h`, from gradients at the weights
    :math:`\hat w`, or, where a function has kinks, from the returned multipliers of the periods (`Risk.support`).
    With linear limits :math:`l \le Aw \le u` and their multipliers :math:`\lambda`, every w within the limits has

    .. math::

        f(w) \ge m - g'\hat w - \nu' L + \lambda^{+\prime} l - \lambda^{-\prime} u
        + \sum_i \min_{lower_i \le w_i \le upper_i} (g - A'\lambda)_i w_i

    where sums of absolute values, instead of an affine function below them, take part in the minimum themselves,

    whatever the multipliers are: wrong ones give a weak bound, never a false one. Limits on what is held are no convex
    set: there the bound is the least of those of the leaves of a search, which are checked to leave no portfolio out
    (see :class:`trackfolio.solvers.Sparse`). Where a weight has an infinite bound, the limits are first used to bound
    it; where that fails, the curvature of a quadratic objective is.

    Parameters
    ----------
    problem : Problem
        Data and terms.
    solution : Solution
        Weights and multipliers.

    Returns
    -------
    Certificate
        Of kind "bound"; of kind "reported" where a mixed-integer solver was needed, whose bound is believed; of kind
        "residuals" where a risk offers neither `gradient` nor `support`, where a cost or constraint is a cvxpy
        expression, or where weights have no bounds that the limits would imply.

    References
    ----------
    The Lagrangian bound of Geoffrion (1974), Lagrangean relaxation for integer programming, Mathematical Programming
    Study 2.

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
    unit = problem.gap_unit_at(objective)
    if problem.is_discrete:
        kind, bound = _searched_bound(problem, solution)
        bound = max(bound, problem.least_value)
        # Above the objective by more than rounding, it says that something is wrong: then the gap is negative.
        bound = objective if objective < bound <= objective + 1e-6 * unit else bound
        return Certificate(kind, objective, bound, float((objective - bound) / unit), violation)
    if is_provable(problem):
        proven = _lower_bound(problem, solution, objective)
        # With free weights, slopes that are zero but for rounding prove nothing; the point of the cone form may.
        if np.isfinite(proven) or solution.cone_point is None:
            # The weights attain the objective: a bound above it only says that they break a limit by rounding.
            bound = min(max(proven, problem.least_value), objective)
            return Certificate("bound", objective, bound, float((objective - bound) / unit), violation)
    bound, residuals = _residuals(problem, solution)
    violation = max(violation, residuals.pop("primal"))
    return Certificate("residuals", objective, bound, float((objective - bound) / unit), violation, **residuals)


def _searched_bound(problem: Problem, solution: Solution) -> tuple[str, float]:
    """Bound from the leaves of a search, or the one that a mixed-integer solver reported."""
    if solution.proof is None:
        return "reported", solution.reported_bound
    bound = proven_bound(problem, solution.proof, *implied_bounds(problem))
    return "bound", float(np.sqrt(max(bound, 0.0))) if problem.is_root else bound


def is_provable(problem: Problem) -> bool:
    """Whether each function has an affine one below it, from which slopes of the objective follow."""
    functions = [f for _, _, f in problem.objective]
    functions += [f for limits in problem.limits.values() for limit in limits for _, f in limit.summands]
    return all(f.is_provable for f in functions) and not any(problem.other_terms())


@dataclass(frozen=True)
class Lagrangian:
    """Objective and priced limits at the weights: an affine function below their smooth part, and absolute values.

    Everywhere, objective + ν'(h - L) is at least ``value + slope·(v - w)`` plus the sums of absolute values at v.
    """

    value: float
    slope: Array
    sums: list[tuple[float, AbsoluteSum]]
    magnitude: float
    rounding: float


def lagrangian(problem: Problem, solution: Solution) -> Lagrangian:
    """Price the limits on functions by their multipliers; a negative one proves nothing and counts as 0."""
    w, slope, sums = solution.weights, np.zeros(problem.n_assets), []
    values, rounding = [], 0.0
    for coefficient, function, pull in _priced(problem, solution):
        if isinstance(function, AbsoluteSum):
            sums.append((coefficient, function))
            continue
        below = function.minorant(w, None if pull is None else pull / coefficient)
        slope = slope + coefficient * below.slope
        values.append(coefficient * below.value)
    for name, limits in problem.limits.items():
        duals = solution.limit_duals.get(name, [])
        for nu, limit in zip(duals, limits, strict=False):
            values.append(-max(nu, 0.0) * limit.bound)
            # Next to nothing, a limit has multipliers that are huge, and rounding of the returns counts.
            rounding += max(nu, 0.0) * limit.rounding(problem.unit)
    return Lagrangian(float(sum(values)), slope, sums, float(np.abs(values).sum()), rounding)


def _priced(problem: Problem, solution: Solution) -> Iterator[tuple[float, Any, Array | None]]:
    """Coefficient, function and subgradient (times the coefficient) of each summand of the Lagrangian."""
    for name, coefficient, function in problem.objective:
        yield coefficient, function, _first(solution.pulls.get(name))
    for name, limits in problem.limits.items():
        pulls = iter(solution.pulls.get(name, []))
        for nu, limit in zip(solution.limit_duals.get(name, []), limits, strict=False):
            for coefficient, function in limit.summands:
                pull = next(pulls, None)
                if nu > 0:
                    yield nu * coefficient, function, pull


def _first(pulls: list[Array | None] | None) -> Array | None:
    return pulls[0] if pulls else None


def _lower_bound(problem: Problem, solution: Solution, objective: float) -> float:
    duals = solution.row_duals
    if duals is None or not np.isfinite(duals).all() or np.isnan(objective):
        return -np.inf
    if problem.quadratic is not None and not np.isfinite(implied_bounds(problem)).all():
        # Curvature is what is above the tangent: no other affine function below the objective will do.
        solution = dataclasses.replace(solution, pulls={k: v for k, v in solution.pulls.items() if k in problem.limits})
    priced, w = lagrangian(problem, solution), solution.weights
    return max(_bound_at(problem, priced, tried, objective, w) for tried in _tried(problem, priced, duals))


def _tried(problem: Problem, priced: Lagrangian, duals: Array) -> Iterator[Array]:
    """Multipliers of the rows as they were returned, and with that of the budget set to where the bound is best.

    If all slopes are a trifle too low, each weight would take its largest value, whatever the budget is.
    """
    A, lower, upper = problem.linear
    # A multiplier of a side that does not exist proves nothing; without it, the bound is weaker but true.
    duals = np.clip(duals, np.where(np.isinf(upper), 0, -np.inf), np.where(np.isinf(lower), 0, np.inf))
    yield duals
    if lower[0] == upper[0] and np.isfinite(problem.lower).all() and np.isfinite(problem.upper).all():
        slope = priced.slope - A.T @ duals
        order = np.argsort(slope)
        filled = problem.lower.sum() + np.cumsum((problem.upper - problem.lower)[order])
        last = min(int(np.searchsorted(filled, lower[0])), len(order) - 1)
        yield duals + np.eye(1, len(duals))[0] * slope[order[last]]


def _bound_at(problem: Problem, priced: Lagrangian, duals: Array, objective: float, w: Array) -> float:
    A, lower, upper = problem.linear
    slope = priced.slope - A.T @ duals
    sides = np.where(duals > 0, lower, np.where(duals < 0, upper, 0.0))
    minima = least_each(slope, *implied_bounds(problem), priced.sums)
    free = ~np.isfinite(minima)
    summands = np.concatenate([duals * sides, -priced.slope * w, np.where(free, slope * w, minima)])
    allowance = 4.0 * _EPS * (abs(objective) + priced.magnitude + float(np.abs(summands).sum())) + priced.rounding
    bound = priced.value + float(summands.sum()) - allowance
    if free.any():
        bound = _bound_by_curvature(problem, objective, bound - objective, w, slope, free)
    return -np.inf if np.isnan(bound) else bound


def reduced_costs(problem: Problem, solution: Solution) -> tuple[Array, list[tuple[float, AbsoluteSum]]]:
    """What a unit more of each asset would cost, bounds apart: a slope, and priced sums of absolute values."""
    priced, duals = lagrangian(problem, solution), solution.row_duals
    return (priced.slope if duals is None else priced.slope - problem.linear.A.T @ duals), priced.sums


def _bound_by_curvature(
    problem: Problem, objective: float, constant: float, w: Array, slope: Array, free: Mask
) -> float:
    """Bound where some weights are free: the least of slope'd + d'Sd, with S what a quadratic adds for them.

    S is the Schur complement of the matrix on the free weights: whatever the others do, the quadratic is at least
    d'Sd. In directions in which S is flat, the slope must be 0 up to the rounding with which it was computed; else
    there is no bound. Each asset is measured in units of its own size, so that none is flat for being small.
    """
    if problem.quadratic is None:
        return -np.inf
    matrix, _, at_zero = problem.quadratic.gram()
    own = np.sqrt(np.diagonal(matrix))
    own = np.where(own > 0, own, np.max(own, initial=0.0) or 1.0)
    matrix = matrix / np.outer(own, own)
    # For a root, whose gradient is that of the square over twice the objective, all is done for the square.
    factor = 2 * objective if problem.is_root else 1.0
    r, rounding = factor * slope[free] / own[free], 100 * len(matrix) * _EPS
    size = 2 * np.sqrt(max(at_zero + float((own * w) @ matrix @ (own * w)), 0.0))
    curvature, along = _curvature(matrix, r, free)
    known = curvature > _SAFE_CURVATURE
    if (np.abs(along[~known]) > rounding * size).any():
        # Squares have lost what the returns themselves may know of these directions.
        singular, along = _singular(root_of(problem.quadratic) / own, r, free)
        curvature, known = singular**2, singular > rounding
        if (np.abs(along[~known]) > rounding * size).any():
            return -np.inf
        along = np.abs(along) + 4 * _EPS * size
    decrease = float(np.sum(along[known] ** 2 / (4 * curvature[known])))
    if not problem.is_root:
        return objective + constant - decrease
    square = objective**2 + factor * constant - decrease - 4 * _EPS * (at_zero + objective**2)
    return float(np.sqrt(max(square, 0.0)))


def _curvature(matrix: Array, r: Array, free: Mask) -> tuple[Array, Array]:
    """Eigenvalues of the Schur complement, and slopes along its eigenvectors."""
    across = matrix[np.ix_(free, ~free)]
    schur = (
        matrix[np.ix_(free, free)] - across @ np.linalg.pinv(matrix[np.ix_(~free, ~free)], hermitian=True) @ across.T
    )
    curvature, directions = np.linalg.eigh((schur + schur.T) / 2)
    return curvature, directions.T @ r


def _singular(root: Array, r: Array, free: Mask) -> tuple[Array, Array]:
    """Roots of the same eigenvalues, to full precision, from what is left of the root's columns beside the others."""
    rest = root[:, free] - root[:, ~free] @ (np.linalg.pinv(root[:, ~free]) @ root[:, free])
    _, singular, directions = np.linalg.svd(rest)
    return np.pad(singular, (0, len(r) - len(singular))), directions @ r


def implied_bounds(problem: Problem) -> tuple[Array, Array]:
    """Bounds of the weights, infinite ones tightened by what the other limits imply."""
    lower, upper = problem.lower.copy(), problem.upper.copy()
    for s, bound in problem.absolute_limits:
        above, below = (np.divide(bound, c, out=np.full(len(lower), np.inf), where=c > 0) for c in (s.up, s.down))
        lower, upper = np.maximum(lower, s.centre - below), np.minimum(upper, s.centre + above)
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
    if solution.cone_point is None or not all(np.isfinite(part).all() for part in solution.cone_point):
        return -np.inf, {"primal": max(broken, default=0.0), "stationarity": np.inf, "complementarity": np.inf}
    data, _, inverse = form.canonical()
    x, z = solution.cone_point
    A, b, c = data["A"], data["b"], data["c"]
    Px = data["P"] @ x if "P" in data else np.zeros(len(x))
    s = b - A @ x
    dual = float(inverse[-1]["offset"]) - 0.5 * float(x @ Px) - float(b @ z)
    # Each residual as what it may be worth in the objective at a point of this size: terms may come in any unit.
    outside = _outside(s, data["dims"], dual=False) / (1 + float(np.max(np.abs([b, s]))))
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

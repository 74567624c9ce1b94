r"""A problem in cvxpy, and in the standard form of cones to which cvxpy brings it.

.. math:: \min_x \tfrac12 x'Px + c'x \quad\text{s.t.}\quad Ax + s = b,\; s \in K
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trackfolio._functions import Limit, RiskOf, Written
from trackfolio._position import CvxpyWeights
from trackfolio._validation import Array
from trackfolio.exceptions import SolverFailure
from trackfolio.problem import Problem

# Names of the binary variables for long positions (or any), and for short ones.
_HELD = ("held", "held_short")

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ConeForm:
    """The cvxpy problem, its weights, and the handles from which multipliers are read."""

    program: Any
    variable: Any
    row_parts: list[tuple[Mask, float, Any]]
    written: dict[str, list[Written]]
    limits: dict[str, list[Any]]
    others: dict[str, list[Any]]
    squared: bool

    @property
    def has_weights(self) -> bool:
        """Whether the program has found any."""
        return self.variable.value is not None

    @property
    def held(self) -> Mask | None:
        """Which assets are held by the binary variables that were found; None where there are none."""
        values = [v.value for v in self.program.variables() if v.name() in _HELD]
        return np.sum(values, axis=0) > 0.5 if values else None

    def weights(self, problem: Problem) -> Array:
        """Weights found."""
        return problem.unit * np.array(self.variable.value, dtype=np.float64)

    def set_weights(self, problem: Problem, w: Array) -> None:
        """Put weights in, so that expressions and violations can be read."""
        self.variable.value = w / problem.unit

    def declared(self, problem: Problem, value: float) -> float:
        """Declared objective for a value of the objective written here."""
        return float(np.sqrt(max(value, 0.0))) * problem.scale if self.squared else value * problem.scale

    def canonical(self, options: dict[str, Any] | None = None) -> tuple[dict[str, Any], Any, Any]:
        """Data, chain and inverse data of Clarabel's standard form."""
        import cvxpy as cp

        data: tuple[dict[str, Any], Any, Any] = self.program.get_problem_data(cp.CLARABEL, solver_opts=options or {})
        return data

    def take(self, raw: Any, chain: Any, inverse: Any) -> int:
        """Bring a solver's answer back into the program; how many iterations it took.

        Like `cvxpy.Problem.unpack_results`, without its warning of inaccuracy: certificates say more, and filters of
        warnings belong to all threads at once.
        """
        import cvxpy as cp

        solution = chain.invert(raw, inverse)
        if solution.status in cp.settings.ERROR:
            raise SolverFailure(f"{chain.solver.name()} gave up with status {solution.status!r}")
        self.program.unpack(solution)
        return int(solution.attr.get(cp.settings.NUM_ITERS) or 0)

    def pulls(self, per_unit: float) -> dict[str, list[Array | None]]:
        """Subgradients of functions, times their coefficients, by name: minus the multipliers of their links."""
        return {name: [part.pull(per_unit) for part in parts] for name, parts in self.written.items()}

    def row_duals(self, problem: Problem) -> Array:
        """Signed multipliers of the rows of `Problem.linear`, for the objective written here."""
        duals = np.zeros(len(problem.linear.lower))
        for mask, sign, constraint in self.row_parts:
            duals[mask] += sign * np.atleast_1d(constraint.dual_value)
        return duals / problem.unit


def cone_form(problem: Problem, *, with_objective: bool = True) -> ConeForm:
    """Write a problem in cvxpy, its objective divided by its scale, or for the root of a quadratic form, its square.

    Objectives of daily returns are about 1e-6, at which solvers would stop at the start. The square has the same
    minimum as the root, and Clarabel solves it to gaps of 1e-12 where it stalls at 1e-6 for the root.
    """
    import cvxpy as cp

    u = cp.Variable(problem.n_assets, name="weights")
    w = u if problem.unit == 1 else problem.unit * u
    squared = problem.is_root and problem.quadratic is not None
    weights, shared = _weights(problem, w)
    written: dict[str, list[Written]] = {}
    objective: Any = 0
    if with_objective and squared:
        objective = _squared_objective(problem, w)
    elif with_objective:
        written = {name: [function.write(weights)] for name, _, function in problem.objective}
        objective = sum((c / problem.scale) * written[name][0].expression for name, c, _ in problem.objective)
    row_parts = _row_parts(problem, u)
    limits = {}
    for name, listed in problem.limits.items():
        written[name], limits[name] = _written_limits(problem, listed, weights)
    others = {name: _listed(term.constraints(problem, w), name) for name, term in problem.other_terms()}
    constraints = [
        *(part for _, _, part in row_parts),
        *_bounds(problem, u),
        *_holdings(problem, u),
        *shared,
        *(c for parts in limits.values() for c in parts),
        *(c for parts in written.values() for part in parts for c in part.constraints),
        *(c for parts in others.values() for c in parts),
    ]
    program = cp.Problem(cp.Minimize(objective), constraints)
    if not program.is_dcp():
        faulty = [name for name, parts in others.items() if not all(c.is_dcp() for c in parts)]
        faulty += [name for name, parts in written.items() if not all(part.is_dcp() for part in parts)]
        raise ValueError(
            f"{', '.join(faulty)} is not convex by the rules of disciplined convex programming; see cvxpy's "
            "help on DCP."
        )
    return ConeForm(program, u, row_parts, written, limits, others, squared)


def _weights(problem: Problem, w: Any) -> tuple[CvxpyWeights, list[Any]]:
    """Weights as functions want them; with returns of their own, and the equation for these, if several need them."""
    import cvxpy as cp

    functions = [f for _, _, f in problem.objective]
    functions += [f for limits in problem.limits.values() for limit in limits for _, f in limit.summands]
    if sum(isinstance(f, RiskOf) and not f.is_quadratic for f in functions) < 2:
        return CvxpyWeights(w, problem.unit), []
    unit, rows = problem.portfolio.return_unit * problem.unit, problem.portfolio.double_rows
    scaled = cp.Variable(len(rows))
    return CvxpyWeights(w, problem.unit, unit * scaled), [scaled == (rows / unit) @ w]


def _squared_objective(problem: Problem, w: Any) -> Any:
    import cvxpy as cp

    assert problem.quadratic is not None
    # Divided before it is squared: coefficients near 1 are what solvers see.
    R, r = (part / problem.scale for part in problem.quadratic.root())
    return cp.sum_squares(R @ w - r)


def _written_limits(problem: Problem, limits: list[Limit], weights: CvxpyWeights) -> tuple[list[Written], list[Any]]:
    """Functions of the limits in order, and the limits divided by their scale."""
    functions, constraints = [], []
    for limit in limits:
        terms = [function.write(weights) for _, function in limit.summands]
        scale = limit.scale(problem.unit)
        total = sum((c / scale) * term.expression for (c, _), term in zip(limit.summands, terms, strict=True))
        functions += terms
        constraints.append(total <= limit.bound / scale)
    return functions, constraints


def _bounds(problem: Problem, u: Any) -> list[Any]:
    bounds = []
    for sign, bound in ((1, problem.lower), (-1, problem.upper)):
        finite = np.isfinite(bound)
        if finite.any():
            bounds.append(sign * u[np.flatnonzero(finite)] >= sign * bound[finite] / problem.unit)
    return bounds


def _holdings(problem: Problem, u: Any) -> list[Any]:
    """Limits on what is held, with two binary variables an asset: held long (or at all), and held short."""
    import cvxpy as cp

    holdings = problem.holdings
    if holdings is None:
        return []
    held = [cp.Variable(problem.n_assets, boolean=True, name=_HELD[0])]
    parts = [held[0] <= holdings.can_be_long.astype(float)]
    if holdings.can_be_short.any():
        held.append(cp.Variable(problem.n_assets, boolean=True, name=_HELD[1]))
        parts += [held[1] <= holdings.can_be_short.astype(float), held[0] + held[1] <= 1]
    sides = [*zip(held, holdings.sides, strict=False)]  # without shorts, there is one
    parts.append(u >= sum(cp.multiply(low / problem.unit, is_held) for is_held, (low, _) in sides))
    parts.append(u <= sum(cp.multiply(high / problem.unit, is_held) for is_held, (_, high) in sides))
    for limit in holdings.limits:
        count = sum(cp.sum(is_held[limit.members]) for is_held in held)
        parts += [count <= limit.most, count >= limit.fewest]
    return parts


def _row_parts(problem: Problem, u: Any) -> list[tuple[Mask, float, Any]]:
    """Equalities, lower and upper sides of the linear limits, with the sign that makes cvxpy's duals ours."""
    A, lower, upper = problem.linear
    lower, upper = lower / problem.unit, upper / problem.unit
    equal = lower == upper
    below, above = np.isfinite(lower) & ~equal, np.isfinite(upper) & ~equal
    parts = []
    if equal.any():
        parts.append((equal, -1.0, A[equal] @ u == lower[equal]))
    if below.any():
        parts.append((below, 1.0, A[below] @ u >= lower[below]))
    if above.any():
        parts.append((above, -1.0, A[above] @ u <= upper[above]))
    return parts


def _listed(constraints: Any, name: str) -> list[Any]:
    import cvxpy as cp

    parts = list(constraints) if isinstance(constraints, list | tuple) else [constraints]
    for part in parts:
        if not isinstance(part, cp.constraints.constraint.Constraint):
            raise TypeError(
                f"{name}: constraints(problem, w) must return cvxpy constraints, got {type(part).__name__}."
            )
    return parts

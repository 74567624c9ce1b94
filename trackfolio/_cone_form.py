r"""A problem in cvxpy, and in the standard form of cones to which cvxpy brings it.

.. math:: \min_x \tfrac12 x'Px + c'x \quad\text{s.t.}\quad Ax + s = b,\; s \in K
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trackfolio._terms import offers
from trackfolio._validation import Array
from trackfolio.problem import Problem

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ConeForm:
    """The cvxpy problem, its weights, and the handles from which multipliers are read."""

    program: Any
    variable: Any
    row_parts: list[tuple[Mask, float, Any]]
    sums: dict[str, Any]
    others: dict[str, list[Any]]
    squared: bool

    @property
    def has_weights(self) -> bool:
        """Whether the program has found any."""
        return self.variable.value is not None

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
    squared = problem.risk.is_root and offers(problem.risk, "quadratic")
    objective = _objective(problem, w, squared) if with_objective else 0
    row_parts = _row_parts(problem, u)
    sums = {
        name: s.coefficients @ cp.abs(u - s.centre / problem.unit) <= s.limit / problem.unit
        for name, s in problem.absolute_sums.items()
    }
    others = {name: _listed(term.constraints(problem, w), name) for name, term in problem.other_terms()}
    bounds = []
    for sign, bound in ((1, problem.lower), (-1, problem.upper)):
        finite = np.isfinite(bound)
        if finite.any():
            bounds.append(sign * u[np.flatnonzero(finite)] >= sign * bound[finite] / problem.unit)
    constraints = (
        [part for _, _, part in row_parts] + bounds + [*sums.values()] + [c for parts in others.values() for c in parts]
    )
    program = cp.Problem(cp.Minimize(objective), constraints)
    if not program.is_dcp():
        faulty = [name for name, parts in others.items() if not all(c.is_dcp() for c in parts)] or ["risk"]
        raise ValueError(
            f"{', '.join(faulty)} is not convex by the rules of disciplined convex programming; see cvxpy's "
            "help on DCP."
        )
    return ConeForm(program, u, row_parts, sums, others, squared)


def _objective(problem: Problem, w: Any, squared: bool) -> Any:
    import cvxpy as cp

    if not offers(problem.risk, "quadratic"):
        return problem.risk.expression_at(problem.position, w) / problem.scale
    # Divided before it is squared: coefficients near 1 are what solvers see.
    unit = problem.scale if squared else np.sqrt(problem.scale)
    R, r = problem.risk.quadratic(problem.position).root()
    return cp.sum_squares((R / unit) @ w - r / unit)


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

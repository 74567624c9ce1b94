"""Quadratic objectives under linear limits: an active set on the N x N matrix, with PIQP behind it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trackfolio._quadratic import RowsQuadratic, has_factors
from trackfolio._validation import Array
from trackfolio.exceptions import InfeasibleError, SolverFailure
from trackfolio.problem import Problem
from trackfolio.solution import Solution
from trackfolio.solvers._active_set import BOUND_TOLERANCE, PATIENCE, SLOPE_TOLERANCE, BoxedQP, Guess, solve_active_set
from trackfolio.solvers._base import Solver, calling
from trackfolio.solvers._fold import FoldedLimits, fold

# Accuracy of PIQP, and rounds of scaling before it: with assets that are alike, it needs fewer steps without.
_ROUGH, _TIGHT = (1e-8, 0), (1e-12, 10)
# With fewer periods than assets, a first guess of all weights free settles steadily or not at all.
_PATIENCE_SINGULAR = 1
# Matrices of this size in factor form are faster by the interior point that keeps the factors.
_LARGE = 500


class DenseQP(Solver):
    r"""Direct solver for a quadratic risk (or its root) under bounds and linear limits.

    .. math:: \min_w \tfrac{1}{2s}(w'Mw - 2h'w) \quad\text{s.t.}\quad l \le Aw \le u,\; lower \le w \le upper

    with the scale s of the objective. Under bounds and equations, an active-set iteration usually settles in a few
    steps, and is exact. Where it does not, or where rows are inequalities, the interior-point method of PIQP [1]_ finds
    which limits bind, and the active set begins from there; where even that does not settle, PIQP runs again to a tight
    tolerance.

    Parameters
    ----------
    tolerance : float, default=1e-8
        Gap (relative) that the solution must reach; a larger one gives an `AccuracyWarning`.
    max_iter : int, default=250
        Iterations of the interior-point method.

    References
    ----------
    .. [1] Schwan, Jiang, Kuhn & Jones (2023), PIQP: a proximal interior-point quadratic programming solver, IEEE
       Conference on Decision and Control.

    Examples
    --------
    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.solvers import DenseQP
    >>> X, y = load_sp500(start="2021-01-01", return_X_y=True)
    >>> MinTrackingError(solver=DenseQP()).fit(X, y).solution_.solver
    'DenseQP'
    """

    needs_quadratic = True
    needs_of_constraints = ("rows",)

    def __init__(self, tolerance: float = 1e-8, max_iter: int = 250) -> None:
        self.tolerance = tolerance
        self.max_iter = max_iter

    def is_slow_for(self, problem: Problem) -> bool:
        """Whether the matrix is large and has few factors, which this solver multiplies out."""
        return problem.quadratic is not None and problem.n_assets >= _LARGE and has_factors(problem.quadratic)

    def solve(self, problem: Problem) -> Solution:
        """Solve by an active set, with an interior point where that does not settle."""
        program = _Program.of(problem)
        x, duals, iterations = self._solve_program(program)
        w = problem.unit * x
        # The objective solved is half of q / s.
        per_unit = 2 / problem.unit * problem.multiplier_unit(w, squared=problem.is_root)
        return Solution(
            weights=w,
            solver=type(self).__name__,
            iterations=iterations,
            row_duals=program.limits.unfold(problem, w, duals * per_unit),
        )

    def _solve_program(self, program: "_Program") -> tuple[Array, Array, int]:
        """Active set from scratch, else from the guess of a rough interior point, else a tight interior point."""
        if program.equations.all():
            exact = _active_set(program, _Point.cold(program), _PATIENCE_SINGULAR if program.is_singular else PATIENCE)
            if exact is not None:
                return exact
        rough = self._interior_point(program, *_ROUGH)
        exact = _active_set(program, rough)
        if exact is not None:
            return exact[0], exact[1], rough.iterations + exact[2]
        tight = self._interior_point(program, *_TIGHT)
        return tight.guess.x, tight.row_duals, rough.iterations + tight.iterations

    def _interior_point(self, program: "_Program", accuracy: float, scalings: int) -> "_Point":
        import piqp

        solver = piqp.DenseSolver()
        settings = solver.settings
        settings.eps_abs = settings.eps_duality_gap_abs = accuracy
        settings.eps_rel = settings.eps_duality_gap_rel = 0.0
        settings.max_iter, settings.preconditioner_iter = self.max_iter, scalings
        limits, equal = program.limits, program.equations
        A, G = limits.A[equal], limits.A[~equal]
        with calling("PIQP"):
            # P is symmetric: its transpose is the same matrix in the column order that PIQP reads.
            solver.setup(
                program.P.T, program.c,
                *((np.asfortranarray(A), limits.lower[equal]) if len(A) else (None, None)),
                *((np.asfortranarray(G), limits.lower[~equal], limits.upper[~equal]) if len(G) else (None, None, None)),
                limits.box_lower, limits.box_upper,
            )  # fmt: skip
            status = solver.solve()
        if status == piqp.PIQP_PRIMAL_INFEASIBLE:
            raise InfeasibleError("no weights satisfy all limits at once")
        if status not in (piqp.PIQP_SOLVED, piqp.PIQP_MAX_ITER_REACHED, piqp.PIQP_NUMERICS):
            raise SolverFailure(f"PIQP ended with status {status.name}")
        return _Point.read(solver.result, equal)


@dataclass(frozen=True)
class _Program:
    """The problem in units of its scale and of its weights: minimise ½x'Px + c'x within limits."""

    P: Array
    c: Array
    gradient: Callable[[Array], Array]
    limits: FoldedLimits
    is_singular: bool

    @classmethod
    def of(cls, problem: Problem) -> "_Program":
        quadratic = problem.quadratic
        assert quadratic is not None, "lacking() lets only quadratic objectives pass"
        matrix, linear, _ = quadratic.gram()
        unit, scale = problem.unit, problem.scale**2 if problem.is_root else problem.scale

        def gradient(x: Array) -> Array:
            return quadratic.gradient(unit * x) * (unit / (2 * scale))

        is_singular = isinstance(quadratic, RowsQuadratic) and quadratic.is_wide
        return cls(matrix * (unit**2 / scale), linear * (-unit / scale), gradient, fold(problem), is_singular)

    @property
    def equations(self) -> npt.NDArray[np.bool_]:
        """Which rows are equations."""
        equal: npt.NDArray[np.bool_] = self.limits.lower == self.limits.upper
        return equal


@dataclass(frozen=True)
class _Point:
    """Where an active set begins: a guess of the bounds that hold, of the rows, and signed multipliers of these."""

    guess: Guess
    row_duals: Array
    active_rows: npt.NDArray[np.bool_]
    iterations: int

    @classmethod
    def cold(cls, program: _Program) -> "_Point":
        """No bound holds, but all rows do."""
        n, m = len(program.c), len(program.limits.lower)
        guess = Guess(np.zeros(n), np.zeros(n, dtype=bool), np.zeros(n, dtype=bool))
        return cls(guess, np.zeros(m), np.ones(m, dtype=bool), 0)

    @classmethod
    def read(cls, result: Any, equal: npt.NDArray[np.bool_]) -> "_Point":
        duals, active = np.zeros(len(equal)), equal.copy()
        duals[equal] = -np.asarray(result.y)
        duals[~equal] = np.asarray(result.z_l) - np.asarray(result.z_u)
        # A limit binds where its multiplier outweighs its slack.
        active[~equal] = (np.asarray(result.z_l) > result.s_l) | (np.asarray(result.z_u) > result.s_u)
        low, high = np.asarray(result.z_bl) > result.s_bl, np.asarray(result.z_bu) > result.s_bu
        return cls(Guess(np.array(result.x), low, high & ~low), duals, active, int(result.info.iter))


def _active_set(program: _Program, point: _Point, patience: int = PATIENCE) -> tuple[Array, Array, int] | None:
    """Exact solution from a guess of what binds, among the rows as well; None where that does not settle."""
    limits, active = program.limits, point.active_rows
    target = np.where(point.row_duals > 0, limits.lower, limits.upper)
    solved = solve_active_set(
        BoxedQP(
            program.P, program.c, program.gradient,
            limits.A[active], target[active], limits.box_lower, limits.box_upper,
        ),
        point.guess, patience,
    )  # fmt: skip
    if solved is None:
        return None
    x, active_duals, changes = solved
    duals = np.zeros(len(active))
    duals[active] = active_duals
    Ax, one_sided = limits.A @ x, ~program.equations
    wrong_sign = one_sided & active & (np.where(target == limits.lower, -duals, duals) > SLOPE_TOLERANCE)
    if wrong_sign.any() or (Ax < limits.lower - BOUND_TOLERANCE).any() or (Ax > limits.upper + BOUND_TOLERANCE).any():
        return None
    return x, duals, changes

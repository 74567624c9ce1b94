"""Quadratic objectives under linear limits: an active set on the N x N matrix, with PIQP behind it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from trackfolio._quadratic import Quadratic
from trackfolio._validation import Array
from trackfolio.exceptions import InfeasibleError, SolverFailure
from trackfolio.problem import Problem, Solution
from trackfolio.solvers._active_set import BOUND_TOLERANCE, SLOPE_TOLERANCE, BoxedQP, Guess, solve_active_set
from trackfolio.solvers._base import Solver

_ROUGH, _TIGHT = 1e-7, 1e-11


class DenseQP(Solver):
    r"""Direct solver for a quadratic risk (or its root) under bounds and linear limits.

    .. math:: \min_w \tfrac{1}{2s}(w'Mw - 2h'w) \quad\text{s.t.}\quad l \le Aw \le u,\; lower \le w \le upper

    with the scale s of the objective. Under bounds and equations, an active-set iteration usually settles in a few
    steps, and is exact. Where it does not, or where rows are inequalities, the interior-point method of PIQP (Schwan,
    Jiang, Kuhn & Jones 2023) finds which limits bind, and the active set begins from there; where even that does not
    settle, PIQP runs again to a tight tolerance.

    Parameters
    ----------
    tolerance : float, default=1e-8
        Gap (relative) that the solution must reach; a larger one gives an `AccuracyWarning`.
    max_iter : int, default=250
        Iterations of the interior-point method.

    Examples
    --------
    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.solvers import DenseQP
    >>> X, y = load_sp500(start="2021-01-01", return_X_y=True)
    >>> MinTrackingError(solver=DenseQP()).fit(X, y).solution_.solver
    'DenseQP'
    """

    needs_of_risk = ("quadratic",)
    needs_of_constraints = ("rows",)

    def __init__(self, tolerance: float = 1e-8, max_iter: int = 250) -> None:
        self.tolerance = tolerance
        self.max_iter = max_iter

    def solve(self, problem: Problem) -> Solution:
        """Solve by an active set, with an interior point where that does not settle."""
        folded = _fold(problem)
        matrix, linear, _ = problem.risk.quadratic(problem.position).gram()
        scale = problem.scale**2 if problem.risk.is_root else problem.scale
        unit = problem.unit
        P, c = matrix * (unit**2 / scale), linear * (-unit / scale)
        x, duals, iterations = self._solve_folded(problem, folded, P, c, scale)
        w = unit * x
        # The objective solved is half of q / s.
        per_unit = 2 / unit * problem.multiplier_unit(w, squared=problem.risk.is_root)
        return Solution(
            weights=w,
            solver=type(self).__name__,
            iterations=iterations,
            row_duals=folded.unfold(problem, w, duals * per_unit),
        )

    def _solve_folded(
        self, problem: Problem, folded: "_Folded", P: Array, c: Array, scale: float
    ) -> tuple[Array, Array, int]:
        """Active set from scratch, else from the guess of a rough interior point, else a tight interior point."""
        if (folded.lower == folded.upper).all():
            exact = _active_set(problem, folded, P, c, scale, _Point.cold(folded))
            if exact is not None:
                return exact
        rough = self._interior_point(P, c, folded, _ROUGH)
        exact = _active_set(problem, folded, P, c, scale, rough)
        if exact is not None:
            return exact[0], exact[1], rough.iterations + exact[2]
        tight = self._interior_point(P, c, folded, _TIGHT)
        return tight.x, tight.row_duals, rough.iterations + tight.iterations

    def _interior_point(self, P: Array, c: Array, folded: "_Folded", accuracy: float) -> "_Point":
        import piqp

        solver = piqp.DenseSolver()
        settings = solver.settings
        settings.eps_abs = settings.eps_duality_gap_abs = accuracy
        settings.eps_rel = settings.eps_duality_gap_rel = 0.0
        settings.max_iter = self.max_iter
        equal = folded.lower == folded.upper
        A, G = folded.A[equal], folded.A[~equal]
        # P is symmetric: its transpose is the same matrix in the column order that PIQP reads.
        solver.setup(
            P.T, c,
            *((np.asfortranarray(A), folded.lower[equal]) if len(A) else (None, None)),
            *((np.asfortranarray(G), folded.lower[~equal], folded.upper[~equal]) if len(G) else (None, None, None)),
            folded.box_lower, folded.box_upper,
        )  # fmt: skip
        status = solver.solve()
        if status == piqp.PIQP_PRIMAL_INFEASIBLE:
            raise InfeasibleError("no weights satisfy all limits at once")
        if status not in (piqp.PIQP_SOLVED, piqp.PIQP_MAX_ITER_REACHED, piqp.PIQP_NUMERICS):
            raise SolverFailure(f"PIQP ended with status {status.name}")
        return _Point.read(solver.result, equal)


@dataclass(frozen=True)
class _Point:
    """Where an active set begins: a point, which limits it leans on, and signed multipliers of the rows."""

    guess: Guess
    row_duals: Array
    active_rows: npt.NDArray[np.bool_]
    iterations: int

    @property
    def x(self) -> Array:
        """The point itself."""
        return self.guess.x

    @classmethod
    def cold(cls, folded: "_Folded") -> "_Point":
        """No bound holds, but all rows do."""
        n, m = folded.A.shape[1], len(folded.lower)
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


def _active_set(
    problem: Problem, folded: "_Folded", P: Array, c: Array, scale: float, point: _Point
) -> tuple[Array, Array, int] | None:
    """Exact solution from a guess of what binds, among the rows as well; None where that does not settle."""
    quadratic: Quadratic = problem.risk.quadratic(problem.position)

    def gradient(x: Array) -> Array:
        return quadratic.gradient(problem.unit * x) * (problem.unit / (2 * scale))

    active = point.active_rows
    target = np.where(point.row_duals > 0, folded.lower, folded.upper)
    qp = BoxedQP(P, c, gradient, folded.A[active], target[active], folded.box_lower, folded.box_upper)
    solved = solve_active_set(qp, point.guess)
    if solved is None:
        return None
    x, active_duals, changes = solved
    duals = np.zeros(len(active))
    duals[active] = active_duals
    Ax, one_sided = folded.A @ x, folded.lower != folded.upper
    wrong_sign = one_sided & active & (np.where(target == folded.lower, -duals, duals) > SLOPE_TOLERANCE)
    if wrong_sign.any() or (Ax < folded.lower - BOUND_TOLERANCE).any() or (Ax > folded.upper + BOUND_TOLERANCE).any():
        return None
    return x, duals, changes


@dataclass(frozen=True)
class _Folded:
    """Rows with one coefficient taken into the bounds (ActiveBounds has one an asset), the others dense.

    Limits are in units of the weights, as the solver sees them.
    """

    A: Array
    lower: Array
    upper: Array
    box_lower: Array
    box_upper: Array
    kept: npt.NDArray[np.intp]
    folded: npt.NDArray[np.intp]

    def unfold(self, problem: Problem, w: Array, duals: Array) -> Array:
        """Multipliers of all rows: of a folded one, the reduced cost of its asset where it is the bound that binds."""
        A = problem.linear.A
        full = np.zeros(A.shape[0])
        full[self.kept] = duals
        if len(self.folded):
            slope = problem.risk.gradient_at(problem.position, w) - A.T @ full
            self._attribute(problem, slope, full)
        return full

    def _attribute(self, problem: Problem, slope: Array, full: Array) -> None:
        """Give the slope of each weight to the folded row that is its tightest bound, if its own is not."""
        A, lower, upper = problem.linear
        unit = problem.unit
        for k in self.folded:
            row = sp.coo_array(sp.csr_array(A[[k]]))
            row.eliminate_zeros()
            i, a = int(row.coords[1][0]), float(row.data[0])
            low, high = _ends(lower[k] / unit, upper[k] / unit, a)
            at_low = slope[i] > 0 and low == self.box_lower[i] > problem.lower[i] / unit
            at_high = slope[i] < 0 and high == self.box_upper[i] < problem.upper[i] / unit
            if at_low or at_high:
                full[k], slope[i] = slope[i] / a, 0.0


def _ends(lower: float, upper: float, a: float) -> tuple[float, float]:
    """Bounds of w from lower <= a w <= upper."""
    return (lower / a, upper / a) if a > 0 else (upper / a, lower / a)


def _fold(problem: Problem) -> _Folded:
    A = problem.linear.A
    lower, upper, box_lower, box_upper = (
        side / problem.unit for side in (problem.linear.lower, problem.linear.upper, problem.lower, problem.upper)
    )
    # Rows without a finite side limit nothing, and PIQP complains of them on the terminal.
    idle = np.isinf(lower) & np.isinf(upper)
    single = np.zeros(A.shape[0], dtype=bool)
    if A.shape[0] > 1:
        single = np.asarray((sp.csr_array(A) != 0).sum(axis=1)).ravel() == 1
        rows = sp.coo_array(sp.csr_array(A)[np.flatnonzero(single)])
        rows.eliminate_zeros()
        places = np.flatnonzero(single)[rows.coords[0]]
        for k, i, a in zip(places, rows.coords[1], rows.data, strict=True):
            low, high = _ends(lower[k], upper[k], a)
            box_lower[i], box_upper[i] = max(box_lower[i], low), min(box_upper[i], high)
    crossed = box_lower > box_upper
    if (box_lower > box_upper + 1e-12 * (1 + np.abs(box_lower))).any():
        raise InfeasibleError("bounds on single weights exclude one another")
    box_upper[crossed] = box_lower[crossed]  # by rounding alone
    kept = np.flatnonzero(~single & ~idle)
    dense = A[kept].toarray() if sp.issparse(A) else A[kept]
    return _Folded(dense, lower[kept], upper[kept], box_lower, box_upper, kept, np.flatnonzero(single))

"""Linear limits as quadratic solvers want them: limits of single weights among the bounds, the others dense."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from trackfolio._validation import Array
from trackfolio.exceptions import InfeasibleError
from trackfolio.problem import Problem

Places = npt.NDArray[np.intp]


@dataclass(frozen=True)
class FoldedLimits:
    """Limits in units of the weights; rows of one coefficient (ActiveBounds has one an asset) taken into the bounds.

    `kept` are the places of the dense rows in `Problem.linear`, `folded` those of the rows that became bounds, with
    their column and coefficient.
    """

    A: Array
    lower: Array
    upper: Array
    box_lower: Array
    box_upper: Array
    kept: Places
    folded: Places
    columns: Places
    coefficients: Array

    def unfold(self, problem: Problem, w: Array, duals: Array) -> Array:
        """Multipliers of all rows: a folded one has the slope of its weight, if it is the tightest bound."""
        A, lower, upper = problem.linear
        full = np.zeros(len(lower))
        full[self.kept] = duals
        if not len(self.folded):
            return full
        slope = gradient(problem, w) - A.T @ full
        own_lower, own_upper = problem.lower / problem.unit, problem.upper / problem.unit
        for k, i, a in zip(self.folded, self.columns, self.coefficients, strict=True):
            low, high = _ends(lower[k] / problem.unit, upper[k] / problem.unit, a)
            at_low = slope[i] > 0 and low == self.box_lower[i] > own_lower[i]
            at_high = slope[i] < 0 and high == self.box_upper[i] < own_upper[i]
            if at_low or at_high:
                full[k], slope[i] = slope[i] / a, 0.0
        return full


def gradient(problem: Problem, w: Array) -> Array:
    """Gradient of the objective, all of whose functions are smooth."""
    return np.asarray(sum(c * f.minorant(w, None).slope for _, c, f in problem.objective))


def fold(problem: Problem) -> FoldedLimits:
    """Sort the limits of a problem into bounds and dense rows."""
    A, lower, upper = problem.linear
    unit = problem.unit
    # Rows without a finite side limit nothing, and PIQP complains of them on the terminal.
    idle = np.isinf(lower) & np.isinf(upper)
    folded, columns, coefficients = single_coefficients(A)
    box_lower, box_upper = problem.lower / unit, problem.upper / unit
    for k, i, a in zip(folded, columns, coefficients, strict=True):
        low, high = _ends(lower[k] / unit, upper[k] / unit, a)
        box_lower[i], box_upper[i] = max(box_lower[i], low), min(box_upper[i], high)
    crossed = box_lower > box_upper
    if (box_lower > box_upper + 1e-12 * (1 + np.abs(box_lower))).any():
        raise InfeasibleError("bounds on single weights exclude one another")
    box_upper[crossed] = box_lower[crossed]  # by rounding alone
    kept = np.setdiff1d(np.flatnonzero(~idle), folded)
    dense = A[kept].toarray() if sp.issparse(A) else A[kept]
    return FoldedLimits(
        dense, lower[kept] / unit, upper[kept] / unit, box_lower, box_upper, kept, folded, columns, coefficients
    )


def single_coefficients(A: Any) -> tuple[Places, Places, Array]:
    """Rows with one coefficient only, with its column and value."""
    if A.shape[0] == 1:  # the budget alone: the usual case need not pay for sparse matrices
        return np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0)
    if not sp.issparse(A):
        there = A != 0
        single = np.flatnonzero(there.sum(axis=1) == 1)
        columns = there[single].argmax(axis=1)
        return single, columns, A[single, columns]
    rows = sp.csr_array(A)
    if not rows.data.all():
        rows = rows.copy()
        rows.eliminate_zeros()
    single = np.flatnonzero(np.diff(rows.indptr) == 1)
    return single, rows.indices[rows.indptr[single]].astype(np.intp), rows.data[rows.indptr[single]]


def _ends(lower: float, upper: float, a: float) -> tuple[float, float]:
    """Bounds of w from lower <= a w <= upper."""
    return (lower / a, upper / a) if a > 0 else (upper / a, lower / a)

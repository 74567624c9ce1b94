"""Bounds of the weights, with those that limits of single weights imply, as of `ActiveBounds` or of trades."""

import numpy as np
import numpy.typing as npt

from trackfolio._validation import Array
from trackfolio.problem import Problem
from trackfolio.solvers._fold import single_coefficients
from trackfolio.solvers.interior_point._maps import Index
from trackfolio.solvers.interior_point._program import Point


class Bounds:
    """The tightest bounds in units of the weights, and from which rows of `Problem.linear` they are.

    `rows` are the inequalities of one coefficient, which need not be said again. Weights that their own bounds fix are
    left as they are.
    """

    def __init__(self, problem: Problem) -> None:
        A, row_lower, row_upper = problem.linear
        self.lower, self.upper = problem.lower / problem.unit, problem.upper / problem.unit
        self.fixed: npt.NDArray[np.bool_] = self.lower == self.upper
        rows, columns, a = single_coefficients(A)
        kept = (row_lower[rows] != row_upper[rows]) & ~self.fixed[columns]
        self.rows, columns, a = rows[kept], columns[kept], a[kept]
        self._coefficients, self._n_rows = np.ones(len(row_lower)), len(row_lower)
        self._coefficients[self.rows] = a
        ends = np.array([row_lower[self.rows], row_upper[self.rows]]) / (problem.unit * a)
        self._of = {
            1.0: _tighten(self.upper, ends.max(axis=0), columns, self.rows, 1.0),
            -1.0: _tighten(self.lower, ends.min(axis=0), columns, self.rows, -1.0),
        }

    def duals(self, assets: Index, sign: float, number: int, point: Point) -> Array:
        """Multipliers of all rows: where a row is the tightest bound of its weight, the slope of that."""
        rows, duals = self._of[sign][assets], np.zeros(self._n_rows)
        there = rows >= 0
        own = rows[there]
        duals[own] = -sign * point.pieces[number].slope[there] / self._coefficients[own]
        return duals


def _tighten(bounds: Array, ends: Array, columns: Index, rows: Index, sign: float) -> Index:
    """Replace bounds by tighter ones, from above (1) or below (-1); the rows that these are from, -1 for none."""
    of = np.full(len(bounds), -1)
    order = np.argsort(-sign * ends, kind="stable")  # the tightest last, which stays
    order = order[sign * ends[order] < sign * bounds[columns[order]]]
    bounds[columns[order]], of[columns[order]] = ends[order], rows[order]
    return of

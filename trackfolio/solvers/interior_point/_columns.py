r"""Many assets of which few are held: a method that works on some columns and prices the rest.

With the weights of most assets left at 0, the problem is a restriction, and small. The multipliers of its solution give
each asset that was left out its reduced cost

.. math:: d_i = \Big(c + Pw + A'y + \sum_b E_b'\pi_b + \sum_k \nu_k p_k - \sum_j V_j'z_j\Big)_i ,

in one pass over the returns. Where none is negative, the solution is that of the whole problem, whose lower bound -d
would be the multiplier of :math:`w_i \ge 0`; else those with the most negative ones join.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from trackfolio._validation import Array
from trackfolio.solvers.interior_point._active import solve_actively
from trackfolio.solvers.interior_point._cone import Cone
from trackfolio.solvers.interior_point._maps import Chosen, Rows, SparseRows
from trackfolio.solvers.interior_point._method import Outcome
from trackfolio.solvers.interior_point._pieces import Pieces, PiecesState
from trackfolio.solvers.interior_point._program import Point, Program

Mask = npt.NDArray[np.bool_]

# Fewer assets than this gain nothing; a weight counts as held from this share of the largest.
_MANY, _HELD = 60, 1e-5
_MOST_ROUNDS = 12


def solve_sifting(program: Program, tolerance: float, max_iter: int, near: Array | None) -> Outcome:
    """Solve on the assets held by weights near the solution, if there are such, and on those that join; else on all."""
    can_leave = _can_leave(program)
    if near is None or len(near) < _MANY or not can_leave.any():
        return solve_actively(program, tolerance, max_iter, near)
    kept, iterations = ~can_leave | (np.abs(near) > _HELD * np.max(np.abs(near))), 0
    for _ in range(_MOST_ROUNDS):
        if kept.mean() > 0.8:
            break
        outcome = solve_actively(_restricted(program, kept), tolerance, max_iter, near[kept])
        iterations += outcome.iterations
        point = _expanded(program, outcome.point, kept)
        reduced = (program.cost + program.pulled(point)[0])[: program.n_assets]
        missing = np.where(kept, 0.0, -reduced)
        if outcome.miss > 1e-6:
            break  # its multipliers tell nothing
        if missing.max() <= 10 * tolerance:
            return Outcome(point, iterations, max(outcome.miss, float(missing.max())))
        near = np.abs(point.x[: program.n_assets])
        kept |= missing > 0.1 * missing.max()
    outcome = solve_actively(program, tolerance, max_iter, near)
    return outcome._replace(iterations=iterations + outcome.iterations)


def _can_leave(program: Program) -> Mask:
    """Assets with a lower bound of 0 that no sum but bounds and those of whole rows knows."""
    leave = np.zeros(program.n_assets, dtype=bool)
    for p in program.pieces:
        if isinstance(p.map, Chosen) and p.sign < 0 and not p.has_upper:
            leave[p.map.index[p.offset == 0]] = True
    for p in program.pieces:
        if isinstance(p.map, Chosen) and p.has_upper:
            leave[p.map.index] = False
        elif p.map is not None and not isinstance(p.map, Chosen | Rows | SparseRows):
            leave[:] = False
    return leave


def _restricted(program: Program, kept: Mask) -> Program:
    """The problem of some assets, the others having no weight."""
    columns = np.append(kept, np.ones(len(program.cost) - program.n_assets, dtype=bool))
    return replace(
        program,
        n_assets=int(kept.sum()),
        cost=program.cost[columns],
        A=program.A[:, columns],
        quadratic=None if program.quadratic is None else program.quadratic[np.ix_(kept, kept)],
        pieces=[_pieces_of(p, kept) for p in program.pieces],
        cones=[_cone_of(cone, kept) for cone in program.cones],
        limits=[(row[columns], bound) for row, bound in program.limits],
    )


def _pieces_of(p: Pieces, kept: Mask) -> Pieces:
    if isinstance(p.map, Rows):
        return replace(p, map=Rows(np.ascontiguousarray(p.map.matrix[:, kept]), p.map.factor))
    if isinstance(p.map, SparseRows):
        return replace(p, map=SparseRows(p.map.matrix[:, np.flatnonzero(kept)]))
    if not isinstance(p.map, Chosen):
        return p
    there = kept[p.map.index]
    place = np.cumsum(kept) - 1
    chosen = Chosen(place[p.map.index[there]], p.map.factor[there], int(kept.sum()))
    curvature = p.curvature if np.ndim(p.curvature) == 0 else np.asarray(p.curvature)[there]
    parts = (p.offset[there], p.lower[there], p.upper[there])
    return replace(p, map=chosen, offset=parts[0], lower=parts[1], upper=parts[2], curvature=curvature)


def _cone_of(cone: Cone, kept: Mask) -> Cone:
    return cone if cone.local is not None else replace(cone, matrix=cone.matrix[:, kept])


def _expanded(program: Program, point: Point, kept: Mask) -> Point:
    """The point with weights of all assets; multipliers of the bounds of those left out are their reduced costs."""
    x = np.zeros(len(program.cost))
    x[: program.n_assets][kept] = point.x[: int(kept.sum())]
    x[program.n_assets :] = point.x[int(kept.sum()) :]
    states, none = [], np.empty(0)
    for p, state in zip(program.pieces, point.pieces, strict=True):
        slope = state.slope
        if isinstance(p.map, Chosen):
            slope = np.zeros(len(p.offset))
            slope[kept[p.map.index]] = state.slope
        states.append(PiecesState(slope, none, none, none, none))
    return replace(point, x=x, pieces=states)

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
from trackfolio.solvers.interior_point._cone import Cone
from trackfolio.solvers.interior_point._factored import Factored
from trackfolio.solvers.interior_point._maps import Chosen, Map, Rows, SparseRows
from trackfolio.solvers.interior_point._pieces import Pieces, PiecesState
from trackfolio.solvers.interior_point._program import Point, Program

Mask = npt.NDArray[np.bool_]

# Fewer assets than this gain nothing, nor does a method that keeps most of them.
MANY, MOST_KEPT = 60, 0.8
# Weights below this share of the multipliers of their bounds, both relative to their mean, are on their way to 0.
_LEAVING = 0.03


def going(program: Program, point: Point) -> Mask:
    """Assets whose weight is far smaller than the multiplier of its bound."""
    leaving = np.zeros(program.n_assets, dtype=bool)
    for p, q in zip(program.pieces, point.pieces, strict=True):
        if isinstance(p.map, Chosen) and p.sign < 0 and not p.has_upper and p.map.size:
            leaving[p.map.index] = q.s_lower / q.s_lower.mean() < _LEAVING * q.to_lower / q.to_lower.mean()
    return leaving


def without(program: Program, leaving: Mask) -> Mask:
    """The assets that are kept: all but those that leave and can, unless that gains nothing."""
    kept = ~(can_leave(program) & leaving)
    if program.n_assets < MANY or not 0 < kept.mean() <= MOST_KEPT:
        kept[:] = True
    return kept


def _columns(program: Program, kept: Mask) -> Mask:
    """Which weights and scalars there are: all of the latter."""
    return np.append(kept, np.ones(len(program.cost) - program.n_assets, dtype=bool))


def rest(program: Program, point: Point, kept: Mask) -> Point:
    """The point without the assets that are left out."""
    columns = _columns(program, kept)
    states = [
        PiecesState(*(part[kept[p.map.index]] for part in vars(q).values())) if isinstance(p.map, Chosen) else q
        for p, q in zip(program.pieces, point.pieces, strict=True)
    ]
    return replace(point, x=point.x[columns], pieces=states)


def can_leave(program: Program) -> Mask:
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


def restricted(program: Program, kept: Mask) -> Program:
    """The problem of some assets, the others having no weight."""
    columns = _columns(program, kept)
    maps = {id(p.map): _map_of(p.map, kept) for p in program.pieces}
    return replace(
        program,
        n_assets=int(kept.sum()),
        cost=program.cost[columns],
        A=program.A[:, columns],
        quadratic=_matrix_of(program.quadratic, kept),
        pieces=[_pieces_of(p, maps[id(p.map)], kept) for p in program.pieces],
        cones=[_cone_of(cone, kept) for cone in program.cones],
        limits=[(row[columns], bound) for row, bound in program.limits],
    )


def _map_of(own: Map | None, kept: Mask) -> Map | None:
    if isinstance(own, Rows):
        return own.columns(kept)
    if isinstance(own, SparseRows):
        return SparseRows(own.matrix[:, np.flatnonzero(kept)])
    if isinstance(own, Chosen):
        there, place = kept[own.index], np.cumsum(kept) - 1
        return Chosen(place[own.index[there]], own.factor[there], int(kept.sum()))
    return own


def _pieces_of(p: Pieces, own: Map | None, kept: Mask) -> Pieces:
    return p.part(kept[p.map.index], own) if isinstance(p.map, Chosen) else replace(p, map=own)


def _cone_of(cone: Cone, kept: Mask) -> Cone:
    if cone.local is not None:
        return cone
    R = cone.matrix
    smaller = replace(cone, returns=None, matrix=R.columns(kept) if isinstance(R, Factored) else R[:, kept])
    if "gram" in vars(cone):
        smaller.gram = cone.gram[np.ix_(kept, kept)]
    return smaller


def _matrix_of(P: Array | Factored | None, kept: Mask) -> Array | Factored | None:
    if P is None or isinstance(P, Factored):
        return None if P is None else P.columns(kept)
    return P[np.ix_(kept, kept)]


def expanded(program: Program, point: Point, kept: Mask) -> tuple[Point, Array]:
    """The point with weights of all assets, and minus the reduced costs of those that were left out."""
    x = np.zeros(len(program.cost))
    x[_columns(program, kept)] = point.x
    states = []
    for p, state in zip(program.pieces, point.pieces, strict=True):
        slope = state.slope
        if isinstance(p.map, Chosen):
            slope = np.zeros(len(p.offset))
            slope[kept[p.map.index]] = state.slope
        states.append(PiecesState.of_slopes(slope))
    whole = replace(point, x=x, pieces=states)
    slope = program.joined.row([state.slope for state in states])
    pulled, _ = program.pulled(x, point.y, slope, point.cones, point.prices)
    reduced = (program.cost + pulled)[: program.n_assets]
    return whole, np.where(kept, 0.0, -reduced)

"""Where the method begins: all is measured in units in which slacks and multipliers are of size 1."""

import numpy as np

from trackfolio._paths import drawdowns
from trackfolio._validation import Array
from trackfolio.solvers.interior_point._cone import mirrored
from trackfolio.solvers.interior_point._pieces import Pieces, PiecesState
from trackfolio.solvers.interior_point._program import Point, Program

# Slacks of inequalities of local variables, and of others, at least; the product where nothing says a better one; and
# what the multipliers of both ends of an interval have at least (0.1 to 1 need about as many steps, 3 far more).
_LOCAL, _LEAST, _PRODUCT, _MORE = 0.3, 1e-2, 0.3, 0.3


def first_point(program: Program) -> Point:
    """Weights of least norm under the equations, with slacks and multipliers that are safely positive."""
    x = _least_norm(program)
    local = _first_locals(program, x)
    excesses = [program.argument(p, x, local) - p.offset - p.curvature * _first_slope(p) for p in program.pieces]
    product = _typical_product(program.pieces, excesses)
    states = [_first_state(p, excess, product) for p, excess in zip(program.pieces, excesses, strict=True)]
    cones = [_inside(cone.constants + program.cone_linear(cone, x, local)) for cone in program.cones]
    slacks = np.array([max(bound - row @ x, 1.0) for row, bound in program.limits])
    return Point(x, local, np.zeros(len(program.b)), states, cones, np.ones(len(slacks)), slacks)


def _first_slope(p: Pieces) -> Array:
    """The middle of an interval; its lower end, where there is no upper one."""
    return (p.top + p.lower) / 2 if p.has_upper else p.lower


def _typical_product(pieces: list[Pieces], excesses: list[Array]) -> float:
    """Mean of the products of pieces with two ends, which their data determine; what the others begin with."""
    total, count = 0.0, 0
    for p, excess in zip(pieces, excesses, strict=True):
        count += p.n_products
        if p.has_upper:
            total += float((np.abs(excess) + 2) @ (p.top - p.lower)) / 2
    return max(total, 1.0) / count if total > 0 else _PRODUCT


def _first_state(p: Pieces, excess: Array, product: float) -> PiecesState:
    slope, one = _first_slope(p), np.ones(len(excess))
    if p.has_upper:
        half = (p.top - p.lower) / 2
        return PiecesState(slope, half, half.copy(), np.maximum(excess, 0) + _MORE, np.maximum(-excess, 0) + _MORE)
    if p.local is not None:
        s_lower, to_lower = np.maximum(-excess, _LOCAL), one / (1 + p.curvature)
    else:
        s_lower = np.maximum(-excess, max(float(np.mean(np.maximum(-excess, 0))), _LEAST))
        to_lower = np.minimum(product / s_lower, 1 / (1 + p.curvature))
    return PiecesState(slope + to_lower, one, to_lower, 0 * one, s_lower)


def _inside(s: Array) -> tuple[Array, Array]:
    """The nearest point with a head that is safely large, and the multiplier with which it is on the central path."""
    norm = float(np.linalg.norm(s[1:]))
    s[0] = max(s[0], norm + 1)
    return s, mirrored(s) / ((s[0] - norm) * (s[0] + norm))


def _first_locals(program: Program, x: Array) -> list[Array]:
    """Drawdowns, and roots of squares, a little above what they are at least."""
    local = program.no_locals()
    for p in program.pieces:
        if p.local is not None and p.map is not None:
            group, how = p.local
            least = program.argument(p, x, program.no_locals()) - p.offset
            local[group] = (drawdowns(-least) if how == "chain" else np.maximum(least, 0.0)) + _LOCAL
    return local


def _least_norm(program: Program) -> Array:
    if not len(program.b):
        return np.zeros(len(program.cost))
    return np.asarray(np.linalg.lstsq(program.A, program.b)[0])

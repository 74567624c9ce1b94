"""Mehrotra's predictor-corrector method."""

from typing import NamedTuple

import numpy as np
import scipy.linalg

from trackfolio._paths import drawdowns
from trackfolio._validation import Array
from trackfolio.exceptions import SolverFailure
from trackfolio.solvers.interior_point._cone import jordan, longest
from trackfolio.solvers.interior_point._newton import Newton
from trackfolio.solvers.interior_point._pieces import PiecesState
from trackfolio.solvers.interior_point._program import Point, Program, Residuals

# Share of the way to the boundary that is gone, at least.
_SHORT = 0.9
# Steps shorter than this are corrected, at most so often, for products that a step longer by so much would spoil.
_LONG, _CORRECTIONS, _FURTHER = 0.5, 2, 0.3
# So many steps in which what is missed does not halve, far from a solution and near one, are all that rounding allows.
_PATIENCE, _PATIENCE_NEAR, _NEAR = 60, 3, 1e-9


class Outcome(NamedTuple):
    """The best point found, and by how much it misses optimality."""

    point: Point
    iterations: int
    miss: float


def solve_program(program: Program, tolerance: float, max_iter: int) -> Outcome:
    """Reduce residuals and products below a tolerance; the best point where that is not reached.

    The problem is expected in units in which its objective, weights and arguments are of size 1.
    """
    point = _start(program)
    best, since = Outcome(point, 0, np.inf), 0
    for iteration in range(max_iter):
        missing = Residuals.at(program, point)
        miss = max(0.1 * missing.primal, 0.1 * missing.dual, point.complementarity)
        if not np.isfinite(miss):
            break
        since = 0 if miss < 0.5 * best.miss else since + 1
        if miss < best.miss:
            best = Outcome(point, iteration, miss)
        if miss <= tolerance or since > (_PATIENCE_NEAR if best.miss < _NEAR else _PATIENCE):
            break
        try:
            point = _advance(program, point, missing, 0.01 * tolerance)
        except SolverFailure:
            break
    if not np.isfinite(best.miss):
        raise SolverFailure("no step from the first point is finite")
    return best


def _start(program: Program) -> Point:
    """Weights of least norm under the equations, and slacks and multipliers of size 1, as all is measured."""
    x = _least_squares(program)
    local = _start_locals(program, x)
    states, arguments, total, count = [], [], 0.0, _count(program)
    for p in program.pieces:
        slope = (p.top + p.lower) / 2 if p.has_upper else p.lower
        excess = program.argument(p, x, local) - p.offset - p.curvature * slope
        arguments.append((slope, excess))
        if p.has_upper:
            total += float((np.abs(excess) + 2 * 1.0) @ (p.top - p.lower)) / 2
    mu = max(total, 1.0) / count if any(p.has_upper for p in program.pieces) else 0.3
    for p, (slope, excess) in zip(program.pieces, arguments, strict=True):
        one = np.ones(len(p.offset))
        if p.has_upper:
            half = (p.top - p.lower) / 2
            s_upper, s_lower = np.maximum(excess, 0) + 1.0, np.maximum(-excess, 0) + 1.0
            states.append(PiecesState(slope, half, half.copy(), s_upper, s_lower))
        elif p.local is not None:
            to_lower = one / (1 + p.curvature)
            states.append(PiecesState(slope + to_lower, one, to_lower, 0 * one, np.maximum(-excess, 0.3)))
        else:
            s_lower = np.maximum(-excess, max(float(np.mean(np.maximum(-excess, 0))), 1e-2))
            to_lower = np.minimum(mu / s_lower, 1 / (1 + p.curvature))
            states.append(PiecesState(slope + to_lower, one, to_lower, 0 * one, s_lower))
    cones = []
    for cone in program.cones:
        s = cone.constants + program.cone_linear(cone, x, local)
        norm = float(np.linalg.norm(s[1:]))
        s[0] = max(s[0], norm + 1.0)
        cones.append((s, 1.0 / ((s[0] - norm) * (s[0] + norm)) * np.concatenate([s[:1], -s[1:]])))
    slacks = np.array([max(bound - row @ x, 1.0) for row, bound in program.limits])
    return Point(x, local, np.zeros(len(program.b)), states, cones, np.ones(len(slacks)), slacks)


def _start_locals(program: Program, x: Array) -> list[Array]:
    """Drawdowns, and roots of squares, a little above what they are at least."""
    local = program.no_locals()
    for p in program.pieces:
        if p.local is not None and p.map is not None:
            group, how = p.local
            least = program.argument(p, x, program.no_locals()) - p.offset
            local[group] = (drawdowns(-least) if how == "chain" else np.maximum(least, 0.0)) + 0.3
    return local


def _least_squares(program: Program) -> Array:
    """Scalars and weights of least norm that obey the equations."""
    n_x, m = len(program.cost), len(program.b)
    x = np.zeros(n_x)
    if m:
        x = program.A.T @ scipy.linalg.lstsq(program.A @ program.A.T, program.b)[0]
    return np.asarray(x)


def _advance(program: Program, point: Point, missing: Residuals, least: float) -> Point:
    """One step, towards products of a sum of at least `least`: far below, rounding is all there is to see."""
    newton = Newton(program, point)
    pieces = [(-q.s_upper * q.to_upper, -q.s_lower * q.to_lower) for q in point.pieces]
    cones = [-jordan(c.scaled, c.scaled) for c in newton.cones]
    limits = -point.prices * point.slacks
    affine = newton.direction(missing, pieces, cones, limits)
    primal, dual = _lengths(program, point, affine, 1.0)
    now = point.complementarity
    sigma = min(1.0, max(point.complementarity_after(affine, primal, dual), 0.0) / now) ** 3
    target = max(sigma * point.complementarity, least) / max(_count(program), 1)
    pieces = [
        (u + target * p.has_upper - a.s_upper * a.to_upper * p.has_upper, v + target - a.s_lower * a.to_lower)
        for (u, v), a, p in zip(pieces, affine.pieces, program.pieces, strict=True)
    ]
    cones = [
        c - jordan(scaling.over(ds), scaling.times(dz)) + target * np.eye(1, len(c))[0]
        for c, scaling, (ds, dz) in zip(cones, newton.cones, affine.cones, strict=True)
    ]
    limits = limits + target - affine.prices * affine.slacks
    share = min(max(_SHORT, 1 - sigma), 0.99 if program.cones else 0.9999)
    step = newton.direction(missing, pieces, cones, limits)
    lengths = _lengths(program, point, step, share)
    for _ in range(_CORRECTIONS):
        if min(lengths) > _LONG:
            break
        trial = point.moved(step, *(min(1.0, length + _FURTHER) for length in lengths))
        pieces = [
            (u + p.has_upper * _towards(t.s_upper * t.to_upper, target), v + _towards(t.s_lower * t.to_lower, target))
            for (u, v), t, p in zip(pieces, trial.pieces, program.pieces, strict=True)
        ]
        limits = limits + _towards(trial.prices * trial.slacks, target)
        centred = newton.direction(missing, pieces, cones, limits)
        longer = _lengths(program, point, centred, share)
        if sum(longer) < sum(lengths) + 0.1 * _FURTHER:
            break
        step, lengths = centred, longer
    return point.moved(step, *lengths)


def _towards(products: Array, target: float) -> Array:
    """What brings products that are far from the target near it (Gondzio 1996)."""
    return np.maximum(np.clip(products, 0.1 * target, 10 * target) - products, -10 * target)


def _count(program: Program) -> int:
    of_pieces = sum((1 + p.has_upper) * len(p.offset) for p in program.pieces)
    return of_pieces + len(program.cones) + len(program.limits)


def _lengths(program: Program, point: Point, step: Point, share: float) -> tuple[float, float]:
    """Lengths of the primal and the dual step that stay inside; one for both where the problem is curved."""
    primal, dual = [_room(point.slacks, step.slacks)], [_room(point.prices, step.prices)]
    for p, q, d in zip(program.pieces, point.pieces, step.pieces, strict=True):
        primal.append(_room(q.s_lower, d.s_lower))
        dual.append(_room(q.to_lower, d.to_lower))
        if p.has_upper:
            primal.append(_room(q.s_upper, d.s_upper))
            dual.append(_room(q.to_upper, d.to_upper))
    for (s, z), (ds, dz) in zip(point.cones, step.cones, strict=True):
        primal.append(longest(s, ds))
        dual.append(longest(z, dz))
    lengths = min(1.0, share * min(primal)), min(1.0, share * min(dual))
    return lengths if program.is_linear else (min(lengths), min(lengths))


def _room(v: Array, d: Array) -> float:
    """Largest multiple of d that leaves v positive."""
    fastest = float(np.max(-d / v, initial=0.0))
    return 1 / fastest if fastest > 0 else np.inf

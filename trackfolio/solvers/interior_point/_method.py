"""Mehrotra's predictor-corrector method, with Gondzio's corrections of short steps."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from trackfolio._validation import Array
from trackfolio.exceptions import SolverFailure
from trackfolio.solvers.interior_point._cone import jordan, longest
from trackfolio.solvers.interior_point._newton import Newton
from trackfolio.solvers.interior_point._program import Point, Program, Residuals
from trackfolio.solvers.interior_point._start import first_point

# Share of the way to the boundary that is gone: at least, and at most without and with cones.
_SHORT, _OF_PIECES, _OF_CONES = 0.9, 0.9999, 0.99
# Far from the solution, with products of more than this sum, directions need few digits.
_ROUGH = 1e-3
# Steps shorter than this are corrected, at most so often, for products that a step longer by so much would spoil.
_LONG, _CORRECTIONS, _FURTHER = 0.7, 3, 0.3
# So many steps in which what is missed does not halve, far from a solution and near one, are all that rounding allows.
_PATIENCE, _PATIENCE_NEAR, _NEAR = 60, 3, 1e-9


class Outcome(NamedTuple):
    """The best point found, and by how much it misses optimality."""

    point: Point
    iterations: int
    miss: float


@np.errstate(over="ignore", invalid="ignore", divide="ignore")  # points that are not finite are left, without a word
def solve_program(program: Program, tolerance: float, max_iter: int, start: Point | None = None) -> Outcome:
    """Reduce residuals and products below a tolerance; the best point where that is not reached.

    The problem is expected in units in which its objective, weights and arguments are of size 1.
    """
    point = first_point(program) if start is None else start
    best, since, steps = Outcome(point, 0, np.inf), 0, 0
    while True:
        missing = Residuals.at(program, point)
        miss = float(np.max([0.1 * missing.primal, 0.1 * missing.dual, point.complementarity]))
        if not np.isfinite(miss):
            break
        since = 0 if miss < 0.5 * best.miss else since + 1
        if miss < best.miss:
            best = Outcome(point, steps, miss)
        if miss <= tolerance or since > (_PATIENCE_NEAR if best.miss < _NEAR else _PATIENCE) or steps == max_iter:
            break
        try:
            point = _advance(program, point, missing, 0.01 * tolerance)
        except SolverFailure:
            break
        steps += 1
    if not np.isfinite(best.miss):
        raise SolverFailure("no step from the first point is finite")
    return best._replace(iterations=steps)


@dataclass(frozen=True)
class _Targets:
    """What a step makes of the products: right-hand sides of the linearised complementarity conditions."""

    pieces: list[tuple[Array, Array]]
    cones: list[Array]
    limits: Array

    def direction(self, newton: Newton, missing: Residuals) -> Point:
        """Step that aims at them."""
        return newton.direction(missing, self.pieces, self.cones, self.limits)


def _advance(program: Program, point: Point, missing: Residuals, least: float) -> Point:
    """One step, towards products of a sum of at least `least`: far below, rounding is all there is to see."""
    now = point.complementarity
    newton = Newton(program, point, roughly=now > _ROUGH)
    to_zero = _Targets(
        [(-q.s_upper * q.to_upper, -q.s_lower * q.to_lower) for q in point.pieces],
        [-jordan(c.scaled, c.scaled) for c in newton.cones],
        -point.prices * point.slacks,
    )
    predictor = to_zero.direction(newton, missing)
    left = point.complementarity_after(predictor, *_lengths(program, point, predictor, 1.0))
    sigma = min(1.0, max(left, 0.0) / now) ** 3 if now > 0 else 0.0
    target = max(sigma * now, least) / max(_count(program), 1)
    targets = _corrected(program, newton, to_zero, predictor, target)
    share = min(max(_SHORT, 1 - sigma), _OF_CONES if program.cones else _OF_PIECES)
    step = targets.direction(newton, missing)
    lengths = _lengths(program, point, step, share)
    for _ in range(_CORRECTIONS):
        if min(lengths) > _LONG:
            break
        targets = _centred(program, point, targets, step, lengths, target)
        centred = targets.direction(newton, missing)
        longer = _lengths(program, point, centred, share)
        if sum(longer) < sum(lengths) + 0.1 * _FURTHER:
            break
        step, lengths = centred, longer
    return point.moved(step, *lengths)


def _corrected(program: Program, newton: Newton, to_zero: _Targets, predictor: Point, target: float) -> _Targets:
    """Products of one size, less what the predictor's step would add to them at second order."""
    pieces = [
        (u + p.has_upper * (target - d.s_upper * d.to_upper), v + target - d.s_lower * d.to_lower)
        for (u, v), d, p in zip(to_zero.pieces, predictor.pieces, program.pieces, strict=True)
    ]
    cones = [
        c - jordan(scaling.over(ds), scaling.times(dz)) + target * np.eye(1, len(c))[0]
        for c, scaling, (ds, dz) in zip(to_zero.cones, newton.cones, predictor.cones, strict=True)
    ]
    return _Targets(pieces, cones, to_zero.limits + target - predictor.prices * predictor.slacks)


def _centred(
    program: Program, point: Point, targets: _Targets, step: Point, lengths: tuple[float, float], target: float
) -> _Targets:
    """Targets that keep a longer step from products far from the others (Gondzio 1996)."""
    trial = point.moved(step, *(min(1.0, length + _FURTHER) for length in lengths))
    pieces = [
        (u + p.has_upper * _towards(t.s_upper * t.to_upper, target), v + _towards(t.s_lower * t.to_lower, target))
        for (u, v), t, p in zip(targets.pieces, trial.pieces, program.pieces, strict=True)
    ]
    limits = targets.limits + _towards(trial.prices * trial.slacks, target)
    return _Targets(pieces, targets.cones, limits)


def _towards(products: Array, target: float) -> Array:
    """What brings products that are far from the target near it."""
    return np.maximum(np.clip(products, 0.1 * target, 10 * target) - products, -10 * target)


def _count(program: Program) -> int:
    return sum(p.n_products for p in program.pieces) + len(program.cones) + len(program.limits)


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
    fastest = float(np.minimum.reduce(d / v, initial=0.0))
    return -1 / fastest if fastest < 0 else np.inf

"""Mehrotra's predictor-corrector method, with Gondzio's corrections of short steps."""

import math
from typing import NamedTuple

import numpy as np

from trackfolio._validation import Array
from trackfolio.exceptions import SolverFailure
from trackfolio.solvers.interior_point._cone import jordan
from trackfolio.solvers.interior_point._iterate import Iterate, Residuals
from trackfolio.solvers.interior_point._newton import Newton
from trackfolio.solvers.interior_point._program import Point, Program
from trackfolio.solvers.interior_point._start import first_point

# Share of the way to the boundary that is gone: at least, and at most without and with cones.
_SHORT, _OF_PIECES, _OF_CONES = 0.9, 0.9999, 0.99
# Far from the solution, with products of more than this sum, directions need few digits.
_ROUGH = 1e-3
# Steps shorter than this are corrected, at most so often, for products that a step longer by so much would spoil.
_LONG, _CORRECTIONS, _FURTHER = 0.7, 3, 0.3
# So many steps in which what is missed does not halve, far from a solution and near one, are all that rounding allows.
_PATIENCE, _PATIENCE_NEAR, _NEAR = 60, 3, 1e-9
# Prices of this size, while no point has ever missed by less: limits that contradict one another.
_ENDLESS, _FAR_OFF = 1e6, 1e-3


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
    point = Iterate.of(program, first_point(program) if start is None else start)
    best, least, since, steps = point, np.inf, 0, 0
    while True:
        missing = Residuals.at(program, point)
        missed = 0.1 * missing.primal, 0.1 * missing.dual, point.complementarity
        if not math.isfinite(sum(missed)):
            break
        miss = max(missed)
        since = 0 if miss < 0.5 * least else since + 1
        if miss < least:
            best, least = point, miss
        if miss <= tolerance or since > (_PATIENCE_NEAR if least < _NEAR else _PATIENCE) or steps == max_iter:
            break
        if since >= _PATIENCE_NEAR and least > _FAR_OFF and _has_endless_prices(point):
            break
        try:
            point = _advance(program, point, missing, 0.01 * tolerance)
        except SolverFailure:
            break
        steps += 1
    if not np.isfinite(least):
        raise SolverFailure("no step from the first point is finite")
    return Outcome(best.point(program), steps, least)


def _has_endless_prices(point: Iterate) -> bool:
    """Whether multipliers have grown as they do where no point satisfies all limits."""
    return max(float(part.max(initial=0.0)) for part in (point.dual, np.abs(point.y))) > _ENDLESS


class _Targets(NamedTuple):
    """What a step makes of the products: right-hand sides of the linearised complementarity conditions."""

    products: Array
    cones: list[Array]


def _advance(program: Program, point: Iterate, missing: Residuals, least: float) -> Iterate:
    """One step, towards products of a sum of at least `least`: far below, rounding is all there is to see."""
    now = point.complementarity
    newton = Newton(program, point, missing, roughly=now > _ROUGH)
    to_zero = _Targets(-point.primal * point.dual, [-jordan(c.scaled, c.scaled) for c in newton.cones])
    predictor = newton.direction(*to_zero)
    left = point.complementarity_after(predictor, *_lengths(newton, predictor, 1.0))
    sigma = min(1.0, max(left, 0.0) / now) ** 3 if now > 0 else 0.0
    target = max(sigma * now, least) / max(len(point.primal) + len(point.cones), 1)
    targets = _corrected(newton, to_zero, predictor, target)
    share = min(max(_SHORT, 1 - sigma), _OF_CONES if program.cones else _OF_PIECES)
    step = newton.direction(*targets)
    lengths = _lengths(newton, step, share)
    for _ in range(_CORRECTIONS):
        if min(lengths) > _LONG:
            break
        targets = _centred(point, targets, step, lengths, target)
        centred = newton.direction(*targets)
        longer = _lengths(newton, centred, share)
        if sum(longer) < sum(lengths) + 0.1 * _FURTHER:
            break
        step, lengths = centred, longer
    return point.moved(step, *lengths)


def _corrected(newton: Newton, to_zero: _Targets, predictor: Iterate, target: float) -> _Targets:
    """Products of one size, less what the predictor's step would add to them at second order."""
    cones = [
        c - jordan(scaling.over(ds), scaling.times(dz))
        for c, scaling, (ds, dz) in zip(to_zero.cones, newton.cones, predictor.cones, strict=True)
    ]
    for c in cones:
        c[0] += target
    return _Targets(to_zero.products + (target - predictor.primal * predictor.dual), cones)


def _centred(point: Iterate, targets: _Targets, step: Iterate, lengths: tuple[float, float], target: float) -> _Targets:
    """Targets that keep a longer step from products far from the others (Gondzio 1996)."""
    primal, dual = (min(1.0, length + _FURTHER) for length in lengths)
    trial = (point.primal + primal * step.primal) * (point.dual + dual * step.dual)
    return _Targets(targets.products + _towards(trial, target), targets.cones)


def _towards(products: Array, target: float) -> Array:
    """What brings products that are far from the target near it."""
    within = np.minimum(np.maximum(products, 0.1 * target), 10 * target)
    return np.maximum(within - products, -10 * target)


def _lengths(newton: Newton, step: Iterate, share: float) -> tuple[float, float]:
    """Lengths of the primal and the dual step that stay inside; one for both where the problem is curved."""
    primal, dual = _room(newton.point.primal, step.primal), _room(newton.point.dual, step.dual)
    for scaling, (ds, dz) in zip(newton.cones, step.cones, strict=True):
        of_s, of_z = scaling.lengths(ds, dz)
        primal, dual = min(primal, of_s), min(dual, of_z)
    lengths = min(1.0, share * primal), min(1.0, share * dual)
    return lengths if newton.program.is_linear else (min(lengths), min(lengths))


def _room(v: Array, d: Array) -> float:
    """Largest multiple of d that leaves v positive."""
    fastest = float(np.minimum.reduce(d / v, initial=0.0))
    return -1 / fastest if fastest < 0 else np.inf

r"""Where the method begins near a solution: on the central path, as far as given weights tell.

Given the argument ξ of a piece, its slope and multipliers are those of which all products are μ: with the middle m and
half the length h of its interval, or with no upper end and a curvature,

.. math:: \pi = m + \frac{\xi h^2}{\mu + \sqrt{\mu^2 + \xi^2 h^2}}, \qquad
    \pi = b + \frac{\xi + \sqrt{\xi^2 + 4\rho\mu}}{2\rho}.
"""

import numpy as np

from trackfolio._validation import Array
from trackfolio.solvers.interior_point._cone import mirrored
from trackfolio.solvers.interior_point._pieces import Pieces, PiecesState
from trackfolio.solvers.interior_point._program import Point, Program

# Sum of all products: what is left to gain from a thirtieth of a frontier away (below 0.1 and above 1 need more steps).
_GAP = 0.2
# Weights, as a share of the largest, slacks and distances from the boundary of a cone are so large at least.
_LEAST, _SLACK, _INSIDE = 1e-2, 1e-6, 1e-2


def point_near(program: Program, x: Array) -> Point:
    """A point of such products at weights and scalars near the solution; without local variables."""
    count = sum(p.n_products for p in program.pieces) + len(program.cones) + len(program.limits)
    product = _GAP / max(count, 1)
    states = [_state(p, program.argument(p, x, []) - p.offset, product) for p in program.pieces]
    cones = [_cone(cone.constants + program.cone_linear(cone, x, []), product) for cone in program.cones]
    slacks = np.array([max(bound - row @ x, _INSIDE) for row, bound in program.limits])
    return Point(x, [], np.zeros(len(program.b)), states, cones, np.ones(len(slacks)), slacks)


def inside(w: Array, budget: float) -> Array:
    """Weights of the same sum that are safely above 0, where they are not negative."""
    raised = np.where(w < 0, w, np.maximum(w, _LEAST * np.max(w, initial=0.0)))
    total = float(raised.sum())
    return np.asarray(raised * (budget / total)) if total * budget > 0 else raised


def _state(p: Pieces, excess: Array, product: float) -> PiecesState:
    if p.has_upper:
        half = (p.top - p.lower) / 2
        bent = np.maximum(np.abs(excess) - p.curvature * half, 0.0) * np.sign(excess)
        slope = (p.top + p.lower) / 2 + bent * half**2 / (product + np.sqrt(product**2 + (bent * half) ** 2))
        to_upper, to_lower = p.top - slope, slope - p.lower
        rest = excess - p.curvature * slope
        s = np.where(rest > 0, product / to_lower, product / to_upper)
        return PiecesState(slope, to_upper, to_lower, s + np.maximum(rest, 0), s + np.maximum(-rest, 0))
    one = np.ones(len(excess))
    if np.any(p.curvature):
        to_lower = (excess + np.sqrt(excess**2 + 4 * p.curvature * product)) / (2 * p.curvature)
        to_lower = np.maximum(to_lower, product / np.maximum(np.abs(excess), 1.0))
    else:
        to_lower = product / np.maximum(-excess, _SLACK)
    return PiecesState(p.lower + to_lower, one, to_lower, 0 * one, product / to_lower)


def _cone(s: Array, product: float) -> tuple[Array, Array]:
    norm = float(np.linalg.norm(s[1:]))
    s[0] = max(s[0], (1 + _INSIDE) * norm + _SLACK)
    return s, max(product, _GAP / 10) * mirrored(s) / ((s[0] - norm) * (s[0] + norm))

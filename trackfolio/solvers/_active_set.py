"""From a good guess of the active set to the exact solution of a quadratic program."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.linalg

from trackfolio._validation import Array

Mask = npt.NDArray[np.bool_]

# Objectives are scaled to 1. A slope within its tolerance costs less than that in the objective; a tighter one would
# let rounding send copies of the same asset back and forth between their bounds.
BOUND_TOLERANCE, SLOPE_TOLERANCE = 1e-12, 1e-11
_REFINEMENTS = 4
_CHANGES = 8
# Added to the diagonal, relative to the trace: singular matrices then have a factor, and refinement takes out its
# effect.
_REGULARISATION = 1e-12


@dataclass(frozen=True)
class BoxedQP:
    """Minimise ½x'Px + ... over lower <= x <= upper, Ax = b; the linear part is known through the gradient."""

    P: Array
    gradient: Callable[[Array], Array]
    A: Array
    b: Array
    lower: Array
    upper: Array


def finish(qp: BoxedQP, x: Array, at_lower: Mask, at_upper: Mask) -> tuple[Array, Array] | None:
    """Solve for the free variables exactly, correct the guess of the active set, and repeat until it is right.

    A primal-dual active-set iteration (Hintermüller, Ito & Kunisch 2003) with iterative refinement: the gradient
    comes from the data rather than from P, so that the solution is exact where P has lost digits.

    Returns
    -------
    tuple of ndarray or None
        Solution and multipliers of the equations; None where the active set does not settle.
    """
    for _ in range(_CHANGES):
        solved = _solve_free(qp, x, at_lower, at_upper)
        if solved is None:
            return None
        candidate, multipliers = solved
        slope = qp.gradient(candidate) - qp.A.T @ multipliers
        below, above = (
            candidate < qp.lower - BOUND_TOLERANCE,
            candidate > qp.upper + BOUND_TOLERANCE,
        )
        wrong_lower, wrong_upper = (
            at_lower & (slope < -SLOPE_TOLERANCE),
            at_upper & (slope > SLOPE_TOLERANCE),
        )
        fixed = qp.lower == qp.upper
        change = below | above | ((wrong_lower | wrong_upper) & ~fixed)
        if not change.any():
            # What rounding pushed over a bound by less than the tolerance is put on it.
            return np.minimum(np.maximum(candidate, qp.lower), qp.upper), multipliers
        at_lower, at_upper = (
            (at_lower & ~wrong_lower) | below | fixed,
            ((at_upper & ~wrong_upper) | above) & ~fixed,
        )
    return None


def _solve_free(qp: BoxedQP, x: Array, at_lower: Mask, at_upper: Mask) -> tuple[Array, Array] | None:
    """Newton steps on the variables that are at no bound, on the equations A x = b."""
    free = ~(at_lower | at_upper)
    x = np.where(at_lower, qp.lower, np.where(at_upper, qp.upper, x))
    A = qp.A[:, free]
    try:
        factor, weight = _factor(qp.P[np.ix_(free, free)] if not free.all() else qp.P.copy(), A)
        AtP = scipy.linalg.cho_solve(factor, A.T, check_finite=False)
        # A pseudo-inverse, since equations can repeat one another or lose all their free variables.
        inverse = np.linalg.pinv(A @ AtP, rcond=1e-12, hermitian=True)
        size = np.inf
        for _ in range(_REFINEMENTS):
            # Step d and multipliers v of: P d - A'v = -gradient, A d = r, where r = b - Ax.
            r = qp.b - qp.A @ x
            step = scipy.linalg.cho_solve(factor, qp.gradient(x)[free] - weight * (r @ A), check_finite=False)
            multipliers = inverse @ (r + A @ step)
            d = AtP @ multipliers - step
            x[free] += d
            previous, size = size, float(np.max(np.abs(d), initial=0.0))
            if size * min(size / previous, 1.0) <= 1e-15:  # so small will the next step be
                break
    except np.linalg.LinAlgError:
        return None
    return (x, multipliers) if np.isfinite(x).all() and np.max(np.abs(qp.A @ x - qp.b), initial=0.0) < 1e-10 else None


def _factor(P: Array, A: Array) -> tuple[tuple[Array, bool], float]:
    """Cholesky factor of P + weight A'A: the same solutions on Ax = b, and regular where P alone is flat."""
    n = len(P)
    weight = float(np.trace(P) / max(float(np.sum(A * A)), 1e-300)) if A.size else 0.0
    P += weight * (A.T @ A)
    P[np.diag_indices(n)] += _REGULARISATION * max(float(np.trace(P)), 1.0)
    factor: tuple[Array, bool] = scipy.linalg.cho_factor(P, lower=True, overwrite_a=True, check_finite=False)
    return factor, weight

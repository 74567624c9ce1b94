"""Quadratic programs with bounds and equations, by guessing which bounds hold and correcting the guess."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg.lapack import dpotrf, dpotrs

from trackfolio._validation import Array

Mask = npt.NDArray[np.bool_]

# Objectives are scaled to 1. A slope within its tolerance costs less than that in the objective; a tighter one would
# let rounding send copies of the same asset back and forth between their bounds.
BOUND_TOLERANCE, SLOPE_TOLERANCE = 1e-12, 1e-11
_REFINEMENTS = 4
# Guesses usually settle in 1 to 15 changes; where they get no better for a while, they never do.
_CHANGES, PATIENCE = 30, 4
# Added to the diagonal, relative to the trace: singular matrices then have a factor, and refinement takes out its
# effect.
_REGULARISATION = 1e-12


@dataclass(frozen=True)
class BoxedQP:
    """Minimise ½x'Px + c'x over lower <= x <= upper, Ax = b.

    `gradient` is that of the objective from the data, which is exact where P and c have lost digits.
    """

    P: Array
    c: Array
    gradient: Callable[[Array], Array]
    A: Array
    b: Array
    lower: Array
    upper: Array

    def gradient_by_matrix(self, x: Array) -> Array:
        """Gradient by P and c: cheap, and right but for rounding."""
        return self.P @ x + self.c


@dataclass(frozen=True)
class Guess:
    """Which bounds hold, and where to begin."""

    x: Array
    at_lower: Mask
    at_upper: Mask


def solve_active_set(qp: BoxedQP, guess: Guess, patience_for: int = PATIENCE) -> tuple[Array, Array, int] | None:
    """Solve for the weights at no bound, correct the guess of those at one, and repeat until it is right.

    A primal-dual active-set iteration (Hintermüller, Ito & Kunisch 2003): what left its bounds is put on them, and what
    is on a bound with a slope away from it is set free. Where the guess is right by P, the solution is refined with the
    gradient from the data, and checked again.

    Returns
    -------
    tuple of (ndarray, ndarray, int) or None
        Solution, multipliers of the equations, and number of guesses; None where these do not settle.
    """
    fixed = qp.lower == qp.upper
    at_lower, at_upper = guess.at_lower | fixed, guess.at_upper & ~fixed
    fewest, patience = np.inf, patience_for
    x = guess.x
    for change in range(1, _CHANGES + 1):
        x = np.where(at_lower, qp.lower, np.where(at_upper, qp.upper, x))
        newton = _Newton.on_free(qp, ~(at_lower | at_upper))
        if newton is None:
            return None
        x, multipliers = newton.steps(x, qp.gradient_by_matrix, 2)
        wrong = _wrong(qp, x, qp.gradient_by_matrix(x) - qp.A.T @ multipliers, at_lower & ~fixed, at_upper)
        if not any(part.any() for part in wrong):
            x, multipliers = newton.steps(x, qp.gradient, _REFINEMENTS)
            wrong = _wrong(qp, x, qp.gradient(x) - qp.A.T @ multipliers, at_lower & ~fixed, at_upper)
        below, above, off_lower, off_upper = wrong
        count = sum(int(part.sum()) for part in wrong)
        if count == 0:
            met = np.isfinite(x).all() and np.max(np.abs(qp.A @ x - qp.b), initial=0.0) < 1e-10
            # What rounding pushed over a bound by less than the tolerance is put on it.
            return (np.minimum(np.maximum(x, qp.lower), qp.upper), multipliers, change) if met else None
        patience = patience_for if count < fewest else patience - 1
        fewest = min(fewest, count)
        if patience == 0:
            return None
        at_lower, at_upper = (at_lower & ~off_lower) | below, (at_upper & ~off_upper) | above
    return None


def _wrong(qp: BoxedQP, x: Array, slope: Array, at_lower: Mask, at_upper: Mask) -> tuple[Mask, Mask, Mask, Mask]:
    """What is below or above its bounds, and what is on one with a slope that leads away from it."""
    return (
        x < qp.lower - BOUND_TOLERANCE,
        x > qp.upper + BOUND_TOLERANCE,
        at_lower & (slope < -SLOPE_TOLERANCE),
        at_upper & (slope > SLOPE_TOLERANCE),
    )


@dataclass(frozen=True)
class _Newton:
    """Newton steps d on the free variables: P d - A'v = -gradient, A d = b - Ax.

    Solved with P + weight A'A in place of P: the same solution where the equations hold, and regular where P is flat.
    """

    qp: BoxedQP
    free: Mask
    factor: Array
    A: Array
    weight: float

    @classmethod
    def on_free(cls, qp: BoxedQP, free: Mask) -> "_Newton | None":
        """Factor the matrix; None where it is not positive definite for all that is added to it."""
        P = qp.P.copy() if free.all() else qp.P[np.ix_(free, free)]
        A = qp.A[:, free]
        weight = float(np.trace(P)) / max(float(np.sum(A * A)), 1e-300) if A.size else 0.0
        scaled = np.sqrt(weight) * A
        P += scaled.T @ scaled
        P[np.diag_indices(len(P))] += _REGULARISATION * max(float(np.trace(P)), 1.0)
        # Symmetric, so the transpose is the same matrix in the order of LAPACK, which then needs no copy.
        factor, failed = dpotrf(P.T, lower=1, overwrite_a=1, clean=0) if len(P) else (P, 0)
        return None if failed else cls(qp, free, factor, A, weight)

    def steps(self, x: Array, gradient: Callable[[Array], Array], most: int) -> tuple[Array, Array]:
        """Take steps until the next one would be lost in rounding; return the point and the multipliers v."""
        x, AtP = x.copy(), self._solve(self.A.T)
        # A pseudo-inverse, since equations can repeat one another or lose all their free variables.
        inverse = _pseudo_inverse(self.A @ AtP)
        multipliers, size = np.zeros(len(self.A)), np.inf
        for _ in range(most):
            r = self.qp.b - self.qp.A @ x
            step = self._solve(gradient(x)[self.free] - self.weight * (r @ self.A))
            multipliers = inverse @ (r + self.A @ step)
            d = AtP @ multipliers - step
            x[self.free] += d
            previous, size = size, float(np.max(np.abs(d), initial=0.0))
            if size * min(size / previous, 1.0) <= 1e-15:  # so small will the next step be
                break
        return x, multipliers

    def _solve(self, right: Array) -> Array:
        solution: Array = dpotrs(self.factor, right, lower=1)[0] if right.size else right
        return solution


def _pseudo_inverse(S: Array) -> Array:
    """Pseudo-inverse of a positive semi-definite matrix; that of the budget alone, one number, needs no vectors."""
    if len(S) == 1:
        return np.divide(1.0, S, out=np.zeros((1, 1)), where=S > 0)
    return np.asarray(np.linalg.pinv(S, rcond=1e-12, hermitian=True))

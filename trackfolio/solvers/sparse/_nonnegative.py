r"""The doubly nonnegative relaxation of long-only, fully invested problems of few names, by splitting.

On weights x >= 0 of sum 1 the objective is x'Qx with one matrix, and W = xx' is all that has to be relaxed:

.. math::

    \min_W\; \langle Q, W\rangle \quad\text{s.t.}\quad W \succeq 0,\; W \ge 0,\; \textstyle\sum_{ij} W_{ij} = 1,\;
    w = W1,\; W_{ii} z_i \ge w_i^2,\; 0 \le z \le 1,\; \sum_i z_i \le K

The alternating direction method of multipliers projects in turn on the cone of positive semidefinite matrices (one
eigendecomposition), on the nonnegative matrices of sum 1, on small rotated cones, and on the box of z. Its multipliers,
wherever it is stopped, make a relaxation of the objective: Q = M + S + diag(d) + (b1' + 1b')/2 + constant with M
positive semidefinite and S >= 0.

The units are those in which the relaxation without K has the value 0 and the best portfolio known has 1: step sizes
are then the same for all data.
"""

import numpy as np
import numpy.typing as npt
import scipy.linalg

from trackfolio._search_proof import Relaxation, homogenised
from trackfolio._validation import Array
from trackfolio.solvers.sparse._program import Program

# Penalty at the start, by the square of the number of names; over-relaxation; how far apart residuals may be.
_PENALTY, _OVER = 10.0, 1.6
# Weight of the rotated cones' middle term: that of the Euclidean norm in which the projection is closed.
_MIDDLE = 2.0


class DoublyNonnegative:
    """The method, which can be continued.

    Parameters
    ----------
    program : Program
        Whose weights are at least 0 and have a fixed sum.
    kept : ndarray of int
        The assets that are not excluded.
    best : ndarray of shape (n_assets,)
        Best portfolio known.
    size : float
        By how much it is worse than the best without the limit on names.
    """

    def __init__(self, program: Program, kept: npt.NDArray[np.intp], best: Array, size: float) -> None:
        self.program, self.kept, n = program, kept, len(kept)
        self.size = size
        total, gram = program.budget, (program.Q, program.h, program.constant - program.value(best) + size)
        self.Q = homogenised(gram, total)[np.ix_(kept, kept)] * (total**2 / self.size)
        self.names = float(min(program.holdings.most, n))
        self.penalty = _PENALTY * self.names**2
        self._diagonal = np.diag_indices(n)
        self.z = np.full(n, 1 / n)
        # Copies in each set, and scaled multipliers.
        self.semidefinite = self.nonnegative = np.full((n, n), 1 / n**2)
        self.cone = [np.full(n, self.names / n**2), np.full(n, 1 / n), self.z]
        self.box = self.z
        self.dual_semidefinite, self.dual_nonnegative = np.zeros((n, n)), np.zeros((n, n))
        self.dual_cone, self.dual_box = [np.zeros(n)] * 3, np.zeros(n)
        # The first of the proportional costs has a copy of the weights; others are left to the nodes.
        self.has_costs = bool(program.sums)
        self.paid, self.dual_paid = np.full(n, 1 / n), np.zeros(n)
        self._threshold = 0.0

    def run(self, iterations: int) -> None:
        """Some iterations more."""
        for _ in range(iterations):
            self._iterate()

    def _iterate(self) -> None:
        G, row_sums = self._joint()
        z = (self.cone[2] - self.dual_cone[2] + self.box - self.dual_box) / 2
        own = [self.names * G[self._diagonal], row_sums, z]
        P = _over(G, self.semidefinite) + self.dual_semidefinite
        self.semidefinite = _semidefinite_part(P)
        self.dual_semidefinite = P - self.semidefinite
        P = _over(G, self.nonnegative) + self.dual_nonnegative
        self._threshold = _simplex_threshold(P, self._threshold)
        self.nonnegative = np.maximum(P - self._threshold, 0.0)
        self.dual_nonnegative = P - self.nonnegative
        moved = [_over(a, b) + u for a, b, u in zip(own, self.cone, self.dual_cone, strict=True)]
        self.cone = _rotated_cone_part(*moved)
        self.dual_cone = [p - c for p, c in zip(moved, self.cone, strict=True)]
        if self.has_costs:
            q = _over(row_sums, self.paid) + self.dual_paid
            self.paid = self._after_costs(q)
            self.dual_paid = q - self.paid
        q = _over(z, self.box) + self.dual_box
        self.box = _capped_part(q, 1.0, 1 / self.names)
        self.dual_box = q - self.box

    def _joint(self) -> tuple[Array, Array]:
        """The matrix that is nearest to all copies, less the pull of the objective, and its row sums: closed form."""
        n, k = len(self.kept), self.names
        R = self.semidefinite - self.dual_semidefinite + self.nonnegative - self.dual_nonnegative
        R -= self.Q / self.penalty
        R[self._diagonal] += k * (self.cone[0] - self.dual_cone[0])
        middle = _MIDDLE * (2 if self.has_costs else 1)
        rows = _MIDDLE / 2 * (self.cone[1] - self.dual_cone[1])
        if self.has_costs:
            rows = rows + _MIDDLE / 2 * (self.paid - self.dual_paid)
        R += rows[:, None] + rows
        own = R[self._diagonal].copy()
        weight = 2 + k * k
        right = (R.sum(axis=1) - own) / 2 + own / weight
        factor = 1 + middle * (n - 2) / 4 + middle / weight
        total = right.sum() / (factor + middle * n / 4)
        g = (right - middle / 4 * total) / factor
        G = R / 2 - middle / 4 * (g[:, None] + g)
        G[self._diagonal] = (own - middle * g) / weight
        return G, g

    def _after_costs(self, q: Array) -> Array:
        """Nearest point in the sense of the costs: drawn towards their kink, and held there."""
        (price, f), total = self.program.sums[0], self.program.budget
        rate = price * total / (self.size * self.penalty * _MIDDLE)
        up, down, kink = rate * f.up[self.kept], rate * f.down[self.kept], f.centre[self.kept] / total
        return np.where(q - up > kink, q - up, np.where(q + down < kink, q + down, kink))

    @property
    def weights(self) -> Array:
        """Weights of the relaxation, roughly."""
        w = np.zeros(self.program.n_assets)
        rows = np.maximum(self.nonnegative.sum(axis=1), 0.0)
        w[self.kept] = self.program.budget * rows / rows.sum()
        return w

    def relaxation(self) -> Relaxation:
        """What the multipliers say now. Assets that are not kept get a slope so low that it holds for them too."""
        n, kept, total = self.program.n_assets, self.kept, self.program.budget
        M = -self.penalty * self.dual_semidefinite
        b = -_MIDDLE * self.penalty * (self.dual_cone[1] + self.dual_paid)
        less = self.Q - M - (b[:, None] + b) / 2
        d = np.diagonal(less) - less.min()  # all that the diagonal has above the least entry
        matrix, diagonal, slope = np.zeros((n, n)), np.zeros(n), np.zeros(n)
        matrix[np.ix_(kept, kept)] = M * (self.size / total**2)
        diagonal[kept], slope[kept] = d * (self.size / total**2), b * (self.size / total)
        self._lower_others(matrix, diagonal, slope)
        return Relaxation(diagonal, matrix, slope)

    def _lower_others(self, matrix: Array, diagonal: Array, slope: Array) -> None:
        total, kept = self.program.budget, self.kept
        others = np.setdiff1d(np.arange(self.program.n_assets), kept)
        if not len(others):
            return
        H = homogenised((self.program.Q, self.program.h, self.program.constant), total)
        less = H - matrix - np.diag(diagonal) - (slope[:, None] + slope) / (2 * total)
        floor = float(less[np.ix_(kept, kept)].min())
        lowest = min(float(less[others].min()), 0.0) - abs(floor)
        # Both of a pair of others have it, one of a mixed pair: twice, so that one is enough.
        slope[others] = 2 * total * (lowest - floor) - np.abs(slope).max()


def _over(new: Array, old: Array) -> Array:
    return _OVER * new + (1 - _OVER) * old


def _semidefinite_part(P: Array) -> Array:
    values, vectors = scipy.linalg.eigh((P + P.T) / 2, driver="evd", check_finite=False, overwrite_a=True)
    negative = values < 0
    few = negative if 2 * negative.sum() < len(values) else ~negative
    part = (vectors[:, few] * values[few]) @ vectors[:, few].T
    return np.asarray(P - part if few is negative else part)


def _simplex_threshold(P: Array, guess: float) -> float:
    """T at which the positive part of P - t sums to 1, by Newton's method on a convex, piecewise linear function."""
    t = min(guess, float(P.max()) - 1 / P.size)
    for _ in range(100):
        above = P[t < P]
        change = (float(above.sum()) - len(above) * t - 1) / max(len(above), 1)
        t += change
        if abs(change) <= 1e-15:
            break
        if not (t < P).any():
            t = float(P.max()) - 1 / P.size
    return t


def _rotated_cone_part(u: Array, v: Array, z: Array) -> list[Array]:
    """Nearest points with u z >= v², u, z >= 0."""
    t, s, y = (u + z) / np.sqrt(2), (u - z) / np.sqrt(2), np.sqrt(2) * v
    length = np.hypot(s, y)
    inside, opposite = length <= t, length <= -t
    share = np.where(inside, 1.0, np.where(opposite, 0.0, (1 + t / np.maximum(length, 1e-300)) / 2))
    height = np.where(inside, t, np.where(opposite, 0.0, (t + length) / 2))
    s, y = share * s, share * y
    return [(height + s) / np.sqrt(2), y / np.sqrt(2), (height - s) / np.sqrt(2)]


def _capped_part(q: Array, most: float, cap: float) -> Array:
    """Nearest point with 0 <= z <= cap of sum at most `most`: Newton's method, within an interval that it narrows."""
    z = np.minimum(np.maximum(q, 0.0), cap)
    excess = float(z.sum()) - most
    if excess <= 0:
        return z
    low, high, shift = 0.0, float(q.max()), 0.0
    for _ in range(60):
        between = int(np.count_nonzero((z > 0) & (z < cap)))
        shift += excess / max(between, 1)
        if not low < shift < high:
            shift = (low + high) / 2
        z = np.minimum(np.maximum(q - shift, 0.0), cap)
        excess = float(z.sum()) - most
        if abs(excess) <= 1e-15:
            break
        low, high = (shift, high) if excess > 0 else (low, shift)
    return z

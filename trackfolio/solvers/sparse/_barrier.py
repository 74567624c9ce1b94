r"""The perspective relaxation by an interior point, for many assets in factor form.

.. math:: \min_{w, z}\; \|Uw\|^2 + \sum_i e_i w_i^2 + b'w + \sum_i \frac{d_i w_i^2}{z_i} \quad\text{s.t.}\quad
   \textstyle\sum_i w_i = total,\; lower \le w \le upper,\; 0 \le z \le 1,\; \sum_i z_i \le K

Eliminating z leaves a diagonal and one direction beside the factors, so that a step costs N times the square of their
number.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trackfolio._validation import Array

# Share of the way to the boundary, of the barrier that is kept, and where it ends relative to the objective.
_STEP, _CENTRING, _MOST, _ACCURACY = 0.95, 0.15, 100, 1e-7
# Products of distances and multipliers at the start.
_START = 1.0


@dataclass(frozen=True, eq=False)
class Perspective:
    """The problem: factors U of shape (k, n), diagonals e and d, slope b, bounds, which are held, and names allowed."""

    U: Array
    e: Array
    d: Array
    b: Array
    lower: Array
    upper: Array
    held: npt.NDArray[np.bool_]
    total: float
    most: int

    def solve(self, size: float) -> tuple[Array, Array, float]:
        """Weights, z and the multiplier of the sum, at the point of least error in units of `size`."""
        state = _State(self, size)
        best, error = (state.w, state.z, state.y), np.inf
        for _ in range(_MOST):
            now = state.gap + state.residual
            if now < error:
                best, error = (state.w, state.z, state.y), now
            # Near the end rounding makes steps worse than the last one was.
            if not now < 10 * error or error <= _ACCURACY:
                break
            state.step()
        w, open_z, y = best
        z = np.ones(len(self.b))
        z[state.open] = open_z
        return np.clip(w, self.lower, self.upper), z, size * y


class _State:
    """A point: weights, z of the open assets, and multipliers of each inequality, the objective in units of its size.

    p, q are the distances of the weights to their bounds, t that of z to 1, s what is left of the names; each has a
    multiplier of its own: a, c, g, k; f is that of z >= 0.
    """

    def __init__(self, problem: Perspective, size: float) -> None:
        self.problem = problem
        lower, upper = problem.lower, problem.upper
        self.open = np.flatnonzero(~problem.held)
        self.d = problem.d / size
        self.U, self.e, self.b = problem.U / np.sqrt(size), problem.e / size, problem.b / size
        self.e = self.e + np.where(problem.held, self.d, 0.0)
        self.d = self.d[self.open]
        self.names = problem.most - int(problem.held.sum())
        share = (problem.total - lower.sum()) / (upper - lower).sum()
        self.w = lower + min(max(share, 1e-3), 1 - 1e-3) * (upper - lower)
        self.z = np.full(len(self.open), min(0.5, 0.5 * self.names / max(len(self.open), 1)))
        self._start_multipliers()
        self._length = 1.0

    def _start_multipliers(self) -> None:
        """Multipliers that leave no slope, but for the least of each that keeps it away from 0."""
        none, least = np.zeros(len(self.w)), _START / len(self.w)
        self.y, self.k = 0.0, 0.0
        self.a = self.c = none
        self.f = self.g = np.zeros(len(self.z))
        rw, rz, _ = self._residuals()
        self.y = float(np.median(rw))
        self.a, self.c = np.maximum(rw - self.y, 0) + least / self.p, np.maximum(self.y - rw, 0) + least / self.q
        self.k = float(np.sort(-rz)[::-1][min(self.names, len(rz) - 1)]) + least / self.s
        self.f, self.g = np.maximum(self.k + rz, 0) + least / self.z, np.maximum(-rz - self.k, 0) + least / self.t

    @property
    def p(self) -> Array:
        return np.asarray(self.w - self.problem.lower)

    @property
    def q(self) -> Array:
        return np.asarray(self.problem.upper - self.w)

    @property
    def t(self) -> Array:
        return 1.0 - self.z

    @property
    def s(self) -> float:
        return float(self.names - self.z.sum())

    @property
    def gap(self) -> float:
        """Sum of all products of distances and multipliers."""
        own = self.a @ self.p + self.c @ self.q + self.f @ self.z + self.g @ self.t
        return float(own + self.k * self.s)

    @property
    def residual(self) -> float:
        """How far the weights are from their sum, and how much the slopes that are left may be worth."""
        rw, rz, ra = self._residuals()
        return float(abs(ra) + np.abs(rw) @ self.w + np.abs(rz) @ self.z)

    def _residuals(self) -> tuple[Array, Array, float]:
        own = self.w[self.open]
        rw = 2 * (self.U.T @ (self.U @ self.w) + self.e * self.w) + self.b - self.a + self.c - self.y
        rw[self.open] += 2 * self.d * own / self.z
        rz = -self.d * (own / self.z) ** 2 - self.f + self.g + self.k
        return rw, rz, float(self.w.sum() - self.problem.total)

    def step(self) -> None:
        """One step towards a point with a part of the gap."""
        count = 2 * len(self.w) + 2 * len(self.z) + 1
        # After a short step, more of the barrier is kept.
        target = max(_CENTRING, 1.0 - self._length) * self.gap / count
        rw, rz, ra = self._residuals()
        p, q, z, t, s, own = self.p, self.q, self.z, self.t, self.s, self.w[self.open]
        right_w = -rw + target / p - self.a - target / q + self.c
        right_z = -rz + target / z - self.f - target / t + self.g - (target / s - self.k)
        # The curvature of d w²/z, and the weights of the barriers.
        ww, wz, zz = 2 * self.d / z, -2 * self.d * own / z**2, 2 * self.d * own**2 / z**3
        bar_z = self.f / z + self.g / t
        diagonal = 2 * self.e + self.a / p + self.c / q
        diagonal[self.open] += ww * bar_z / (zz + bar_z)
        Dz = zz + bar_z
        omega = s / self.k + float(np.sum(1 / Dz))
        v = np.zeros(len(self.w))
        v[self.open] = wz / Dz
        # Z⁻¹ right_z, with Z = diag(Dz) + (k/s) 11'.
        solved = right_z / Dz
        solved -= (float(solved.sum()) / omega) / Dz
        right_w[self.open] -= wz * solved
        low_rank = np.vstack([np.sqrt(2.0) * self.U, v / np.sqrt(omega)])
        both = np.column_stack([right_w, np.ones(len(self.w))]) / diagonal[:, None]
        small = np.eye(len(low_rank)) + (low_rank / diagonal) @ low_rank.T
        both -= (low_rank / diagonal).T @ np.linalg.solve(small, low_rank @ both)
        dy = (-ra - float(both[:, 0].sum())) / float(both[:, 1].sum())
        dw = both[:, 0] + dy * both[:, 1]
        dz = (right_z - wz * dw[self.open]) / Dz
        dz -= (float(np.sum((right_z - wz * dw[self.open]) / Dz)) / omega) / Dz
        ds = -float(dz.sum())
        changes = [
            (p, dw, self.a, (target - self.a * dw) / p - self.a),
            (q, -dw, self.c, (target + self.c * dw) / q - self.c),
            (z, dz, self.f, (target - self.f * dz) / z - self.f),
            (t, -dz, self.g, (target + self.g * dz) / t - self.g),
            (np.array([s]), np.array([ds]), np.array([self.k]), np.array([(target - self.k * ds) / s - self.k])),
        ]
        primal = min(1.0, _STEP * min(_reach(x, dx) for x, dx, _, _ in changes))
        dual = min(1.0, _STEP * min(_reach(m, dm) for _, _, m, dm in changes))
        length = self._length = min(primal, dual)
        self.w, self.z, self.y = self.w + length * dw, self.z + length * dz, self.y + length * dy
        self.a, self.c, self.f, self.g = (m + length * dm for _, _, m, dm in changes[:4])
        self.k += length * float(changes[4][3][0])


def _reach(x: Array, dx: Array) -> float:
    """Longest step that keeps x positive."""
    falling = dx < 0
    return float(np.min(-x[falling] / dx[falling], initial=np.inf))

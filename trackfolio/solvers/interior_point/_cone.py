r"""Second-order cones, :math:`\|Rx - r\| \le p'x + \delta`, by the scaling of Nesterov and Todd.

With s = (p'x + δ, Rx - r) and its multiplier z in the cone, J = diag(1, -1, …, -1), :math:`\bar s = s/\sqrt{s'Js}`
and the same for z, the scaling is :math:`W = \eta V`,

.. math:: \eta^4 = \frac{s'Js}{z'Jz}, \quad \bar w = \frac{\bar s + J\bar z}{\sqrt{2(1 + \bar s'\bar z)}}, \quad
    V = \begin{pmatrix} \bar w_0 & \bar w_1' \\ \bar w_1 & I + \frac{\bar w_1 \bar w_1'}{1 + \bar w_0}\end{pmatrix},

so that :math:`Wz = W^{-1}s = \lambda` and :math:`W^{-2} = \eta^{-2}(2 J\bar w (J\bar w)' - J)`: with R'R known, the
cone costs Newton's method no more than two products with R.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from trackfolio._validation import Array
from trackfolio.exceptions import SolverFailure
from trackfolio.solvers.interior_point._factored import Factored


@dataclass(eq=False)
class Cone:
    """Data: R acts on the weights, or, where it is a vector, on a group of local variables, entry by entry.

    It may be the root of a matrix in factor form. The head is ``scalars'τ + constant``.
    """

    matrix: Array | Factored
    offset: Array
    constant: float = 0.0
    scalars: dict[int, float] = field(default_factory=dict)
    local: int | None = None

    @cached_property
    def gram(self) -> Array:
        """R'R."""
        return self.matrix.dense if isinstance(self.matrix, Factored) else self.matrix.T @ self.matrix

    @property
    def of_local(self) -> Array:
        """The vector R of a cone of local variables."""
        assert isinstance(self.matrix, np.ndarray), "factors are of weights"
        return self.matrix

    def linear(self, x: Array, scalars: Array) -> Array:
        """Vx, x being the weights or the local variables."""
        if self.local is not None:
            tail = self.of_local * x
        else:
            tail = self.matrix.root_times(x) if isinstance(self.matrix, Factored) else self.matrix @ x
        return np.concatenate([[sum(c * scalars[j] for j, c in self.scalars.items())], tail])

    def transposed(self, z: Array) -> Array:
        """R'z, for the weights or the local variables."""
        if self.local is not None:
            return self.of_local * z
        return self.matrix.root_transposed(z) if isinstance(self.matrix, Factored) else z @ self.matrix

    @property
    def constants(self) -> Array:
        """Vector v, with s = Vx + v."""
        return np.concatenate([[self.constant], -self.offset])


def mirrored(v: Array) -> Array:
    """Jv: the tail with the other sign."""
    return np.concatenate([v[:1], -v[1:]])


def jordan(u: Array, v: Array) -> Array:
    """Product u∘v."""
    return np.concatenate([[u @ v], u[0] * v[1:] + v[0] * u[1:]])


def divide(u: Array, v: Array) -> Array:
    """The x with u∘x = v."""
    determinant = _determinant(u)
    head = (u[0] * v[0] - u[1:] @ v[1:]) / determinant
    return np.concatenate([[head], (v[1:] - head * u[1:]) / u[0]])


def _determinant(u: Array) -> float:
    norm = float(np.linalg.norm(u[1:]))
    return float((u[0] - norm) * (u[0] + norm))


def longest(u: Array, d: Array) -> float:
    """Largest step along d from u within the cone; inf if there is no end."""
    root = np.sqrt(_determinant(u))
    unit = u / root
    along = (unit[0] * d[0] - unit[1:] @ d[1:]) / root
    tail = d[1:] / root - (along + d[0] / root) / (unit[0] + 1) * unit[1:]
    slope = np.linalg.norm(tail) - along
    return float(1 / slope) if slope > 0 else np.inf


class ConeNewton:
    """The scaling at one point, and the steps of s and z once that of x is known."""

    def __init__(self, s: Array, z: Array) -> None:
        det_s, det_z = _determinant(s), _determinant(z)
        if not (det_s > 0 and det_z > 0):
            raise SolverFailure("a cone's point is on its boundary")
        s_bar, z_bar = s / np.sqrt(det_s), z / np.sqrt(det_z)
        self.eta = (det_s / det_z) ** 0.25
        self.w = (s_bar + mirrored(z_bar)) / np.sqrt(2 * (1 + s_bar @ z_bar))
        self.w[0] = np.sqrt(1 + self.w[1:] @ self.w[1:])
        self.scaled = self.times(z)  # λ
        self.q = mirrored(self.w)

    def times(self, v: Array) -> Array:
        """Wv."""
        w = self.w
        along = w[1:] @ v[1:]
        head = w[0] * v[0] + along
        product: Array = self.eta * np.concatenate([[head], v[1:] + (v[0] + along / (1 + w[0])) * w[1:]])
        return product

    def over(self, v: Array) -> Array:
        """W⁻¹v."""
        w = self.w
        along = w[1:] @ v[1:]
        head = w[0] * v[0] - along
        product: Array = np.concatenate([[head], v[1:] + (-v[0] + along / (1 + w[0])) * w[1:]]) / self.eta
        return product

    def aim(self, residual: Array, target: Array) -> tuple[Array, float]:
        """Vector a = residual + Wt with λ∘t = target, and q'a: dz = W⁻²(a - Vdx). That q'W = (η, 0) spares digits."""
        quotient = divide(self.scaled, target)
        return residual + self.times(quotient), float(self.q @ residual + self.eta * quotient[0])

    def step(self, missed: Array, along: float) -> Array:
        """Step of z: W⁻² times a - Vdx, given with `along`, which is 2η⁻²q'(a - Vdx)."""
        return np.asarray(along * self.q - mirrored(missed) / self.eta**2)

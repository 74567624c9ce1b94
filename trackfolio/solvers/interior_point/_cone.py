r"""Second-order cones, :math:`\|Rx - r\| \le p'x + \delta`, by the scaling of Nesterov and Todd.

With s = (p'x + δ, Rx - r) and its multiplier z in the cone, J = diag(1, -1, …, -1), :math:`\bar s = s/\sqrt{s'Js}`
and the same for z, the scaling is :math:`W = \eta V`,

.. math:: \eta^4 = \frac{s'Js}{z'Jz}, \quad \bar w = \frac{\bar s + J\bar z}{\sqrt{2(1 + \bar s'\bar z)}}, \quad
    V = \begin{pmatrix} \bar w_0 & \bar w_1' \\ \bar w_1 & I + \frac{\bar w_1 \bar w_1'}{1 + \bar w_0}\end{pmatrix},

so that :math:`Wz = W^{-1}s = \lambda` and :math:`W^{-2} = \eta^{-2}(2 J\bar w (J\bar w)' - J)`: with R'R known, the
cone costs Newton's method no more than two products with R.
"""

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from trackfolio._validation import Array
from trackfolio.exceptions import SolverFailure
from trackfolio.solvers.interior_point._factored import Factored


@dataclass(eq=False)
class Cone:
    """Data: R acts on the weights, or, where it is a vector, on a group of local variables, entry by entry.

    It may be the root of a matrix in factor form. The head is ``scalars'τ + constant``. `returns` are (X, c) where R
    is cX, which sums of pieces may share.
    """

    matrix: Array | Factored
    offset: Array
    constant: float = 0.0
    scalars: dict[int, float] = field(default_factory=dict)
    local: int | None = None
    returns: tuple[Array, float] | None = None

    @cached_property
    def gram(self) -> Array:
        """R'R."""
        return self.matrix.dense if isinstance(self.matrix, Factored) else self.matrix.T @ self.matrix

    @property
    def rows(self) -> Array:
        """R of the weights as a matrix."""
        return self.matrix.root if isinstance(self.matrix, Factored) else self.matrix

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
    other = -v
    other[0] = v[0]
    return other


def jordan(u: Array, v: Array) -> Array:
    """Product u∘v."""
    product: Array = u[0] * v + v[0] * u
    product[0] = u @ v
    return product


def divide(u: Array, v: Array) -> Array:
    """The x with u∘x = v."""
    u_head = float(u[0])
    head = (u_head * float(v[0]) - float(u[1:] @ v[1:])) / _determinant(u)
    quotient: Array = (v - head * u) / u_head
    quotient[0] = head
    return quotient


def _determinant(u: Array) -> float:
    head, tail = float(u[0]), u[1:]
    norm = math.sqrt(tail @ tail)
    return (head - norm) * (head + norm)


def longest(unit: Array, root: float, d: Array) -> float:
    """Largest step along d within the cone, from a unit vector times a root; inf if there is no end."""
    head, across, unit_tail = float(d[0]) / root, d[1:] / root, unit[1:]
    along = float(unit[0]) * head - float(unit_tail @ across)
    tail = across - (along + head) / (float(unit[0]) + 1) * unit_tail
    slope = math.sqrt(tail @ tail) - along
    return 1 / slope if slope > 0 else math.inf


class ConeNewton:
    """The scaling at one point, and the steps of s and z once that of x is known."""

    def __init__(self, s: Array, z: Array) -> None:
        det_s, det_z = _determinant(s), _determinant(z)
        if not (det_s > 0 and det_z > 0):
            raise SolverFailure("a cone's point is on its boundary")
        self.roots = math.sqrt(det_s), math.sqrt(det_z)
        self.units = s_bar, z_bar = s / self.roots[0], z / self.roots[1]
        self.eta = (det_s / det_z) ** 0.25
        self.q = (mirrored(s_bar) + z_bar) / math.sqrt(2 * (1 + float(s_bar @ z_bar)))
        self.head = math.sqrt(1 + float(self.q[1:] @ self.q[1:]))
        self.q[0] = self.head
        self.w = mirrored(self.q)
        self.scaled = self.times(z)  # λ

    def lengths(self, ds: Array, dz: Array) -> tuple[float, float]:
        """Largest steps of s and z within the cone."""
        return longest(self.units[0], self.roots[0], ds), longest(self.units[1], self.roots[1], dz)

    def times(self, v: Array) -> Array:
        """Wv."""
        head, along = float(v[0]), float(self.w[1:] @ v[1:])
        product: Array = v + (head + along / (1 + self.head)) * self.w
        product[0] = self.head * head + along
        product *= self.eta
        return product

    def over(self, v: Array) -> Array:
        """W⁻¹v."""
        head, along = float(v[0]), float(self.w[1:] @ v[1:])
        product: Array = v + (along / (1 + self.head) - head) * self.w
        product[0] = self.head * head - along
        product /= self.eta
        return product

    def aim(self, residual: Array, target: Array) -> tuple[Array, float]:
        """Vector a = residual + Wt with λ∘t = target, and q'a: dz = W⁻²(a - Vdx). That q'W = (η, 0) spares digits."""
        quotient = divide(self.scaled, target)
        return residual + self.times(quotient), float(self.q @ residual + self.eta * quotient[0])

    def step(self, missed: Array, along: float) -> Array:
        """Step of z: W⁻² times a - Vdx, given with `along`, which is 2η⁻²q'(a - Vdx)."""
        return np.asarray(along * self.q - mirrored(missed) / self.eta**2)

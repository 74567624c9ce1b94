r"""One linearisation: the matrix of Newton's method with all scenarios and local variables eliminated.

Of each sum of pieces there remains E'DE, of each cone V'W⁻²V, and with few further unknowns (multipliers of equations
and limits, one number for each cone of local variables) the matrix is

.. math:: K = \begin{pmatrix} H & B' \\ B & -C \end{pmatrix}, \qquad
    H = P + \sum_b E_b'D_bE_b + \sum_j V_j'W_j^{-2}V_j - \sum_g M_g'T_g^{-1}M_g

where a group of local variables has the tridiagonal matrix T of its own, and M are its products with all else.
"""

import math

import numpy as np
import scipy.linalg

from trackfolio._validation import Array
from trackfolio.exceptions import SolverFailure
from trackfolio.solvers.interior_point._blocks import Dense, block_of
from trackfolio.solvers.interior_point._cone import ConeNewton, mirrored
from trackfolio.solvers.interior_point._factors import Bordered, Inverse, Pivoted
from trackfolio.solvers.interior_point._maps import Map, Rows
from trackfolio.solvers.interior_point._pieces import PiecesNewton
from trackfolio.solvers.interior_point._program import Point, Program, Residuals, local_transpose

# Factorisations that are tried: whether by the block of the weights, and the least shift of each diagonal entry.
_WAYS = ((True, 1e-13), (False, 1e-13), (False, 1e-10), (False, 1e-7))
# From so many assets on the first of them is the faster one.
_MANY = 150
# Solutions of linear systems are refined so often, up to this relative error; another way is tried above that one.
_REFINEMENTS, _EXACT, _ENOUGH = 3, 1e-12, 1e-4
# Errors of the step's stationarity that are refined: in relation to the products, which are what is left to gain.
_ROUNDING = 1e-2


class Newton:
    """Factors of one linearisation, for several right-hand sides."""

    def __init__(self, program: Program, point: Point, *, roughly: bool = False) -> None:
        self.program, self.point, self.roughly = program, point, roughly
        self.pieces = [PiecesNewton(p, q) for p, q in zip(program.pieces, point.pieces, strict=True)]
        self.cones = [ConeNewton(s, z) for s, z in point.cones]
        self.n_x = len(program.cost)
        self.of_limit = self.n_x + len(program.b)
        self.of_cone = self.of_limit + len(program.limits)
        self.size = self.of_cone + len(program.cones)
        self.block = block_of(program)
        self.way = int(program.n_assets < _MANY and isinstance(self.block, Dense))
        self.factors: Inverse | None = None
        self._assemble()
        self._eliminate()

    def _assemble(self) -> None:
        """The block of the weights, and the strip of the rows of K below it."""
        n, n_x, program = self.program.n_assets, self.n_x, self.program
        self.strip = np.zeros((self.size - n, self.size))
        if program.quadratic is not None:
            self.block.add_matrix(program.quadratic)
        self.main = [np.zeros(size) for size in program.groups]
        self.off = [np.zeros(max(size - 1, 1)) for size in program.groups]  # LAPACK wants one at least
        self.cross = [np.zeros((size, self.size)) for size in program.groups]
        self.strip[n_x - n : self.of_limit - n, :n_x] = program.A
        for k, (p, _) in enumerate(program.limits):
            row = self.of_limit + k
            self.strip[row - n, :n_x] += p
            self.strip[row - n, row] -= self.point.slacks[k] / self.point.prices[k]
        self._add_pieces()
        for j, cone in enumerate(self.cones):
            self._add_cone(j, cone)
        self.strip[: n_x - n, n_x:] = self.strip[n_x - n :, n:n_x].T

    def _add_pieces(self) -> None:
        n, n_x, program = self.program.n_assets, self.n_x, self.program
        # Sums on the same rows, such as tails of two levels, share one product.
        shared: dict[int, tuple[Map, Array]] = {}
        for newton in self.pieces:
            p, D = newton.pieces, newton.D
            if p.map is not None:
                _, others = shared.get(id(p.map), (p.map, np.zeros(len(D))))
                shared[id(p.map)] = p.map, others + D
            if p.scalars:
                pulled = np.zeros(n_x)
                program.pull(p, D, pulled, program.no_locals())
                for j, c in p.scalars.items():
                    self.strip[j, :n_x] += c * pulled
            if p.local is not None:
                self._add_local(newton)
            if p.price is not None:
                row, local = self.of_limit + p.price, program.no_locals()
                program.pull(p, D * newton.e, self.strip[row - n, :n_x], local)
                self.strip[row - n, row] += newton.limit_curvature()
                for cross, v in zip(self.cross, local, strict=True):
                    cross[:, row] += v
        for own, D in shared.values():
            self.block.add_gram(own, D, roughly=self.roughly)

    def _add_local(self, newton: PiecesNewton) -> None:
        p, D, n = newton.pieces, newton.D, self.program.n_assets
        assert p.local is not None
        group, how = p.local
        self.main[group] += D
        if how == "chain":
            self.main[group][:-1] += D[1:]
            self.off[group][: len(D) - 1] -= D[1:]
        for j, c in p.scalars.items():
            self.cross[group][:, n + j] += c * local_transpose(D, how)
        if p.map is not None:
            assert isinstance(p.map, Rows), "local variables are of returns"
            assert p.map.index is None, "sums with local variables stay whole"
            rows = (p.sign * p.map.factor * D)[:, None] * p.map.matrix
            self.cross[group][:, :n] += local_transpose(rows, how)

    def _add_cone(self, j: int, newton: ConeNewton) -> None:
        n, n_x, cone = self.program.n_assets, self.n_x, self.program.cones[j]
        weight, row, local = newton.eta**-2, self.of_cone + j, self.program.no_locals()
        head, coefficients = list(cone.scalars), np.array(list(cone.scalars.values()))
        self.strip[np.ix_(head, [n + i for i in head])] -= weight * np.outer(coefficients, coefficients)
        if cone.local is None:
            self.block.add_cone(cone, weight)
        else:
            self.main[cone.local] += weight * cone.of_local**2
        # The part of rank one is far larger than all else: kept apart, it costs no digits.
        self.program.cone_pull(cone, newton.q, self.strip[row - n, :n_x], local)
        self.strip[row - n, row] -= newton.eta**2 / 2
        for cross, v in zip(self.cross, local, strict=True):
            cross[:, row] += v

    def _eliminate(self) -> None:
        """Take the local variables out of the matrix."""
        n, self.solved_cross = self.program.n_assets, []
        for main, off, cross in zip(self.main, self.off, self.cross, strict=True):
            solved = self._tridiagonal(main, off, cross)
            self.solved_cross.append(solved)
            assert isinstance(self.block, Dense), "local variables fill the block of the weights"
            self.block.matrix -= cross[:, :n].T @ solved[:, :n]
            self.strip -= cross[:, n:].T @ solved

    def _factors(self, by_block: bool, shift: float) -> Inverse:
        """Factors of K, shifted towards one that is safely regular: below by what rounding may have taken away."""
        n = self.program.n_assets
        diagonal = np.concatenate([self.block.diagonal(), np.diagonal(self.strip[:, n:])])
        size = shift * (1 + 1e-2 * np.abs(diagonal))
        size[self.n_x :] *= -1
        if by_block:
            return Bordered(self.block.inverse(size[:n]), self.strip, size[n:])
        return Pivoted(np.block([[self.block.dense(), self.strip[:, :n].T], [self.strip]]), size)

    def _times(self, x: Array) -> Array:
        """Kx."""
        n = self.program.n_assets
        return np.concatenate([self.block.times(x[:n]) + x[n:] @ self.strip[:, :n], self.strip @ x])

    @staticmethod
    def _tridiagonal(main: Array, off: Array, right: Array) -> Array:
        *_, solved, info = scipy.linalg.lapack.dptsv(main, off, right)
        if info != 0:
            raise SolverFailure("the matrix of local variables is singular")
        return np.asarray(solved)

    def _solve(self, right: Array) -> Array:
        """Kx = right, refined as long as that helps; with a larger shift, or pivots, where it does not."""
        size = _norm(right)
        x = np.zeros(self.size)
        for way in range(self.way, len(_WAYS)):
            if self.factors is None or self.way < way:
                try:
                    self.factors = self._factors(*_WAYS[way])
                except np.linalg.LinAlgError:
                    continue
                self.way = way
            x, missed, error = np.zeros(self.size), right, size
            for _ in range(1 + _REFINEMENTS):
                better = x + self.factors.solve(missed)
                still = right - self._times(better)
                less = _norm(still)
                if not less < 0.5 * error:
                    break
                x, missed, error = better, still, less
                if error <= _EXACT * size:
                    break
            if error <= _ENOUGH * size:
                break
        if self.factors is None:
            raise SolverFailure("Newton's matrix is singular")
        return x

    def direction(
        self,
        missing: Residuals,
        of_pieces: list[tuple[Array, Array]],
        of_cones: list[Array],
        of_limits: Array,
    ) -> Point:
        """Step that removes the residuals and brings the products to the given right-hand sides."""
        program, n_x, of_limit = self.program, self.n_x, self.of_limit
        right, local = np.zeros(self.size), [-r for r in missing.local]
        right[:n_x] = -missing.x
        right[n_x:of_limit] = -missing.y
        right[of_limit : self.of_cone] = -missing.limits - of_limits / self.point.prices
        for newton, residual, (upper, lower) in zip(self.pieces, missing.pieces, of_pieces, strict=True):
            k = newton.aim(residual, upper, lower)
            program.pull(newton.pieces, -newton.D * k, right[:n_x], local)
            if newton.pieces.price is not None:
                right[of_limit + newton.pieces.price] -= newton.limit_constant()
        aims: list[Array] = []
        for cone, scaling, residual, target in zip(program.cones, self.cones, missing.cones, of_cones, strict=True):
            aim, right[self.of_cone + len(aims)] = scaling.aim(residual, target)
            program.cone_pull(cone, -mirrored(aim) / scaling.eta**2, right[:n_x], local)
            aims.append(aim)
        step = self._steps(right, local, aims, missing.cones, of_limits)
        return self._refined(step, missing, right) if program.groups else step

    def _refined(self, step: Point, missing: Residuals, right: Array) -> Point:
        """The step with less of the error that the elimination of local variables leaves in it."""
        for newton in self.pieces:
            newton.rest()
        still, none, right = [np.zeros(len(s)) for s, _ in step.cones], 0 * step.slacks, 0 * right
        for _ in range(_REFINEMENTS):
            x, local = self._unmet(missing, step)
            if max(float(np.max(np.abs(v))) for v in [x, *local]) < _ROUNDING * self.point.complementarity:
                break
            right[: self.n_x] = -x
            step = step.moved(self._steps(right, [-v for v in local], still, still, none), 1.0, 1.0)
        return step

    def _unmet(self, missing: Residuals, step: Point) -> tuple[Array, list[Array]]:
        """What is left of the residuals of stationarity after a step, by all that was eliminated."""
        x, local = self.program.pulled(step)
        return x + missing.x, [v + r for v, r in zip(local, missing.local, strict=True)]

    def _steps(
        self, right: Array, right_local: list[Array], aims: list[Array], missing: list[Array], of_limits: Array
    ) -> Point:
        """Solve, and find the steps of what was eliminated."""
        program, n_x = self.program, self.n_x
        for v, solved in zip(right_local, self.solved_cross, strict=True):
            right = right - v @ solved
        solution = self._solve(right)
        dx, d_prices = solution[:n_x], solution[self.of_limit : self.of_cone]
        d_local = [
            self._tridiagonal(main, off, v) - solved @ solution
            for main, off, v, solved in zip(self.main, self.off, right_local, self.solved_cross, strict=True)
        ]
        pieces = [
            newton.step(
                program.argument(newton.pieces, dx, d_local),
                0.0 if newton.pieces.price is None else float(d_prices[newton.pieces.price]),
            )
            for newton in self.pieces
        ]
        cones, alongs = [], -solution[self.of_cone :]
        for cone, scaling, aim, along, residual in zip(program.cones, self.cones, aims, alongs, missing, strict=True):
            moved = program.cone_linear(cone, dx, d_local)
            cones.append((moved - residual, scaling.step(aim - moved, along)))
        d_slacks = (of_limits - self.point.slacks * d_prices) / self.point.prices
        return Point(dx, d_local, solution[n_x : self.of_limit], pieces, cones, d_prices, d_slacks)


def _norm(v: Array) -> float:
    return math.sqrt(v @ v)

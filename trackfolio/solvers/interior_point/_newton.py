r"""One linearisation: the matrix of Newton's method with all scenarios and local variables eliminated.

Of each sum of pieces there remains E'DE, of each cone V'W⁻²V, and with few further unknowns (multipliers of equations
and limits, one number for each cone of local variables) the matrix is

.. math:: K = \begin{pmatrix} H & B' \\ B & -C \end{pmatrix}, \qquad
    H = P + \sum_b E_b'D_bE_b + \sum_j V_j'W_j^{-2}V_j - \sum_g M_g'T_g^{-1}M_g

where a group of local variables has the tridiagonal matrix T of its own, and M are its products with all else.
"""

import math
from functools import cached_property

import numpy as np
import scipy.linalg

from trackfolio._validation import Array
from trackfolio.exceptions import SolverFailure
from trackfolio.solvers.interior_point._blocks import Dense, block_of
from trackfolio.solvers.interior_point._cone import ConeNewton, mirrored
from trackfolio.solvers.interior_point._factors import Bordered, Inverse, Pivoted
from trackfolio.solvers.interior_point._iterate import Iterate, Residuals
from trackfolio.solvers.interior_point._maps import Map, Rows
from trackfolio.solvers.interior_point._pieces import Pieces
from trackfolio.solvers.interior_point._program import Program, local_transpose

# Factorisations that are tried: whether by the block of the weights, and the least shift of each diagonal entry.
_WAYS = ((True, 1e-13), (False, 1e-13), (False, 1e-10), (False, 1e-7))
# From so many assets on the first of them is the faster one.
_MANY = 150
# Solutions of linear systems are refined so often, up to this relative error; another way is tried above that one.
_REFINEMENTS, _EXACT, _ENOUGH = 3, 1e-12, 1e-4
# Errors of the step's stationarity that are refined: in relation to the products, which are what is left to gain.
_ROUNDING = 1e-2


class Newton:
    """Factors of one linearisation, for several right-hand sides.

    `D` are the curvatures of all pieces; through e = d⁺a + d⁻b the multiplier of a limit enters those of its sums.
    """

    def __init__(self, program: Program, point: Iterate, missing: Residuals, *, roughly: bool = False) -> None:
        self.program, self.point, self.missing, self.roughly = program, point, missing, roughly
        self.joined = joined = program.joined
        self.ratio = point.primal / point.dual
        d_upper, d_lower, self.slack_ratio = joined.parts(self.ratio)
        inverse = joined.curvature + d_lower
        inverse[: joined.n_upper] += d_upper
        self.D = 1 / inverse
        if joined.priced:
            self.e = d_lower * joined.lower
            self.e[: joined.n_upper] += d_upper * joined.top
        self.cones = [ConeNewton(s, z) for s, z in point.cones]
        self.n_x = len(program.cost)
        self.of_limit = self.n_x + len(program.b)
        self.of_cone = self.of_limit + len(program.limits)
        self.size = self.of_cone + len(program.cones)
        self.block = block_of(program, self.size)
        self.strip = self.block.strip
        self.way = int(program.n_assets < _MANY and isinstance(self.block, Dense))
        self.factors: Inverse | None = None
        self._assemble()
        self._eliminate()
        self.block.complete()

    def _assemble(self) -> None:
        """The block of the weights, and the strip of the rows of K below it."""
        n, n_x, program = self.program.n_assets, self.n_x, self.program
        if program.quadratic is not None:
            self.block.add_matrix(program.quadratic)
        self.main = [np.zeros(size) for size in program.groups]
        self.off = [np.zeros(max(size - 1, 1)) for size in program.groups]  # LAPACK wants one at least
        self.cross = [np.zeros((size, self.size)) for size in program.groups]
        self.strip[n_x - n : self.of_limit - n, :n_x] = program.A
        for k, (p, _) in enumerate(program.limits):
            row = self.of_limit + k
            self.strip[row - n, :n_x] += p
            self.strip[row - n, row] -= self.slack_ratio[k]
        for j, cone in enumerate(self.cones):
            self._add_cone(j, cone)
        self._add_pieces()
        self.strip[: n_x - n, n_x:] = self.strip[n_x - n :, n:n_x].T

    def _add_pieces(self) -> None:
        """E'DE, and what enters the rows of the limits."""
        n, n_x, program, joined = self.program.n_assets, self.n_x, self.program, self.joined
        if program.stacked is None or not isinstance(self.block, Dense):
            self._add_sums()
        else:
            rows = np.sqrt(self.D)[:, None] * program.stacked[: len(self.D)]
            self.block.whole[:n_x, :n_x] += rows.T @ rows
        for p, place in zip(program.pieces, joined.places, strict=True):
            if p.price is not None:
                row, local = self.of_limit + p.price, program.no_locals()
                program.pull(p, self.D[place] * self.e[place], self.strip[row - n, :n_x], local)
                self.strip[row - n, row] += self._limit_curvature(place)
                for cross, v in zip(self.cross, local, strict=True):
                    cross[:, row] += v

    def _add_sums(self) -> None:
        n_x, program = self.n_x, self.program
        # Sums on the same rows, such as tails of two levels, share one product.
        shared: dict[int, tuple[Map, Array]] = {}
        for p, place in zip(program.pieces, self.joined.places, strict=True):
            D = self.D[place]
            if p.map is not None:
                _, others = shared.get(id(p.map), (p.map, np.zeros(len(D))))
                shared[id(p.map)] = p.map, others + D
            if p.scalars:
                pulled = np.zeros(n_x)
                program.pull(p, D, pulled, program.no_locals())
                for j, c in p.scalars.items():
                    self.strip[j, :n_x] += c * pulled
            if p.local is not None:
                self._add_local(p, D)
        for own, D in shared.values():
            self.block.add_gram(own, D, roughly=self.roughly)

    def _limit_curvature(self, place: slice) -> float:
        """Coefficient of dν in the row of the limit, from one of its sums."""
        d_upper, d_lower, _ = self.joined.parts(self.ratio)
        lower, top = self.joined.lower[place], self.joined.top[place]
        return float(self.D[place] @ self.e[place] ** 2 - d_upper[place] @ top**2 - d_lower[place] @ lower**2)

    def _add_local(self, p: Pieces, D: Array) -> None:
        n = self.program.n_assets
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
        for i, a in cone.scalars.items():
            for k, b in cone.scalars.items():
                self.strip[i, n + k] -= weight * a * b
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
        return Pivoted(self.block.bordered(), size)

    @staticmethod
    def _tridiagonal(main: Array, off: Array, right: Array) -> Array:
        *_, solved, info = scipy.linalg.lapack.dptsv(main, off, right)
        if info != 0:
            raise SolverFailure("the matrix of local variables is singular")
        return np.asarray(solved)

    def _solve(self, right: Array) -> Array:
        """Kx = right; with a larger shift, or pivots, where that loses too many digits."""
        size, x = _norm(right), 0.0 * right
        for way in range(self.way, len(_WAYS)):
            if self.factors is None or self.way < way:
                try:
                    self.factors = self._factors(*_WAYS[way])
                except np.linalg.LinAlgError:
                    continue
                self.way = way
            x, error = self._solve_by(self.factors, right, size)
            if error <= _ENOUGH * size:
                break
        if self.factors is None:
            raise SolverFailure("Newton's matrix is singular")
        return x

    def _solve_by(self, factors: Inverse, right: Array, size: float) -> tuple[Array, float]:
        """Solution, refined as long as that helps, and its error; 0, if it is worse than that."""
        x = factors.solve(right)
        missed = right - self.block.bordered_times(x)
        error = _norm(missed)
        if not error < 0.5 * size:
            return 0.0 * right, size
        for _ in range(_REFINEMENTS):
            if error <= _EXACT * size:
                break
            better = x + factors.solve(missed)
            still = right - self.block.bordered_times(better)
            less = _norm(still)
            if not less < 0.5 * error:
                break
            x, missed, error = better, still, less
        return x, error

    @cached_property
    def _base(self) -> Array:
        """The right-hand side that removes the residuals."""
        missing, right = self.missing, np.zeros(self.size)
        right[: self.of_cone] = -np.concatenate([missing.x, missing.y, missing.limits])
        return right

    def direction(self, targets: Array, of_cones: list[Array]) -> Iterate:
        """Step that removes the residuals and brings the products to the given right-hand sides."""
        program, n_x, of_limit, joined = self.program, self.n_x, self.of_limit, self.joined
        right, local = self._base.copy(), [-r for r in self.missing.local]
        over = targets / self.point.dual
        over_upper, over_lower, of_limits = joined.parts(over)
        # With k, dπ = D(dξ + e dν + k).
        k = self.missing.pieces + over_lower
        k[: joined.n_upper] -= over_upper
        right[of_limit : self.of_cone] -= of_limits
        pulling = -self.D * k
        for place, price in joined.priced:
            right[of_limit + price] += joined.lower[place] @ over_lower[place] - joined.top[place] @ over_upper[place]
            right[of_limit + price] += pulling[place] @ self.e[place]
        aims: list[Array] = []
        for scaling, residual, target in zip(self.cones, self.missing.cones, of_cones, strict=True):
            aim, right[self.of_cone + len(aims)] = scaling.aim(residual, target)
            aims.append(aim)
        of_aims = [mirrored(aim) / -(scaling.eta**2) for aim, scaling in zip(aims, self.cones, strict=True)]
        program.add_pull(pulling, of_aims, right[:n_x], local)
        step = self._steps(right, local, aims, self.missing.cones, over, k)
        return self._refined(step) if program.groups else step

    def _refined(self, step: Iterate) -> Iterate:
        """The step with less of the error that the elimination of local variables leaves in it."""
        still, right = [np.zeros(len(s)) for s, _ in step.cones], np.zeros(self.size)
        for _ in range(_REFINEMENTS):
            x, local = self._unmet(step)
            if max(float(np.max(np.abs(v))) for v in [x, *local]) < _ROUNDING * self.point.complementarity:
                break
            right[: self.n_x] = -x
            # Zero right-hand sides of the products: this is a correction of a step.
            more = self._steps(right, [-v for v in local], still, still, 0 * step.dual, 0 * step.slope)
            step = step.moved(more, 1.0, 1.0)
        return step

    def _unmet(self, step: Iterate) -> tuple[Array, list[Array]]:
        """What is left of the residuals of stationarity after a step, by all that was eliminated."""
        x, local = step.pulled(self.program)
        return x + self.missing.x, [v + r for v, r in zip(local, self.missing.local, strict=True)]

    def _steps(
        self, right: Array, right_local: list[Array], aims: list[Array], missing: list[Array], over: Array, k: Array
    ) -> Iterate:
        """Solve, and find the steps of what was eliminated."""
        program, n_x, joined = self.program, self.n_x, self.joined
        for v, solved in zip(right_local, self.solved_cross, strict=True):
            right = right - v @ solved
        solution = self._solve(right)
        dx, d_prices = solution[:n_x], solution[self.of_limit : self.of_cone]
        d_local = [
            self._tridiagonal(main, off, v) - solved @ solution
            for main, off, v, solved in zip(self.main, self.off, right_local, self.solved_cross, strict=True)
        ]
        forced, moved = program.images(dx, d_local)
        forced += k
        for place, price in joined.priced:
            forced[place] += self.e[place] * d_prices[price]
        d_slope = self.D * forced
        d_dual = np.concatenate([-d_slope[: joined.n_upper], d_slope, d_prices])
        d_upper, d_lower, _ = joined.parts(d_dual)
        for place, price in joined.priced:
            d_upper[place] += joined.top[place] * d_prices[price]
            d_lower[place] -= joined.lower[place] * d_prices[price]
        cones = [
            (v - residual, scaling.step(aim - v, float(along)))
            for v, scaling, aim, along, residual in zip(
                moved, self.cones, aims, -solution[self.of_cone :], missing, strict=True
            )
        ]
        return Iterate(dx, d_local, solution[n_x : self.of_limit], d_slope, over - self.ratio * d_dual, d_dual, cones)


def _norm(v: Array) -> float:
    return math.sqrt(v @ v)

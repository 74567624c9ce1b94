"""From a problem to the program of the method, and from its point back to weights and multipliers.

Weights are measured in the unit of the problem, the objective in its scale, returns in their typical size, and each
limit in its own: all numbers are then near 1.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from trackfolio._functions import AbsoluteSum, Limit, Linear, RiskOf
from trackfolio._position import Position
from trackfolio._shape import Shape
from trackfolio._validation import Array
from trackfolio.problem import Problem
from trackfolio.solution import Solution
from trackfolio.solvers.interior_point._cone import Cone
from trackfolio.solvers.interior_point._maps import Chosen, Map, Pairs, Rows, SparseRows
from trackfolio.solvers.interior_point._pieces import Pieces
from trackfolio.solvers.interior_point._program import Point, Program

Mask = npt.NDArray[np.bool_]


def unsuited(problem: Problem) -> list[str]:
    """Sentences that say what keeps the method from the problem."""
    sentences = [f"{name} has no form that it knows" for name, _, f in problem.objective if not _is_known(f)]
    for name, limits in problem.limits.items():
        for limit in limits:
            functions = [f for _, f in limit.summands]
            if not all(_is_known(f) for f in functions):
                sentences.append(f"{name} limits a function of no form that it knows")
            elif any(_is_square(f) for f in functions) and not _is_single(limit):
                sentences.append(f"{name} limits a sum with squares")
            elif any(_is_mixed(f) for f in functions):
                sentences.append(f"{name} limits a function that is square in part")
            elif _is_single(limit) and limit.bound <= 0:
                sentences.append(f"{name} limits a root or square by {limit.bound:g}")
    return sentences


def is_root(problem: Problem) -> bool:
    """Whether the objective is one root alone, so that its square can be minimised."""
    return len(problem.objective) == 1 and _is_root(problem.objective[0].function)


def _is_known(f: Any) -> bool:
    return isinstance(f, Linear | AbsoluteSum) or f.quadratic is not None or _shape(f) is not None


def _shape(f: Any) -> Shape | None:
    return f.shape if isinstance(f, RiskOf) and not f.is_quadratic else None


def _is_root(f: Any) -> bool:
    shape = _shape(f)
    return f.is_root if shape is None else shape.is_root


def _is_square(f: Any) -> bool:
    shape = _shape(f)
    if shape is None:
        return f.quadratic is not None and not f.is_root
    return shape.curvature is not None and not shape.is_root and not np.isfinite(shape.upper).all()


def _is_mixed(f: Any) -> bool:
    shape = _shape(f)
    return shape is not None and shape.curvature is not None and bool(np.isfinite(shape.upper).all())


def _is_single(limit: Limit) -> bool:
    """Whether the limit is on one root or square alone, which a cone without a scalar of its own holds."""
    f = limit.summands[0][1]
    return len(limit.summands) == 1 and (_is_root(f) or _is_square(f))


@dataclass
class _Affine:
    """Coefficients of weights and scalars that are still being collected."""

    weights: Array
    scalars: dict[int, float] = field(default_factory=dict)

    def row(self, n_scalars: int) -> Array:
        row = np.concatenate([self.weights, np.zeros(n_scalars)])
        for j, c in self.scalars.items():
            row[len(self.weights) + j] = c
        return row


class Translation:
    """The program of a problem, or of the square of its objective, with the notes by which a point of it is read."""

    def __init__(self, problem: Problem, *, squared: bool = False) -> None:
        self.problem, self.squared, self.size, n = problem, squared, problem.unit, problem.n_assets
        self._cost, self._n_scalars = _Affine(np.zeros(n)), 0
        self._equations: list[tuple[_Affine, float]] = []
        self._limits: list[tuple[_Affine, float]] = []
        self._quadratic: Array | None = None
        self._pieces: list[Pieces] = []
        self._cones: list[Cone] = []
        self._groups: list[int] = []
        self._returns: dict[int, Rows] = {}
        # How to read pulls and multipliers of limits: by name, in order.
        self._pulls: dict[str, list[Callable[[Point], Array | None]]] = {}
        self._limit_duals: dict[str, list[Callable[[Point], float]]] = {}
        self._row_duals: list[Callable[[Point], Array]] = []
        self._add_rows()
        self._add_bounds()
        for name, coefficient, f in problem.objective:
            self._add_objective(name, coefficient / problem.scale, f)
        for name, limits in problem.limits.items():
            for limit in limits:
                self._add_limit(name, limit)
        self.program = self._assembled()

    def _assembled(self) -> Program:
        k = self._n_scalars
        return Program(
            n_assets=self.problem.n_assets,
            cost=self._cost.row(k),
            A=np.array([e.row(k) for e, _ in self._equations]).reshape(-1, self.problem.n_assets + k),
            b=np.array([b for _, b in self._equations]),
            quadratic=self._quadratic,
            pieces=self._pieces,
            cones=self._cones,
            limits=[(p.row(k), bound) for p, bound in self._limits],
            groups=self._groups,
        )

    # Linear limits.

    def _add_rows(self) -> None:
        A, lower, upper = self.problem.linear
        lower, upper = lower / self.size, upper / self.size
        for k in np.flatnonzero(lower == upper):
            row = A[[k]].toarray()[0] if sp.issparse(A) else A[k]
            self._row_duals.append(partial(_at_row, int(k), len(lower), len(self._equations)))
            self._equations.append((_Affine(np.array(row)), float(upper[k])))
        for sign, bound in ((1.0, upper), (-1.0, lower)):
            i = np.flatnonzero(np.isfinite(bound) & (lower != upper))
            if len(i):
                rows: Map = SparseRows(A[i]) if sp.issparse(A) else Rows(np.asarray(A[i]))
                self._row_duals.append(partial(_at_rows, i, len(lower), sign, len(self._pieces)))
                self._inequality(rows, sign, sign * bound[i])

    def _add_bounds(self) -> None:
        n, lower, upper = self.problem.n_assets, self.problem.lower / self.size, self.problem.upper / self.size
        fixed = lower == upper
        self._equations += [(_Affine(np.eye(1, n, int(k))[0]), float(upper[k])) for k in np.flatnonzero(fixed)]
        # What the other bounds and the budget imply is not said twice.
        reach = self.problem.budget[1] / self.size - (lower.sum() - lower)
        implied = np.isfinite(reach) & (upper >= reach)
        for sign, bound, needless in ((1.0, upper, implied | fixed), (-1.0, lower, fixed)):
            i = np.flatnonzero(np.isfinite(bound) & ~needless)
            if len(i):
                self._inequality(Chosen(i, np.ones(len(i)), n), sign, sign * bound[i])

    def _inequality(self, chosen: Map | None, sign: float, offset: Array, **more: Any) -> int:
        """Arguments that must not be positive; the number of the sum."""
        zero = np.zeros(len(offset))
        self._pieces.append(Pieces(chosen, sign, offset, zero, zero + np.inf, **more))
        return len(self._pieces) - 1

    # Functions.

    def _add_objective(self, name: str, c: float, f: Any) -> None:
        if self.squared:
            self._pulls[name] = [self._add_square(f, c**2)]
        else:
            self._pulls[name] = [self._add(f, c, None)]

    def _add_limit(self, name: str, limit: Limit) -> None:
        pulls, duals = self._pulls.setdefault(name, []), self._limit_duals.setdefault(name, [])
        if _is_single(limit):
            (c, f), power = limit.summands[0], 1 if _is_root(limit.summands[0][1]) else 2
            most = (limit.bound / c) ** (1 / power)
            number, pull = self._add_cone(f, {}, 1 / most)
            pulls.append(pull)
            duals.append(lambda point: float(point.cones[number][1][0]) / (power * limit.bound))
            return
        k, scale = len(self._limits), limit.scale(self.size)
        self._limits.append((_Affine(np.zeros(self.problem.n_assets)), limit.bound / scale))
        pulls += [self._add(f, c / scale, k) for c, f in limit.summands]
        duals.append(lambda point: float(point.prices[k]) / scale)

    def _add(self, f: Any, c: float, limit: int | None) -> Callable[[Point], Array | None]:
        """Add c times a function to the objective or to a limit; how to read its pull."""
        shape = _shape(f)
        if isinstance(f, Linear):
            self._charge(limit, weights=c * self.size * f.slope, constant=c * f.constant)
        elif isinstance(f, AbsoluteSum):
            self._add_absolute(f, c * self.size, limit)
        elif _is_root(f):
            unit = f.position.return_unit * self.size
            v = self._scalar()
            self._charge(limit, scalars={v: c * unit})
            return self._add_cone(f, {v: 1.0}, 1 / unit)[1]
        elif shape is not None:
            return self._add_shape(f, shape, c, limit)
        else:
            return self._add_square(f, c)
        return _no_pull

    def _add_absolute(self, f: AbsoluteSum, c: float, limit: int | None) -> None:
        i = np.flatnonzero(f.up + f.down > 0)
        chosen = Chosen(i, np.ones(len(i)), len(f.centre))
        self._pieces.append(Pieces(chosen, 1.0, f.centre[i] / self.size, -c * f.down[i], c * f.up[i], price=limit))

    def _add_square(self, f: Any, c: float) -> Callable[[Point], Array | None]:
        """Add c times a quadratic form, or a sum of squares of shortfalls, to the objective."""
        shape = _shape(f)
        if shape is not None:
            return self._add_shape(f, shape, c, None)
        matrix, linear, _ = f.quadratic.gram()
        added = 2 * c * self.size**2 * matrix
        self._quadratic = added if self._quadratic is None else self._quadratic + added
        self._cost.weights -= 2 * c * self.size * linear
        return _no_pull

    def _add_shape(self, f: RiskOf, shape: Shape, c: float, limit: int | None) -> Callable[[Point], Array | None]:
        """Add c times a sum of pieces of the returns."""
        unit, keep = self._unit(f.position), shape.upper > shape.lower
        given, scalars = self._argument(f.position, shape, keep)
        if shape.free is not None:
            alpha = self._scalar()
            scalars[alpha] = -1.0
            self._charge(limit, scalars={alpha: c * unit * shape.free})
        curvature = 0.0 if shape.curvature is None else shape.curvature[keep] / (c * unit**2)
        number, (chosen, sign, offset, local) = len(self._pieces), given
        self._pieces.append(
            Pieces(
                chosen, sign, offset, c * unit * shape.lower[keep], c * unit * shape.upper[keep],
                curvature, scalars, local, limit,
            )
        )  # fmt: skip
        return self._reader(f.position, shape, keep, number)

    def _argument(
        self, position: Position, shape: Shape, keep: Mask
    ) -> tuple[tuple[Map | None, float, Array, tuple[int, str] | None], dict[int, float]]:
        """Map, sign, offset and local variables of the arguments; and the scalar that is the mean."""
        unit, y = self._unit(position), 0.0 if position.y is None else position.y
        moved = np.full(len(keep), shape.offset / unit)
        if shape.of == "drawdowns":
            return (None, 1.0, moved[keep], (self._path(position), "plus")), {}
        if shape.of == "pairs":
            pairs = Pairs(position.rows, self.size / unit, keep)
            offset = moved[keep] + shape.sign * pairs.of_series(np.broadcast_to(y, len(position.rows))) / unit
            return (pairs, shape.sign, offset, None), {}
        offset, scalars = moved + shape.sign * y / unit, {}
        if shape.centre is not None:
            mean = self._scalar()
            scalars[mean] = -shape.sign
            row = _Affine(self.size / unit * (shape.centre @ position.rows), {mean: -1.0})
            self._equations.append((row, float(np.sum(shape.centre * y)) / unit))
        return (self._rows(position, keep), shape.sign, offset[keep], None), scalars

    def _add_cone(self, f: Any, head: dict[int, float], factor: float) -> tuple[int, Callable[[Point], Array | None]]:
        """Cone that holds factor times the function (its root, if it is a square) below a scalar, or below 1."""
        number, constant, shape = len(self._cones), 0.0 if head else 1.0, _shape(f)
        if shape is None:
            R, r = f.quadratic.root()
            self._cones.append(Cone(factor * self.size * R, factor * r, constant, head))
            return number, lambda point: -factor * point.cones[number][1][1:]
        assert shape.curvature is not None
        unit, keep = self._unit(f.position), shape.upper > shape.lower
        weight = factor * unit / np.sqrt(2 * shape.curvature[keep])
        (chosen, sign, offset, local), scalars = self._argument(f.position, shape, keep)
        piece = len(self._pieces) - 2
        if local is None:
            self._groups.append(len(offset))
            local = len(self._groups) - 1, "minus"
            piece = self._inequality(chosen, sign, offset, scalars=scalars, local=local)
        self._cones.append(Cone(weight, np.zeros(len(weight)), constant, head, local[0]))
        return number, self._reader(f.position, shape, keep, piece)

    def _path(self, position: Position) -> int:
        """Local variables that are the drawdowns; the inequalities of their path come first, then their signs."""
        unit, n = self._unit(position), len(position.rows)
        self._groups.append(n)
        group = len(self._groups) - 1
        y = np.zeros(n) if position.y is None else position.y
        self._inequality(self._rows(position, np.ones(n, dtype=bool)), -1.0, -y / unit, local=(group, "chain"))
        self._inequality(None, 1.0, np.zeros(n), local=(group, "minus"))
        return group

    def _reader(self, position: Position, shape: Shape, keep: Mask, number: int) -> Callable[[Point], Array | None]:
        unit = self._unit(position)
        if shape.of == "drawdowns":
            path = number - 2 if self._pieces[number].local != (len(self._groups) - 1, "chain") else number
            return lambda point: -point.pieces[path].slope / unit
        if shape.of == "pairs":
            pairs = self._pieces[number].map
            assert isinstance(pairs, Pairs)
            return lambda point: shape.sign / unit * pairs.to_series(point.pieces[number].slope)

        def pull(point: Point) -> Array:
            slopes = np.zeros(len(keep))
            slopes[keep] = shape.sign / unit * point.pieces[number].slope
            return slopes

        return pull

    # Bookkeeping.

    def _unit(self, position: Position) -> float:
        return position.return_unit * self.size

    def _rows(self, position: Position, keep: Mask) -> Rows:
        """Returns of the periods that count; sums of the same periods share one map."""
        factor = self.size / self._unit(position)
        if not keep.all():
            return Rows(position.rows[keep], factor)
        return self._returns.setdefault(id(position.rows), Rows(position.rows, factor))

    def _scalar(self) -> int:
        self._n_scalars += 1
        return self._n_scalars - 1

    def _charge(
        self,
        limit: int | None,
        weights: Array | None = None,
        scalars: dict[int, float] | None = None,
        constant: float = 0.0,
    ) -> None:
        """Add a linear function to the objective, or to the left-hand side of a limit."""
        target = self._cost
        if limit is not None:
            target, bound = self._limits[limit]
            self._limits[limit] = (target, bound - constant)
        if weights is not None:
            target.weights += weights
        target.scalars |= scalars or {}

    # Reading.

    def solution(self, point: Point, iterations: int) -> Solution:
        """Weights and multipliers in declared units."""
        w = self.size * point.x[: self.problem.n_assets]
        per_unit = self.problem.multiplier_unit(w, squared=self.squared)
        row_duals = np.zeros(len(self.problem.linear.lower))
        for read in self._row_duals:
            row_duals += read(point)
        return Solution(
            weights=w,
            solver="InteriorPoint",
            iterations=iterations,
            row_duals=row_duals * (per_unit / self.size),
            limit_duals={name: [per_unit * read(point) for read in reads] for name, reads in self._limit_duals.items()},
            pulls={
                name: [None if pull is None else per_unit * pull for pull in (read(point) for read in reads)]
                for name, reads in self._pulls.items()
            },
        )


def _no_pull(point: Point) -> None:
    return None


def _at_row(row: int, n_rows: int, equation: int, point: Point) -> Array:
    duals = np.zeros(n_rows)
    duals[row] = -point.y[equation]
    return duals


def _at_rows(rows: npt.NDArray[np.intp], n_rows: int, sign: float, piece: int, point: Point) -> Array:
    duals = np.zeros(n_rows)
    duals[rows] = -sign * point.pieces[piece].slope
    return duals

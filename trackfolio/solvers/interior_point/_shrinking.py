"""A method that goes on with fewer assets and scenarios, once its iterates tell which of them have settled.

Weights that go to 0 leave (see `_columns`), and so do pieces whose slope goes to an end of its interval (see
`_scenarios`). At the solution of the rest both are checked, in one pass over the returns each; where the iterates told
wrongly, those concerned come back.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from trackfolio._validation import Array
from trackfolio.exceptions import SolverFailure
from trackfolio.solvers.interior_point._columns import (
    MOST_KEPT,
    Mask,
    expanded,
    going,
    rest,
    restricted,
    without,
)
from trackfolio.solvers.interior_point._method import Outcome, solve_program
from trackfolio.solvers.interior_point._pieces import Pieces, PiecesState
from trackfolio.solvers.interior_point._program import Point, Program
from trackfolio.solvers.interior_point._scenarios import (
    Split,
    arguments_of,
    can_settle,
    missed,
    settled_slopes,
    states_of_kept,
    total,
    with_settled,
    without_settled,
)

# Sums of products at which assets and scenarios leave.
_SWITCHES = (1e-1, 1e-3)
# Slopes nearer to an end than this share of their interval have settled, unless fewer pieces than those farther away
# from both ends than the second share, and three for each asset, would be left.
_SETTLED, _FREE, _FOR_EACH = 1e-2, 1e-1, 3
_MOST_ROUNDS, MOST_STEPS = 3, 40
# Multipliers of points that miss optimality by more tell nothing of what was left out.
_MULTIPLIERS_TELL = 1e-6


@dataclass(eq=False)
class Part:
    """A problem without some of its assets, at weights of 0, and without pieces that have settled."""

    whole: Program
    assets: Mask
    splits: dict[int, Split]

    @property
    def is_smaller(self) -> bool:
        """Whether anything is left out."""
        return bool(self.splits) or not self.assets.all()

    @cached_property
    def _all_assets(self) -> Program:
        return without_settled(self.whole, self.splits) if self.splits else self.whole

    @cached_property
    def program(self) -> Program:
        """What is left."""
        return self._all_assets if self.assets.all() else restricted(self._all_assets, self.assets)

    def point(self, point: Point) -> Point:
        """What is left of a point of the whole."""
        point = replace(point, pieces=states_of_kept(point.pieces, self.splits))
        return point if self.assets.all() else rest(self._all_assets, point, self.assets)

    def expanded(self, point: Point) -> tuple[Point, float, "Part"]:
        """The point of the whole; what it misses there; and a larger part, to which what was missed belongs."""
        assets, splits, missing = self.assets, dict(self.splits), 0.0
        if not assets.all():
            point, prices = expanded(self._all_assets, point, assets)
            missing = float(prices.max())
            assets = assets | (prices > 0.1 * missing) & (missing > 0)
        arguments = arguments_of(self.whole, list(splits), point.x)
        for b, split in self.splits.items():
            p = self.whole.pieces[b]
            by_piece = missed(p, arguments[b], split, point)
            missing += total(p, by_piece)
            splits[b] = split.joined(by_piece > 0)
        return with_settled(self.whole, point, self.splits), missing, Part(self.whole, assets, splits)


def solve_by_parts(
    part: Part, tolerance: float, rounds: int, solve: Callable[[Part, Array | None], Outcome]
) -> tuple[Outcome | None, int]:
    """Solve a part, and larger ones as long as something is missed; the iterations of all.

    None where that does not end well. `solve` gets the weights of the part before, if there was one.
    """
    w, iterations = None, 0
    for _ in range(rounds if part.is_smaller else 0):
        try:
            outcome = solve(part, w)
        except SolverFailure:
            break
        iterations += outcome.iterations
        if outcome.miss > max(_MULTIPLIERS_TELL, tolerance):
            break
        point, missing, part = part.expanded(outcome.point)
        w = point.x[: part.whole.n_assets]
        if missing <= 10 * tolerance:
            return Outcome(point, iterations, max(outcome.miss, missing)), iterations
    return None, iterations


def solve_shrinking(
    program: Program,
    tolerance: float,
    max_iter: int,
    start: Point | None = None,
    switches: tuple[float, ...] = _SWITCHES,
) -> Outcome:
    """Solve with all assets and scenarios until the iterates tell which settle; the others go on from there."""
    if not switches or tolerance >= switches[0] or program.stacked is not None:
        return solve_program(program, tolerance, max_iter, start)
    rough = solve_program(program, switches[0], max_iter, start)
    left = max(max_iter - rough.iterations, 1)
    part = _unsettled(program, rough.point)
    if not part.is_smaller or rough.miss > switches[0]:
        outcome = solve_shrinking(program, tolerance, left, rough.point, switches[1:])
        return outcome._replace(iterations=rough.iterations + outcome.iterations)

    def on(part: Part, w: Array | None) -> Outcome:
        return solve_shrinking(part.program, tolerance, min(left, MOST_STEPS), part.point(rough.point), switches[1:])

    found, iterations = solve_by_parts(part, tolerance, _MOST_ROUNDS, on)
    outcome = found or solve_program(program, tolerance, left, rough.point)
    iterations += rough.iterations + (0 if found else outcome.iterations)
    return outcome._replace(iterations=iterations)


def _unsettled(program: Program, point: Point) -> Part:
    """The part that is still to be decided; all, if that is nearly so."""
    assets, splits = without(program, going(program, point)), {}
    for b, (p, q) in enumerate(zip(program.pieces, point.pieces, strict=True)):
        if can_settle(p):
            price = 1.0 if p.price is None else float(point.prices[p.price])
            split = _split(p, q, price, int(assets.sum()))
            if len(split.kept) <= MOST_KEPT * len(p.offset):
                splits[b] = split
    return Part(program, assets, splits)


def _split(p: Pieces, q: PiecesState, price: float, n_assets: int) -> Split:
    if p.has_upper:
        free = np.minimum(q.to_upper, q.to_lower) / (price * (p.upper - p.lower))
    else:
        free = (p.curvature if np.any(p.curvature) else 1.0) * q.to_lower / q.s_lower
    most = int(np.count_nonzero(free > _FREE)) + _FOR_EACH * n_assets
    kept = free > _SETTLED
    if not kept.any():  # an empty sum would not tell its kind
        kept = free >= free.max()
    if not np.any(p.curvature) and np.count_nonzero(kept) > most:
        kept = free >= np.partition(free, -most)[-most]
    chosen = np.flatnonzero(kept)
    return Split(chosen, settled_slopes(p, chosen, p.has_upper & (q.to_upper < q.to_lower)))

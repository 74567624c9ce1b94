"""Branch and bound over what is held: the part with the lowest bound first, each followed down to its end."""

import heapq
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from trackfolio._holdings import HELD, OPEN, OUT, SHORT, States
from trackfolio._search_proof import Leaves
from trackfolio._validation import Array
from trackfolio.solvers.sparse._engines import Engine, Node
from trackfolio.solvers.sparse._local import LocalSearch

# Leaves are kept for the proof: no more memory than this is taken for them.
_MOST_BYTES = 400_000_000
# Where more assets are open, only those are probed that are held in part.
_MOST_PROBED, _IN_PART = 150, 1e-2
# Weights below this, relative to the largest, are none when the least position is checked.
_NOTHING = 1e-9


@dataclass(frozen=True, eq=False)
class Part:
    """A part of the portfolios: decisions, what follows from them, and its bound with the relaxation it is by."""

    decided: States
    states: States
    node: Node
    relaxation: int


@dataclass(eq=False)
class _Record:
    """Leaves so far, in columns."""

    states: list[States] = field(default_factory=list)
    points: list[sp.csr_array] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    row_duals: list[Array] = field(default_factory=list)
    limit_duals: list[Array] = field(default_factory=list)
    relaxations: list[int] = field(default_factory=list)

    def add(self, part: Part) -> None:
        self.states.append(part.decided)
        self.points.append(sp.csr_array(part.node.w[None]))
        self.shares.append(part.node.share)
        self.row_duals.append(part.node.row_duals)
        self.limit_duals.append(part.node.limit_duals)
        self.relaxations.append(part.relaxation)

    def add_empty(self, decided: States, n_rows: int, n_limits: int) -> None:
        self.states.append(decided)
        self.points.append(sp.csr_array((1, len(decided))))
        self.shares.append(0.0)
        self.row_duals.append(np.zeros(n_rows))
        self.limit_duals.append(np.zeros(n_limits))
        self.relaxations.append(-1)


class Tree:
    """Splits the portfolios until each part is known to hold none that is better by more than the tolerance.

    Parameters
    ----------
    engine : Engine
        Bounds parts.
    search : LocalSearch
        Holds the best portfolio, and improves what is found.
    cutoff : callable
        The bound from which on a part is done with, given the objective of the best portfolio.
    stop : callable
        Reason to stop, given the number of nodes and the lowest bound; None to go on.
    """

    def __init__(
        self,
        engine: Engine,
        search: LocalSearch,
        cutoff: Callable[[float], float],
        stop: Callable[[int, float], str | None],
    ) -> None:
        self.engine, self.search, self.holdings = engine, search, engine.program.holdings
        self._cutoff, self._stop = cutoff, stop
        self.nodes = 0
        self.stopped_by: str | None = None
        self._record = _Record()
        self._open: list[tuple[float, int, Part]] = []
        self._ticks = itertools.count()
        program = engine.program
        self._duals = len(program.problem.linear.lower), len(program.limits)
        self._ways = [
            [OUT, *([HELD] if long else []), *([SHORT] if short else [])]
            for long, short in zip(self.holdings.can_be_long, self.holdings.can_be_short, strict=True)
        ]
        self.bound = -np.inf

    @property
    def cutoff(self) -> float:
        """The bound from which on a part is done with."""
        return self._cutoff(self.search.value)

    def run(self, root: Part) -> None:
        """Split until done, or stopped; an interrupt leaves the best so far."""
        part: Part | None = root
        self.bound = root.node.bound
        try:
            if root.node.bound >= self.cutoff:
                self._record.add(root)
                return
            part = self._probed(root)
            while part is not None:
                part = self._dive(part)
        except KeyboardInterrupt:
            self.stopped_by = "interrupt"
            if part is not None:
                self._push(part)
        for _, _, rest in self._open:
            self._record.add(rest)

    # Splitting.

    def _dive(self, part: Part) -> Part | None:
        """Split a part; go on with the better half, or where none is left with the part of the lowest bound."""
        self.stopped_by = self._stopped(part)
        if self.stopped_by:
            self._push(part)
            return None
        if not (part.states == OPEN).any():
            self._round(part)
            self._record.add(part)  # it cannot be split: its bound stands, whatever it is
            return self._next()
        children = self._children(part, self._branching(part))
        self._round(part)
        children = [child for child in children if not self._is_done(child)]
        children.sort(key=lambda child: (child.node.bound, -child.node.w.sum()))
        for child in children[1:]:
            self._push(child)
        if children:
            return children[0]
        return self._next()

    def _next(self) -> Part | None:
        while self._open:
            bound, _, part = heapq.heappop(self._open)
            self.bound = max(self.bound, bound)
            if not self._is_done(part):
                return part
        return None

    def _stopped(self, part: Part) -> str | None:
        lowest = min(part.node.bound, self._open[0][0] if self._open else np.inf)
        size = 5 * self.holdings.least.size + 8 * sum(self._duals) + 1500
        if (len(self._record.states) + len(self._open)) * size > _MOST_BYTES:
            return "memory"
        return self._stop(self.nodes, lowest)

    def _push(self, part: Part) -> None:
        heapq.heappush(self._open, (part.node.bound, next(self._ticks), part))

    def _is_done(self, part: Part) -> bool:
        if part.node.bound < self.cutoff:
            return False
        self._record.add(part)
        return True

    def _children(self, part: Part, asset: int) -> list[Part]:
        """The parts of a part, by what becomes of one asset; those without a portfolio are leaves at once."""
        children = []
        for way in self._ways[asset]:
            decided = part.decided.copy()
            decided[asset] = way
            child = self._bounded(decided, part)
            if child is None:
                self._record.add_empty(decided, *self._duals)
            else:
                children.append(child)
        return children

    def _bounded(self, decided: States, parent: Part) -> Part | None:
        """A part with its bound, by the relaxation of its parent where that says more; None without a portfolio."""
        states = self.holdings.closed(decided)
        if states is None:
            return None
        best: Part | None = None
        for number in self._numbers(states):
            self.nodes += 1
            # Where all that is open may be held, the objective itself is exact: it is solved to the end.
            exact = number == 0 and (states != OUT).sum() <= self.holdings.most
            node = self.engine.relaxed(states, parent.node.w, number, np.inf if exact else self.cutoff)
            if node.bound == np.inf and node.value == np.inf:
                return None
            if best is None or node.bound > best.node.bound:
                best = Part(decided, states, node, number)
            if best.node.bound >= self.cutoff:
                break
        assert best is not None, "there is one relaxation at least"
        if parent.node.bound > best.node.bound:
            # What holds for the parent holds for its parts; the weights are still where the next ones begin.
            inherited = replace(parent.node, value=best.node.value, z=best.node.z)
            return Part(decided, states, inherited, parent.relaxation)
        return best

    def _numbers(self, states: States) -> Iterator[int]:
        """Relaxations to try: the latest, and the objective itself where it would hold few names too many."""
        last, few = len(self.engine.relaxations) - 1, 2
        remaining = int((states != OUT).sum()) - self.holdings.most
        if remaining > 0 and last > 0:
            yield last
        if remaining <= few or last == 0:
            yield 0

    def _branching(self, part: Part) -> int:
        """The open asset that counts most as held; where all may be held, one whose position is too small."""
        open_ = part.states == OPEN
        size, least = np.abs(part.node.w), self.holdings.least
        small = open_ & (size > _NOTHING * size.max()) & (size < least)
        score = np.where(open_, part.node.z + size / (1 + size.sum()), -np.inf)
        if (part.states != OUT).sum() <= self.holdings.most and small.any():
            score = np.where(small, np.minimum(size, least - size), -np.inf)
        return int(np.argmax(score))

    # Portfolios on the way.

    def _round(self, part: Part) -> None:
        """Try the portfolio that a part suggests; improve a better one."""
        before = self.search.value
        self.search.round(part.node.w, part.node.z, part.states)
        if self.search.value < before - 1e-9 * abs(before):
            self.search.descend(self.search.value, self.search.w)

    # The first part.

    def _probed(self, root: Part) -> Part | None:
        """The root with all decisions that one look ahead allows: an asset of which all ways but one are done with."""
        part = self._fixed(root)
        changed = part is not None
        while changed and part is not None:
            changed = False
            for asset in np.flatnonzero((part.states == OPEN) & self._worth_probing(part)):
                if part.states[asset] != OPEN:
                    continue
                if self._stopped(part):
                    return part
                part, decided = self._probe(part, int(asset))
                changed |= decided
                if part is None:
                    return self._next()
        return part if part is not None else self._next()

    def _worth_probing(self, part: Part) -> npt.NDArray[np.bool_]:
        """All assets, if they are few; else those that the relaxation holds in part."""
        if (part.states == OPEN).sum() <= _MOST_PROBED:
            return np.ones(len(part.states), dtype=bool)
        return np.asarray((part.node.z > _IN_PART) & (part.node.z < 1 - _IN_PART))

    def _fixed(self, root: Part) -> Part | None:
        """The root with the decisions that its own multipliers allow (fixing by reduced costs)."""
        open_ = np.flatnonzero(root.states == OPEN)
        bounds = {way: self._way_bounds(root, open_, way) for way in (OUT, HELD, SHORT)}
        decided = root.decided.copy()
        for k, asset in enumerate(open_):
            ways = self._ways[asset]
            left = [way for way in ways if bounds[way][k] < self.cutoff]
            if len(left) == len(ways) or len(left) > 1:
                continue
            for way in set(ways) - set(left):
                lost = decided.copy()
                lost[asset] = way
                self._record.add(replace(root, decided=lost, node=replace(root.node, bound=float(bounds[way][k]))))
            if not left:
                return None
            decided[asset] = left[0]
        if (decided == root.decided).all():
            return root
        part = self._bounded(decided, root)
        if part is None:
            self._record.add_empty(decided, *self._duals)
        return None if part is None or self._is_done(part) else part

    def _way_bounds(self, root: Part, assets: npt.NDArray[np.intp], way: int) -> Array:
        """Bound of the root with one asset decided, for each of some assets, by the multipliers of the root."""
        engine, node = self.engine, root.node
        states = np.repeat(root.decided[None], len(assets), axis=0)
        states[np.arange(len(assets)), assets] = way
        count = len(assets)
        leaves = Leaves(
            states,
            sp.csr_array(np.repeat(node.w[None], count, axis=0)),
            np.full(count, node.share),
            np.repeat(node.row_duals[None], count, axis=0),
            np.repeat(node.limit_duals[None], count, axis=0),
            np.zeros(count, dtype=np.int16),
        )
        return engine.bounds(leaves, root.relaxation)

    def _probe(self, part: Part, asset: int) -> tuple[Part | None, bool]:
        """Decide an asset if that is possible."""
        ways: list[tuple[int, Part | None]] = []
        for way in self._ways[asset]:
            decided = part.decided.copy()
            decided[asset] = way
            ways.append((way, self._bounded(decided, part)))
        left = [child for _, child in ways if child is not None and child.node.bound < self.cutoff]
        if len(left) > 1 or len(left) == len(ways):
            return part, False
        for way, child in ways:
            if child is None:
                decided = part.decided.copy()
                decided[asset] = way
                self._record.add_empty(decided, *self._duals)
            elif child.node.bound >= self.cutoff:
                self._record.add(child)
        return (left[0] if left else None), True

    def leaves_of(self, root: Part) -> Leaves:
        """The root alone, where nothing was split."""
        self._record = _Record()
        self._record.add(root)
        return self.leaves()

    def leaves(self) -> Leaves:
        """All leaves, those that were not finished among them."""
        record, n = self._record, self.engine.program.n_assets
        count, (rows, limits) = len(self._record.states), self._duals
        return Leaves(
            np.array(record.states, dtype=np.int8).reshape(count, n),
            sp.csr_array(sp.vstack(record.points)) if count else sp.csr_array((0, n)),
            np.array(record.shares, dtype=np.float64),
            np.array(record.row_duals, dtype=np.float64).reshape(count, rows),
            np.array(record.limit_duals, dtype=np.float64).reshape(count, limits),
            np.array(record.relaxations, dtype=np.int16),
        )

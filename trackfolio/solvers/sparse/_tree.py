"""Branch and bound over what is held: the part with the lowest bound first, each followed down to its end."""

import heapq
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from trackfolio._holdings import HELD, OPEN, OUT, SHORT, States
from trackfolio._search_proof import Leaves
from trackfolio._validation import Array
from trackfolio.solvers.sparse._engines import Engine, Node, nothing
from trackfolio.solvers.sparse._local import LocalSearch

# Leaves are kept for the proof: no more memory than this is taken for them.
_MOST_BYTES = 400_000_000
# Where more assets are open, only those are probed that are held in part.
_MOST_PROBED, _IN_PART = 150, 1e-2
# Weights below this, relative to the largest, are none when the least position is checked.
_NOTHING = 1e-9


@dataclass(frozen=True, eq=False)
class Part:
    """A part of the portfolios: decisions, what follows from them, and its bound with the relaxation it is by.

    `origin` are the states of the part whose multipliers prove the bound: its own, or those of one that it is part of.
    The relaxation of a part without a portfolio is -1.
    """

    decided: States
    states: States
    origin: States
    node: Node
    relaxation: int

    @property
    def bound(self) -> float:
        """No portfolio of the part has less."""
        return self.node.bound


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
        self._done: list[Part] = []
        self._current: Part | None = None
        self._open: list[tuple[float, int, Part]] = []
        self._ticks = itertools.count()
        self._ways = self.holdings.ways
        self._nothing = nothing(engine.program)

    @property
    def cutoff(self) -> float:
        """The bound from which on a part is done with."""
        return self._cutoff(self.search.value)

    def run(self, root: Part) -> None:
        """Split until done, or stopped; an interrupt leaves the best so far.

        Parts leave `_current` and the open ones only when all that replaces them is known.
        """
        self._current = root
        try:
            if root.bound < self.cutoff:
                self._probe_all()
            while self.stopped_by is None:
                part = self._current
                if part is None:
                    break
                self._dive(part)
        except KeyboardInterrupt:
            self.stopped_by = "interrupt"

    # Splitting.

    def _dive(self, part: Part) -> None:
        """Split a part; go on with the better half, or where none is left with the part of the lowest bound."""
        if part.bound >= self.cutoff or not (part.states == OPEN).any():
            self._round(part)
            self._replace([part], [])  # where nothing is open, its bound stands, whatever it is
            return
        self.stopped_by = self._stopped(part)
        if self.stopped_by:
            return
        children = [self._bounded(decided, part) for decided in self._splits(part, self._branching(part))]
        self._round(part)
        cutoff = self.cutoff
        done = [child for child in children if child.bound >= cutoff]
        self._replace(done, sorted((child for child in children if child.bound < cutoff), key=lambda c: c.bound))

    def _replace(self, done: list[Part], rest: list[Part]) -> None:
        """Put parts in the place of the current one; the first of the rest, or else of the open ones, is the next."""
        following = rest[0] if rest else self._open[0][2] if self._open else None
        self._done += done
        if not rest and following is not None:
            heapq.heappop(self._open)
        for part in rest[1:]:
            heapq.heappush(self._open, (part.bound, next(self._ticks), part))
        self._current = following

    def _splits(self, part: Part, asset: int) -> list[States]:
        """Decisions of the parts of a part, by what becomes of one asset."""
        decisions = []
        for way in self._ways[asset]:
            decided = part.decided.copy()
            decided[asset] = way
            decisions.append(decided)
        return decisions

    def _stopped(self, part: Part) -> str | None:
        lowest = min(part.bound, self._open[0][0] if self._open else np.inf)
        size = 20 * self.holdings.least.size + 2000
        if (len(self._done) + len(self._open)) * size > _MOST_BYTES:
            return "memory"
        return self._stop(self.nodes, lowest)

    def _bounded(self, decided: States, parent: Part) -> Part:
        """A part with its bound, by the multipliers of its parent where these say more."""
        states = self.holdings.closed(decided)
        if states is None:
            return Part(decided, decided, decided, self._nothing, -1)
        best: Part | None = None
        for number in self._numbers(states):
            self.nodes += 1
            # Where all that is open may be held, the objective itself is exact: it is solved to the end.
            exact = number == 0 and (states != OUT).sum() <= self.holdings.most
            node = self.engine.relaxed(states, parent.node.w, number, np.inf if exact else self.cutoff)
            if node is None:
                return Part(decided, states, states, self._nothing, -1)
            if best is None or node.bound > best.bound:
                best = Part(decided, states, states, node, number)
            if best.bound >= self.cutoff:
                break
        assert best is not None, "there is one relaxation at least"
        if parent.bound > best.bound:
            # What holds for the parent holds for its parts; value and z say what to do next.
            node = replace(parent.node, value=best.node.value, z=best.node.z)
            return Part(decided, states, parent.origin, node, parent.relaxation)
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

    def _round(self, part: Part) -> None:
        """Try the portfolio that a part suggests; improve a better one."""
        if part.relaxation < 0:
            return
        before = self.search.value
        self.search.round(part.node.w, part.node.z, part.states)
        if self.search.value < before - 1e-9 * abs(before):
            self.search.descend(self.search.value, self.search.w)

    # The first part.

    def _probe_all(self) -> None:
        """All decisions that one look ahead allows: an asset of which all ways but one are done with."""
        self._fix()
        changed = True
        while changed:
            changed = False
            for asset in self._worth_probing():
                part = self._current
                if part is None or self._stopped(part):
                    return
                if part.states[asset] == OPEN:
                    changed |= self._probe(part, int(asset))

    def _worth_probing(self) -> npt.NDArray[np.intp]:
        """All open assets, if they are few; else those that the relaxation holds in part."""
        part = self._current
        if part is None:
            return np.zeros(0, dtype=np.intp)
        open_ = part.states == OPEN
        if open_.sum() > _MOST_PROBED:
            open_ &= (part.node.z > _IN_PART) & (part.node.z < 1 - _IN_PART)
        return np.flatnonzero(open_)

    def _probe(self, part: Part, asset: int) -> bool:
        """Decide an asset if that is possible; whether it was."""
        children = [self._bounded(decided, part) for decided in self._splits(part, asset)]
        left = [child for child in children if child.bound < self.cutoff]
        if len(left) > 1:
            return False
        self._replace([child for child in children if child.bound >= self.cutoff], left)
        return True

    def _fix(self) -> None:
        """Decide what the multipliers of the first part decide by themselves (fixing by reduced costs)."""
        root = self._current
        assert root is not None, "it is the first thing that is done"
        done: list[Part] = []
        open_ = np.flatnonzero(root.states == OPEN)
        bounds = {way: self._way_bounds(root, open_, way) for way in (OUT, HELD, SHORT)}
        decided = root.decided.copy()
        for k, asset in enumerate(open_):
            ways = self._ways[asset]
            left = [way for way in ways if bounds[way][k] < self.cutoff]
            if len(left) != 1 or len(ways) == 1:
                continue
            for way in ways:
                if way != left[0]:
                    lost = decided.copy()
                    lost[asset] = way
                    node = replace(root.node, bound=float(bounds[way][k]))
                    done.append(Part(lost, lost, root.origin, node, root.relaxation))
            decided[asset] = left[0]
        if done:
            self._replace(done, [self._bounded(decided, root)])

    def _way_bounds(self, root: Part, assets: npt.NDArray[np.intp], way: int) -> Array:
        """Bound of the root with one asset decided, for each of some assets, by the multipliers of the root."""
        count, node = len(assets), root.node
        states = np.repeat(root.decided[None], count, axis=0)
        states[np.arange(count), assets] = way
        leaves = Leaves(
            states,
            np.repeat(root.origin[None], count, axis=0),
            sp.csr_array(np.repeat(node.w[None], count, axis=0)),
            np.full(count, node.share),
            np.repeat(node.row_duals[None], count, axis=0),
            np.repeat(node.limit_duals[None], count, axis=0),
            np.zeros(count, dtype=np.int16),
        )
        return self.engine.bounds(leaves, root.relaxation)

    @property
    def parts(self) -> list[Part]:
        """All parts: those that are done with, and those that are not."""
        current = [] if self._current is None else [self._current]
        return [*self._done, *(part for _, _, part in self._open), *current]


def leaves_of(parts: list[Part]) -> Leaves:
    """Parts as leaves of a proof."""
    return Leaves(
        np.array([part.decided for part in parts], dtype=np.int8),
        np.array([part.origin for part in parts], dtype=np.int8),
        sp.csr_array(np.array([part.node.w for part in parts])),
        np.array([part.node.share for part in parts]),
        np.array([part.node.row_duals for part in parts]),
        np.array([part.node.limit_duals for part in parts]),
        np.array([part.relaxation for part in parts], dtype=np.int16),
    )

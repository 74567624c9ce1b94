"""The course of a search: a portfolio first, then bounds, then branch and bound for what is left between the two."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from tqdm.auto import tqdm

from trackfolio._holdings import OUT, States
from trackfolio._search_proof import SearchProof
from trackfolio._validation import Array
from trackfolio.exceptions import InfeasibleError, SolverFailure
from trackfolio.solvers.sparse._engines import engine_of
from trackfolio.solvers.sparse._feasible import feasible_weights
from trackfolio.solvers.sparse._local import LocalSearch
from trackfolio.solvers.sparse._nonnegative import DoublyNonnegative
from trackfolio.solvers.sparse._perspective import improve_diagonal
from trackfolio.solvers.sparse._program import Program
from trackfolio.solvers.sparse._tree import Part, Tree, leaves_of

# Restarts of the search with compiled code (a millisecond each, more with many names: assets times names times restarts
# are limited), and with other solvers.
_RESTARTS, _FEWER_RESTARTS, _WORK = 150, 6, 3_000_000
# The doubly nonnegative relaxation takes an eigendecomposition an iteration: worth it from so many assets on (of
# fewer, all sets of names are soon tried), and up to this many. It ends where four batches of iterations close less
# than this share of the gap, or where the gap is easily closed by splitting.
_FEWEST_ASSETS, _MOST_ASSETS, _BATCH, _MOST_BATCHES = 13, 300, 100, 60
_SLOW, _SMALL_GAP = 0.03, 0.02
# Portfolios that are worse than the relaxation by no more than this share are as good as it.
_ATTAINED = 1e-12
# Limits may be broken by this, in weights.
_BROKEN = 1e-9


class Clock:
    """When to stop, and what is shown meanwhile."""

    def __init__(self, time_limit: float | None, node_limit: int | None, progress: bool) -> None:
        self._end = np.inf if time_limit is None else time.perf_counter() + time_limit
        self._most = np.inf if node_limit is None else node_limit
        # None: no bar where there is no terminal to show it on.
        self._bar = tqdm(desc="search", unit=" nodes", delay=3, miniters=0, disable=None if progress else True)

    @property
    def is_over(self) -> bool:
        """Whether the time is."""
        return time.perf_counter() > self._end

    def stop(self, nodes: int, best: float, lowest: float) -> str | None:
        """Reason to stop, if there is one."""
        self._bar.n = nodes
        gap = (best - lowest) / abs(best) if best else np.nan
        self._bar.set_postfix_str(f"objective {best:.6g}, bound {lowest:.6g}, gap {gap:.1%}", refresh=False)
        self._bar.update(0)
        if nodes >= self._most:
            return "nodes"
        return "time" if self.is_over else None

    def close(self) -> None:
        """Take the bar away."""
        self._bar.leave = False
        self._bar.close()


@dataclass(frozen=True, eq=False)
class Found:
    """The best portfolio, and what is known about all others."""

    w: Array
    nodes: int
    stopped_by: str | None
    proof: SearchProof


class Method:
    """A search for one program.

    Parameters
    ----------
    program : Program
        The problem.
    cutoff : callable
        The bound from which on nothing better is left to find, given the objective of the best portfolio.
    clock : Clock
        Says when to stop.
    generator : RandomState
        For restarts.
    """

    def __init__(
        self,
        program: Program,
        cutoff: Callable[[float], float],
        clock: Clock,
        generator: np.random.RandomState,
    ) -> None:
        self.program, self.clock, self._cutoff = program, clock, cutoff
        self.engine = engine_of(program)
        self.search = LocalSearch(self.engine, generator, lambda: clock.is_over)
        self._least = -np.inf
        self._root: Part | None = None  # all portfolios, with the best bound so far
        self._nothing = np.zeros(program.n_assets, dtype=np.int8)

    @property
    def cutoff(self) -> float:
        """The bound from which on nothing better is left to find."""
        return self._cutoff(self.search.value)

    def run(self) -> Found:
        """Search, bound and split; an interrupt returns the best so far, if there is one."""
        states = self.program.holdings.closed(self._nothing)
        if states is None:
            raise InfeasibleError("no portfolio keeps the limits on what is held")
        try:
            self._root = self._relaxed(states)
            self._find_first(self._root)
            self._root = self._bounded(self._root)
            self._find_more(self._root)
            return self._split(self._root)
        except KeyboardInterrupt:
            if self._root is None or not np.isfinite(self.search.value):
                raise
            return self._found([self._root], 1, "interrupt")
        finally:
            self.clock.close()

    def _relaxed(self, states: States) -> Part:
        """All portfolios, by the objective itself."""
        n = self.program.n_assets
        node = self.engine.relaxed(states, np.full(n, np.nan_to_num(self.program.budget, nan=1.0) / n), 0, np.inf)
        if node is None:
            raise InfeasibleError("no weights satisfy all limits at once")
        self._least = node.value
        return Part(self._nothing, states, states, node, 0)

    def _find_first(self, root: Part) -> None:
        search, w, near = self.search, root.node.w, self.program.problem.near
        search.descend(*search.eliminate(w))
        if near is not None:
            search.descend(*search.eliminate(near.weights))
        if not np.isfinite(search.value):
            search.descend(*self._feasible(w))
        if not self._is_attained(root) and not self._is_done(root):
            self._restart(None)

    def _find_more(self, root: Part) -> None:
        """Search again among the names that the relaxation holds, unless little is left to find."""
        self.search.round(root.node.w, root.node.z, root.states)
        if not self._is_attained(root) and self._gap_of(root) > _SMALL_GAP:
            self._restart(root.node.z)

    def _restart(self, scores: Array | None) -> None:
        size = self.program.n_assets * self.program.holdings.most
        work = _WORK // size if self.program.is_plain else _FEWER_RESTARTS
        self.search.restart(min(max(work, _FEWER_RESTARTS), _RESTARTS), scores)

    def _feasible(self, near: Array) -> tuple[float, Array]:
        """A portfolio within all limits, near the relaxation; an error where there is none."""
        try:
            w = feasible_weights(self.program.problem, near)
        except TimeoutError:
            raise SolverFailure("no portfolio that keeps all limits was found in time, nor shown not to be") from None
        if w is None:
            raise InfeasibleError("no portfolio of few names keeps all limits")
        value, better = self.search.try_states(self.program.holdings.states_of(w), w)
        if np.isfinite(value):
            return value, better
        if self.program.problem.violation(w) > _BROKEN:
            raise SolverFailure("the one portfolio found breaks a limit by rounding")
        return self.search.keep(self.program.value(w), w)

    # Bounds.

    def _bounded(self, root: Part) -> Part:
        """The root with the best relaxation."""
        few = self.program.holdings.most >= int((root.states != OUT).sum())
        if few or self._is_attained(root) or self._is_done(root):
            return root
        simplex = self.program.is_simplex and _FEWEST_ASSETS <= self.program.n_assets <= _MOST_ASSETS
        if not simplex or self.program.specific.any():
            node = improve_diagonal(self.engine, root.states, root.node, self.search.w, self.cutoff)
            root = root if node is None else replace(root, node=node, relaxation=1)
        if simplex and self._gap_of(root) > _SMALL_GAP and not self._is_done(root):
            root = self._doubly_nonnegative(root)
        return root

    def _gap_of(self, part: Part) -> float:
        """Share of what the limit on names costs that is not yet known to be needed."""
        return (self.search.value - part.bound) / (self.search.value - self._least)

    def _is_attained(self, root: Part) -> bool:
        """Whether the best portfolio is as good as the relaxation."""
        return self.search.value - root.node.value <= _ATTAINED * abs(self.search.value)

    def _is_done(self, root: Part) -> bool:
        return root.bound >= self.cutoff or self.clock.is_over

    def _doubly_nonnegative(self, root: Part) -> Part:
        kept = np.flatnonzero(root.states != OUT)
        method = DoublyNonnegative(self.program, kept, self.search.w, self.search.value - self._least)
        best, first, gaps = root, root.bound, [np.inf]
        for _ in range(_MOST_BATCHES):
            method.run(_BATCH)
            relaxation = method.relaxation()
            node = self.engine.improved(relaxation, root.states, method.weights, best.bound, self.cutoff)
            best = self._root = best if node is None else replace(root, node=node, relaxation=1)
            self._stop(0, best.bound)  # for what is shown
            gaps.append(self._gap_of(best) if best.bound > first else np.inf)
            slow = len(gaps) > 4 and gaps[-5] < np.inf and gaps[-5] - gaps[-1] < _SLOW * gaps[-1]
            if slow or gaps[-1] < _SMALL_GAP or self._is_done(best):
                break
        return best

    # Branch and bound.

    def _stop(self, nodes: int, lowest: float) -> str | None:
        best, bound = (self._declared(value) for value in (self.search.value, min(lowest, self.search.value)))
        return self.clock.stop(nodes, best, bound)

    def _declared(self, value: float) -> float:
        """The declared objective, which may be the root of the one that is searched."""
        return float(np.sqrt(max(value, 0.0))) if self.program.problem.is_root else value

    def _split(self, root: Part) -> Found:
        tree = Tree(self.engine, self.search, self._cutoff, self._stop)
        tree.run(root)
        return self._found(tree.parts, tree.nodes, tree.stopped_by)

    def _found(self, parts: list[Part], nodes: int, stopped_by: str | None) -> Found:
        proof = SearchProof(self.engine.relaxations, leaves_of(parts))
        return Found(self.search.w, max(nodes, 1), stopped_by, proof)

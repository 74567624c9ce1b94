"""Which limits clash, none to spare, and by how much each alone would have to give way."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from trackfolio._diagnosis import FAMILIES, Diagnosis, Relaxation, rounded
from trackfolio._validation import suggest
from trackfolio.problem import Problem
from trackfolio.solvers._infeasible._draft import Part
from trackfolio.solvers._infeasible._gives import SECONDS, Bracket, LeastGives
from trackfolio.solvers._infeasible._linear import Holder, LinearLimits, UnsettledError
from trackfolio.solvers._infeasible._parts import parts_of
from trackfolio.solvers._infeasible._reach import Minimise, Reach

# A change that is shown is verified to be needed but for this share.
_LESS = 0.01
# Weights keep a limit that they break by no more, in units of the weights.
_ROUNDING = 1e-9
# And they are those of a solver, whose limits are in other units, if they miss by no more.
_KEPT = 1e-8


def explain(
    problem: Problem,
    minimise: Minimise,
    order: Sequence[str] = (),
    begun: "Search | None" = None,
    seconds: float = SECONDS,
) -> Diagnosis:
    """Explain why no portfolio keeps all limits, if none does; a search that `contradiction` began goes on."""
    search = Search.of(problem, minimise, seconds) if begun is None else begun
    check_order(order, [part.name for part in search.parts])
    return search.diagnosis(order)


def contradiction(problem: Problem, minimise: Minimise, seconds: float = SECONDS) -> "Search | None":
    """What was found out, where it is shown that no portfolio keeps all limits; None elsewhere."""
    search = Search.of(problem, minimise, seconds)
    return search if search.verdict.possible is False else None


def check_order(order: Sequence[str], names: Iterable[str]) -> None:
    """Refuse names that are neither those of a limit nor of a family."""
    known = [*dict.fromkeys(names), *FAMILIES]
    for name in order:
        if name not in known:
            raise ValueError(f"order names {name!r}, which is no limit here.{suggest(name, known)}")


class Search(LeastGives):
    """The explanation of a problem in the making."""

    @classmethod
    def of(cls, problem: Problem, minimise: Minimise, seconds: float) -> "Search":
        """A search that has so much time from now on."""
        return cls(problem, parts_of(problem), Reach(minimise, time.perf_counter() + seconds))

    def diagnosis(self, order: Sequence[str]) -> Diagnosis:
        """What is said of the problem."""
        verdict = self.verdict
        if verdict.possible is not False:
            return Diagnosis(
                verdict.possible, reason="" if verdict.possible else self.unsettled("whether there is one")
            )
        conflict, reason = self.parts, ""
        try:
            conflict = self._conflict()
        except UnsettledError:
            reason = self.unsettled("which of these can be spared")
        relaxations = [self._relaxation(part) for part in conflict]
        ranked = sorted(relaxations, key=lambda each: _rank(each, order))
        return Diagnosis(False, tuple(ranked), reason)

    def _conflict(self) -> list[Part]:
        """Parts that clash, none to spare: those that have to give way in any case, and what a filter leaves of others.

        A deletion filter (Chinneck 2008) leaves out one after the other, for good if the others still clash. What a
        change of it alone mends is part of every conflict and need not be tried.
        """
        suspects, is_proven = self._suspects()
        if not is_proven and self.of_fewer(self.only(suspects)).possible is not False:
            suspects = list(self.parts)
        while rest := [part for part in suspects if part not in self.known]:
            part = rest[0]
            self.bracket(part)
            miss = self.without[part].miss if part in self.without else None
            if miss is not None:  # the others clash without it, of which these do
                some, is_proven = self.blame(miss, without=part).suspects()
                suspects = some if is_proven and all(each in suspects for each in some) else suspects
        for part in [part for part in suspects if not np.isfinite(self.known[part].high)]:
            rest = [other for other in suspects if other is not part]
            if self.of_fewer(self.only(rest)).possible is False:
                suspects = rest
        return suspects

    def _suspects(self) -> tuple[list[Part], bool]:
        """Parts of which some clash, as far as multipliers tell, and whether it is proven that they do."""
        own = [part for part in self.parts if part.key in ("budget", "min_weights", "max_weights")]
        if not LinearLimits(self.only(own)).is_possible():
            return own, True
        if self.verdict.miss is not None:
            return self.blame(self.verdict.miss).suspects()
        if not self.verdict.is_linear:
            return self.parts, True
        linear = [part for part in self.parts if self.is_linear(part)]
        for part in sorted(linear, key=lambda part: part.key != "budget"):
            give = self.linear_give(part) if part.is_affine else None
            if give is not None:
                some = [other for other in linear if other is part or _holds(other, give.holders)]
                return some, 0 < 0.9 * give.give < give.proven
        return linear, True

    def _relaxation(self, part: Part) -> Relaxation:
        shown = Relaxation(part.name, part.side, part.label, part.family, part.limit)
        bracket = self.known.get(part) or Bracket.none(self.unsettled("by how much it would have to give way"))
        if not np.isfinite(bracket.high):
            return replace(shown, reason=bracket.reason)
        if part.step:
            whole, more = round(part.limit or 0.0), part.sign * round(bracket.high)
            return replace(shown, limit=whole, needed=whole + more, change=more)
        start = 0.0 if part.limit is None else part.limit
        exact = start + part.sign * bracket.high
        try:
            # A budget that is one number may have to be met to the last digit.
            for needed in (rounded(exact, start, sign=part.sign), exact):
                if self._is_verified(part, abs(needed - start), bracket):
                    return replace(shown, needed=None if part.limit is None else needed, change=needed - start)
        except UnsettledError:
            pass
        return replace(shown, reason=f"about {exact:.4g} was found, but not verified")

    def _is_verified(self, part: Part, give: float, bracket: Bracket) -> bool:
        """Whether the printed give is enough, and less by a hundredth is not."""
        relaxed = {part: give}
        if part.moves:
            relaxed[next(other for other in self.parts if other.moves and other is not part)] = -give
        linear = self.gives.get(part)
        if linear is not None and linear.give == bracket.high:
            # The least give is that of weights at hand; any more leaves them where they are, unless the budget moves.
            is_enough = LinearLimits(self.with_gives(relaxed)).slack(linear.weights) >= -_ROUNDING
            is_enough = is_enough or self.reach.of(self.with_gives(relaxed)).possible is True
        elif bracket.weights is not None and not part.moves:
            is_enough = self.with_gives(relaxed).problem().violation(bracket.weights) <= _KEPT
        else:
            # Mixed-integer solvers keep limits to fewer digits than are shown.
            is_enough = bracket.high <= give <= self._farthest(part) and not self.problem.is_discrete
            is_enough = is_enough or self.reach.of(self.with_gives(relaxed)).possible is True
        less = (1 - _LESS) * give
        return is_enough and (less < bracket.low or self.at(part, less).possible is False)

    def _farthest(self, part: Part) -> float:
        """A give up to which all are enough from the least on: that of weights at hand, for what moves as a whole."""
        if not part.moves:
            return np.inf
        w = self.without[part].weights if part in self.without else None
        return 0.0 if w is None or part.limit is None else part.sign * (float(w.sum()) - part.limit)


def _holds(part: Part, holders: set[Holder]) -> bool:
    rows = [0] if part.rows is None else part.rows
    return any((part.key, part.end, int(row)) in holders for row in rows)


def _rank(each: Relaxation, order: Sequence[str]) -> tuple[int, int]:
    """Place in the given order, by name before family, then in the usual one."""
    places = [order.index(word) for word in (each.name, each.family) if word in order]
    return min(places, default=len(order)), FAMILIES.index(each.family)

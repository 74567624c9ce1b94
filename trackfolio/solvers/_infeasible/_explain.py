"""Which limits clash, none to spare, and by how much each alone would have to give way."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from trackfolio._diagnosis import FAMILIES, Diagnosis, Relaxation, few_digits, rounded
from trackfolio._validation import suggest
from trackfolio.problem import Problem
from trackfolio.solvers._infeasible._blame import Blame
from trackfolio.solvers._infeasible._column import is_suited, least_give
from trackfolio.solvers._infeasible._draft import FAR, Draft, Part
from trackfolio.solvers._infeasible._integers import least_give_of_few
from trackfolio.solvers._infeasible._linear import Give, Holder, LinearLimits
from trackfolio.solvers._infeasible._parts import parts_of
from trackfolio.solvers._infeasible._reach import Minimise, Miss, OutOfTimeError, Reach, Verdict
from trackfolio.solvers.sparse._feasible import unsupported_limits

# Seconds for an explanation. Only limits on what is held ever take so long.
SECONDS = 20.0
# For the least give of one limit by one mixed-integer program.
_SECONDS_OF_ONE = 0.3
# Between what is known to be too little and what is known to be enough there may be this share of the change; and a
# change that is shown is verified to be needed but for this share.
_NEAR, _LESS = 2e-3, 0.01
_MOST_STEPS = 60
# Gap to which the least give is solved: numbers are shown with few digits.
_OF_COLUMN = 1e-6
# Limits have so many digits at most; numbers with more are not worth a trial.
_FEW_DIGITS = 5
# Weights keep a limit that they break by no more, in units of the weights.
_ROUNDING = 1e-9
_NO_VALUE = "no value of it alone is enough"


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


@dataclass
class _Bracket:
    """What is known of the give that a part needs: too little up to `low`, enough from `high` on."""

    low: float
    high: float
    reason: str = ""


@dataclass
class Search:
    """Questions about the limits of a problem, and what is known by now."""

    problem: Problem
    parts: list[Part]
    reach: Reach
    known: dict[Part, _Bracket] = field(default_factory=dict)
    gives: dict[Part, Give | None] = field(default_factory=dict)
    #: Whether some portfolio keeps all limits but one.
    without: dict[Part, Verdict] = field(default_factory=dict)

    @classmethod
    def of(cls, problem: Problem, minimise: Minimise, seconds: float) -> "Search":
        """A search that has so much time from now on."""
        return cls(problem, parts_of(problem), Reach(minimise, time.perf_counter() + seconds))

    @cached_property
    def verdict(self) -> Verdict:
        """Whether some portfolio keeps all limits."""
        try:
            return self.reach.of(self.with_gives({}))
        except OutOfTimeError:
            return Verdict(None)

    def with_gives(self, gives: dict[Part, float]) -> Draft:
        """The problem with some parts relaxed; by infinity, without them."""
        return Draft.of(self.problem, dict.fromkeys(self.parts, 0.0) | gives)

    def only(self, parts: Iterable[Part]) -> Draft:
        """Some parts alone."""
        return Draft.of(self.problem, dict.fromkeys(parts, 0.0))

    def diagnosis(self, order: Sequence[str]) -> Diagnosis:
        """What is said of the problem."""
        verdict = self.verdict
        if verdict.possible is not False:
            return Diagnosis(
                verdict.possible, reason="" if verdict.possible else self._too_long("whether there is one")
            )
        conflict, reason = self.parts, ""
        try:
            conflict = self._conflict()
        except OutOfTimeError:
            reason = self._too_long("which of these can be spared")
        relaxations = [self._relaxation(part) for part in conflict]
        ranked = sorted(relaxations, key=lambda each: _rank(each, order))
        return Diagnosis(False, tuple(ranked), reason)

    def _of_fewer(self, draft: Draft) -> Verdict:
        """Whether some portfolio keeps limits of which none is tighter than it was."""
        return self.reach.of(draft, is_linear_known=not self.verdict.is_linear)

    def _too_long(self, what: str) -> str:
        return f"{what} was not settled within {SECONDS:g} s"

    # The conflict.

    def _conflict(self) -> list[Part]:
        """Parts that clash, none to spare: those that have to give way in any case, and what a filter leaves of others.

        A deletion filter (Chinneck 2008) leaves out one after the other, for good if the others still clash. What a
        change of it alone mends is part of every conflict and need not be tried.
        """
        suspects, is_proven = self._suspects()
        if not is_proven and self._of_fewer(self.only(suspects)).possible is not False:
            suspects = list(self.parts)
        while rest := [part for part in suspects if part not in self.known]:
            part = rest[0]
            self._bracket(part)
            miss = self.without[part].miss if part in self.without else None
            if miss is not None:  # the others clash without it, of which these do
                some, is_proven = self._blame(miss, without=part).suspects()
                suspects = some if is_proven and all(each in suspects for each in some) else suspects
        for part in [part for part in suspects if not np.isfinite(self.known[part].high)]:
            rest = [other for other in suspects if other is not part]
            if self._of_fewer(self.only(rest)).possible is False:
                suspects = rest
        return suspects

    def _suspects(self) -> tuple[list[Part], bool]:
        """Parts of which some clash, as far as multipliers tell, and whether it is proven that they do."""
        own = [part for part in self.parts if part.key in ("budget", "min_weights", "max_weights")]
        if not LinearLimits(self.only(own)).is_possible():
            return own, True
        if self.verdict.miss is not None:
            return self._blame(self.verdict.miss).suspects()
        if not self.verdict.is_linear:
            return self.parts, True
        linear = [part for part in self.parts if self._is_linear(part)]
        for part in sorted(linear, key=lambda part: part.key != "budget"):
            give = self._linear_give(part) if part.is_affine else None
            if give is not None:
                some = [other for other in linear if other is part or _holds(other, give.holders)]
                return some, 0 < 0.9 * give.give < give.proven
        return linear, True

    def _blame(self, miss: Miss, without: Part | None = None) -> Blame:
        return Blame(miss, [part for part in self.parts if part is not without], self.with_gives({}))

    def _is_linear(self, part: Part) -> bool:
        draft = self.with_gives({})
        linear = {"budget", "min_weights", "max_weights", *draft.rows, *(key for key, _, _ in draft.absolute)}
        return part.key in linear

    def _linear_give(self, part: Part) -> Give | None:
        """Least give of a linear part by the linear limits alone."""
        if part not in self.gives:
            own, relaxed = (LinearLimits(self.with_gives({part: give})) for give in (0.0, 1.0))
            self.gives[part] = own.least_give(relaxed)
        return self.gives[part]

    # By how much.

    def _bracket(self, part: Part) -> _Bracket:
        if part not in self.known:
            try:
                self.known[part] = self._found(part)
            except OutOfTimeError:
                self.known[part] = _Bracket(0.0, np.inf, self._too_long("by how much it would have to give way"))
        return self.known[part]

    def _found(self, part: Part) -> _Bracket:
        draft, low = self.with_gives({}), 0.0
        if self.verdict.is_linear and self._is_linear(part) and part.is_affine:
            give = self._linear_give(part)
            if give is None:
                return _Bracket(0.0, np.inf, _NO_VALUE)
            if not (draft.convex or draft.others or draft.is_discrete):
                return _Bracket(give.proven, give.give)
            low = give.give
        if part.key in draft.convex and not [term for _, term in draft.others if not term.is_discrete]:
            return self._least_value(part)
        if self.verdict.miss is not None and not self._blame(self.verdict.miss).may_help(part):
            return _Bracket(0.0, np.inf, _NO_VALUE)
        if self._has_integers(part) and (found := self._by_integers(part)) is not None:
            return found
        removed = self.without[part] = self._of_fewer(self.with_gives({part: self._most(part)}))
        if not removed.possible:
            known = removed.possible is False
            return _Bracket(0.0, np.inf, _NO_VALUE if known else self._too_long("whether it is enough"))
        if part.most == 0:
            return _Bracket(0.0, np.inf, "it would have to go, or to give way by what is not known")
        return self._whole(part) if part.step else self._by_column(part) or self._narrowed(part, low)

    def _most(self, part: Part) -> float:
        """A give that stands for leaving a part out; limits on what is held need bounds."""
        if part.key in ("min_weights", "max_weights") and self.with_gives({}).is_discrete:
            return FAR * self.problem.unit
        return part.most or np.inf

    def _least_value(self, part: Part) -> _Bracket:
        """Least value of a function under all other limits."""
        others = self.with_gives({part: np.inf})
        limit = self.with_gives({}).limits[part.key]
        miss = self.verdict.miss
        if miss is not None and miss.key == part.key == list(self.with_gives({}).convex)[-1]:
            found = miss.found
        elif (possible := self._of_fewer(others).possible) is not True:
            return _Bracket(0.0, np.inf, _NO_VALUE if possible is False else self._too_long("whether it is enough"))
        else:
            least, _ = self.reach.least(others, part.key, limit)
            if least is None:
                return _Bracket(0.0, np.inf, "its least value was not found")
            found = least
        return _Bracket(found.lower_bound - limit.bound, found.objective - limit.bound)

    def _by_column(self, part: Part) -> _Bracket | None:
        """Least give by one convex program, where all limits have a place in it and it is solved."""
        draft = self.with_gives({})
        if not (self._is_linear(part) and part.is_affine and is_suited(draft)):
            return None
        relaxed, without = self.with_gives({part: 1.0}), self.with_gives({part: np.inf})
        found = least_give(
            draft, relaxed, without, lambda problem: self.reach.minimise(problem, self.reach.left, _OF_COLUMN)
        )
        if found is None:
            return None
        bracket = _Bracket(*found)
        if bracket.high - bracket.low > _NEAR * bracket.high:
            return None
        return self._with_few_digits(part, bracket)

    def _has_integers(self, part: Part) -> bool:
        """Whether one mixed-integer linear program tells the least give."""
        draft = self.with_gives({}).in_trades()
        if draft.others or not draft.is_discrete or unsupported_limits(draft.problem()):
            return False
        # Positions of several sizes do not give way in proportion.
        least = draft.min_position
        is_even = part.key == "min_position" and least is not None and len(np.unique(least)) == 1
        return is_even or bool(part.step) or (self._is_linear(part) and part.is_affine)

    def _by_integers(self, part: Part) -> _Bracket | None:
        """Least give by one program, unless it takes long: then many questions without an objective take less."""
        most = self._most(part)
        # Bounds of another size would be cut off.
        sizes = {"min_position": part.most, "min_weights": self.problem.unit, "max_weights": self.problem.unit}
        given = sizes.get(part.key, 1.0)
        problems = [self.with_gives({part: give}).in_trades().problem() for give in (0.0, given, most)]
        seconds = min(self.reach.left, _SECONDS_OF_ONE)
        try:
            found = least_give_of_few(*problems, given=given, most=most, is_whole=bool(part.step), seconds=seconds)
        except TimeoutError:
            return None
        return _Bracket(0.0, np.inf, _NO_VALUE) if found is None else _Bracket(*found)

    def _narrowed(self, part: Part, low: float) -> _Bracket:
        """Least give, by tangents of the least value of what is out of reach where there are any, else by halves."""
        verdict = self.verdict
        if low > 0:
            verdict = self._at(part, low)
            if verdict.possible:
                return _Bracket(low, low)
        bracket = _Bracket(low, part.most)
        for _ in range(_MOST_STEPS):
            if bracket.high - bracket.low <= _NEAR * bracket.high < np.inf:
                break
            more = None if verdict.miss is None else self._blame(verdict.miss).least_more(part)
            trial = self._trial(part, bracket, more)
            seen = self._at(part, trial)
            if seen.possible is None:
                return _Bracket(0.0, np.inf, self._too_long("by how much it would have to give way"))
            if seen.possible:
                bracket.high = trial
            else:
                bracket.low, verdict = trial, seen
        return self._with_few_digits(part, bracket)

    def _with_few_digits(self, part: Part, bracket: _Bracket) -> _Bracket:
        """The bracket, with the number of the fewest digits within it at one of its ends: limits are such numbers."""
        start = part.limit or 0.0
        ends = sorted(start + part.sign * end for end in (bracket.low, bracket.high))
        number = few_digits(*ends)
        give = part.sign * (number - start)
        if number != float(f"{number:.{_FEW_DIGITS}g}") or not bracket.low < give < bracket.high:
            return bracket
        possible = self._at(part, give).possible
        if possible is None:
            return bracket
        return _Bracket(bracket.low, give) if possible else _Bracket(give, bracket.high)

    def _trial(self, part: Part, bracket: _Bracket, more: float | None) -> float:
        low, high = bracket.low, bracket.high
        if more is not None:
            root = low + more
            trial = root * (1 + _NEAR / 2) if high > root * (1 + _NEAR) else root * (1 - _NEAR / 2)
            if low < trial < high:
                return trial
        if np.isfinite(high):
            return float(np.sqrt(low * high)) if high > 4 * low > 0 else (low + high) / 2
        return 2 * low if low > 0 else 0.01 * (abs(part.limit or 0.0) or self.problem.unit)

    def _whole(self, part: Part) -> _Bracket:
        """Least whole number."""
        low, high = 0, int(min(part.most, self.problem.n_assets))
        step = 1
        while high - low > 1:
            trial = min(low + step, (low + high + 1) // 2)
            seen = self._at(part, trial).possible
            if seen is None:
                return _Bracket(0.0, np.inf, self._too_long("by how much it would have to give way"))
            low, high, step = (low, trial, 1) if seen else (trial, high, 2 * step)
        return _Bracket(low, high)

    def _at(self, part: Part, give: float) -> Verdict:
        return self._of_fewer(self.with_gives({part: give}))

    # What is said of it.

    def _relaxation(self, part: Part) -> Relaxation:
        shown = Relaxation(part.name, part.side, part.label, part.family, part.limit)
        bracket = self.known.get(part) or _Bracket(0.0, np.inf, self._too_long("by how much it would have to give way"))
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
        except OutOfTimeError:
            pass
        return replace(shown, reason=f"about {exact:.4g} was found, but not verified")

    def _is_verified(self, part: Part, give: float, bracket: _Bracket) -> bool:
        """Whether the printed give is enough, and less by a hundredth is not."""
        relaxed = {part: give}
        if part.moves:
            relaxed[next(other for other in self.parts if other.moves and other is not part)] = -give
        linear = self.gives.get(part)
        if linear is not None and linear.give == bracket.high:
            # The least give is that of weights at hand; any more leaves them where they are, unless the budget moves.
            is_enough = LinearLimits(self.with_gives(relaxed)).slack(linear.weights) >= -_ROUNDING
            is_enough = is_enough or self.reach.of(self.with_gives(relaxed)).possible is True
        else:
            # Mixed-integer solvers keep limits to fewer digits than are shown.
            is_enough = bracket.high <= give <= self._farthest(part) and not self.problem.is_discrete
            is_enough = is_enough or self.reach.of(self.with_gives(relaxed)).possible is True
        less = (1 - _LESS) * give
        return is_enough and (less < bracket.low or self._at(part, less).possible is False)

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

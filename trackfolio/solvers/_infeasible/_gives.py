"""By how much each limit alone has to give way: what is known to be too little, and what is enough."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from trackfolio._diagnosis import few_digits, number
from trackfolio._validation import Array
from trackfolio.certificate import implied_bounds
from trackfolio.problem import Problem
from trackfolio.solvers._infeasible._blame import Blame
from trackfolio.solvers._infeasible._column import is_suited, least_give
from trackfolio.solvers._infeasible._draft import FAR, Draft, Part, key_of
from trackfolio.solvers._infeasible._integers import least_give_of_few
from trackfolio.solvers._infeasible._linear import Give, LinearLimits, UnsettledError
from trackfolio.solvers._infeasible._reach import Miss, Reach, Verdict
from trackfolio.solvers.sparse._feasible import unsupported_limits

# Seconds for an explanation. Only limits on what is held ever take so long.
SECONDS = 20.0
# For the least give of one limit by one mixed-integer program.
_SECONDS_OF_ONE = 0.3
# Between what is known to be too little and what is known to be enough there may be this share of the change.
_NEAR = 2e-3
_MOST_STEPS = 60
# Gap to which the least give is solved: numbers are shown with few digits.
_OF_COLUMN = 1e-6
# And what mixed-integer solvers may be wrong by.
_OF_INTEGERS = 1e-4
# Limits have so many digits at most; numbers with more are not worth a trial.
_FEW_DIGITS = 5
_SMALLEST = key_of("min_position")
_NO_VALUE = "no value of it alone is enough"


@dataclass
class Bracket:
    """What is known of the give that a part needs: too little up to `low`, enough from `high` on."""

    low: float
    high: float
    reason: str = ""
    #: Weights that keep all limits with the give `high`, where they are at hand.
    weights: Array | None = None

    @classmethod
    def none(cls, reason: str) -> "Bracket":
        """Nothing is enough, or nothing is known."""
        return cls(0.0, np.inf, reason)


@dataclass
class LeastGives:
    """Questions about the limits of a problem, and what is known by now."""

    problem: Problem
    parts: list[Part]
    reach: Reach
    known: dict[Part, Bracket] = field(default_factory=dict)
    gives: dict[Part, Give | None] = field(default_factory=dict)
    #: Whether some portfolio keeps all limits but one.
    without: dict[Part, Verdict] = field(default_factory=dict)

    @cached_property
    def verdict(self) -> Verdict:
        """Whether some portfolio keeps all limits."""
        try:
            return self.reach.of(self.with_gives({}))
        except UnsettledError:
            return Verdict(None)

    def with_gives(self, gives: dict[Part, float]) -> Draft:
        """The problem with some parts relaxed; by infinity, without them."""
        return Draft.of(self.problem, dict.fromkeys(self.parts, 0.0) | gives)

    def only(self, parts: Iterable[Part]) -> Draft:
        """Some parts alone."""
        return Draft.of(self.problem, dict.fromkeys(parts, 0.0))

    def of_fewer(self, draft: Draft) -> Verdict:
        """Whether some portfolio keeps limits of which none is tighter than it was."""
        return self.reach.of(draft, is_linear_known=not self.verdict.is_linear)

    def unsettled(self, what: str) -> str:
        return f"{what} was not settled" + (f" within {SECONDS:g} s" if self.reach.left <= 0 else "")

    def blame(self, miss: Miss, without: Part | None = None) -> Blame:
        return Blame(miss, [part for part in self.parts if part is not without], self.with_gives({}))

    def is_linear(self, part: Part) -> bool:
        draft = self.with_gives({})
        linear = {"budget", "min_weights", "max_weights", *draft.rows, *(key for key, _, _ in draft.absolute)}
        return part.key in linear

    def linear_give(self, part: Part) -> Give | None:
        """Least give of a linear part by the linear limits alone."""
        if part not in self.gives:
            own, relaxed = (LinearLimits(self.with_gives({part: give})) for give in (0.0, 1.0))
            self.gives[part] = own.least_give(relaxed)
        return self.gives[part]

    def bracket(self, part: Part) -> Bracket:
        if part not in self.known:
            try:
                self.known[part] = self._found(part)
            except UnsettledError:
                self.known[part] = Bracket.none(self.unsettled("by how much it would have to give way"))
        return self.known[part]

    def _found(self, part: Part) -> Bracket:
        draft, low = self.with_gives({}), 0.0
        if self.verdict.is_linear and self.is_linear(part) and part.is_affine:
            give = self.linear_give(part)
            if give is None:
                return Bracket.none(_NO_VALUE)
            if not (draft.convex or draft.others or draft.is_discrete):
                return Bracket(give.proven, give.give)
            low = give.give
        if part.key in draft.convex and not [term for _, term in draft.others if not term.is_discrete]:
            return self._least_value(part)
        if self.verdict.miss is not None and not self.blame(self.verdict.miss).may_help(part):
            return Bracket.none(_NO_VALUE)
        if self._has_integers(part) and (found := self._by_integers(part)) is not None:
            return found
        removed = self.without[part] = self.of_fewer(self.with_gives({part: self._most(part)}))
        if not removed.possible:
            known = removed.possible is False
            return Bracket.none(_NO_VALUE if known else self.unsettled("whether it is enough"))
        if part.most == 0:
            return Bracket.none("it would have to go, or to give way by what is not known")
        return self._whole(part) if part.step else self._by_column(part) or self._narrowed(part, low)

    def _most(self, part: Part) -> float:
        """A give that stands for leaving a part out; limits on what is held need bounds."""
        if part.key in ("min_weights", "max_weights") and self.with_gives({}).is_discrete:
            return FAR * self.problem.unit
        return part.most or np.inf

    def _least_value(self, part: Part) -> Bracket:
        """Least value of a function under all other limits."""
        others = self.with_gives({part: np.inf})
        limit = self.with_gives({}).limits[part.key]
        miss = self.verdict.miss
        draft = self.with_gives({})
        # The miss is that of the convex limits alone.
        if miss is not None and not draft.is_discrete and miss.key == part.key == list(draft.convex)[-1]:
            found = miss.found
        elif (possible := self.of_fewer(others).possible) is not True:
            return Bracket.none(_NO_VALUE if possible is False else self.unsettled("whether it is enough"))
        else:
            least, _ = self.reach.least(others, part.key, limit)
            if least is None:
                return Bracket.none("its least value was not found")
            found = least
        return Bracket(found.lower_bound - limit.bound, found.objective - limit.bound)

    def _by_column(self, part: Part) -> Bracket | None:
        """Least give by one convex program, where all limits have a place in it and it is solved."""
        draft = self.with_gives({})
        if not (self.is_linear(part) and part.is_affine and is_suited(draft)):
            return None
        relaxed, without = self.with_gives({part: 1.0}), self.with_gives({part: np.inf})
        found = least_give(
            draft, relaxed, without, lambda problem: self.reach.minimise(problem, self.reach.left, _OF_COLUMN)
        )
        if found is None:
            return None
        low, high, w = found
        bracket = Bracket(low, high, weights=w)
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
        is_even = part.key == _SMALLEST and least is not None and len(np.unique(least)) == 1
        return is_even or bool(part.step) or (self.is_linear(part) and part.is_affine)

    def _by_integers(self, part: Part) -> Bracket | None:
        """Least give by one program, unless it takes long: then many questions without an objective take less."""
        most = self._most(part)
        # Bounds of another size would be cut off.
        sizes = {_SMALLEST: part.most, "min_weights": self.problem.unit, "max_weights": self.problem.unit}
        given = sizes.get(part.key, 1.0)
        problems = [self.with_gives({part: give}).in_trades().problem() for give in (0.0, given, most)]
        try:
            found = least_give_of_few(
                *problems,
                given=given,
                most=most,
                is_whole=bool(part.step),
                unit=self.problem.unit,
                seconds=min(self.reach.left, _SECONDS_OF_ONE),
            )
        except TimeoutError:
            return None
        if found is None:
            return self._no_value(part)
        # What is held has bounds and sizes of several ways to be written: there, questions say what is too little.
        low, high = found
        return Bracket(0.0 if part.key in sizes else (1 - _OF_INTEGERS) * low, high)

    def _no_value(self, part: Part) -> Bracket:
        """No value is enough; of bounds that end nowhere else, none as far as they were moved."""
        draft, far = self.with_gives({part: np.inf}), FAR * self.problem.unit
        if part.key in ("min_weights", "max_weights"):
            lower, upper = implied_bounds(
                replace(draft, held=[], others=[], cardinality=None, min_position=None).problem()
            )
            ends, own = (upper, self.problem.upper) if part.end > 0 else (-lower, -self.problem.lower)
            if (ends > own + far).any():
                return Bracket.none(f"no value up to {number(far)} beyond it is enough")
        return Bracket.none(_NO_VALUE)

    def _narrowed(self, part: Part, low: float) -> Bracket:
        """Least give, by tangents of the least value of what is out of reach where there are any, else by halves."""
        verdict = self.verdict
        if low > 0:
            verdict = self.at(part, low)
            if verdict.possible:
                return Bracket(low, low)
        bracket = Bracket(low, part.most)
        for _ in range(_MOST_STEPS):
            if bracket.high - bracket.low <= _NEAR * bracket.high < np.inf:
                break
            more = None if verdict.miss is None else self.blame(verdict.miss).least_more(part)
            trial = self._trial(part, bracket, more)
            seen = self.at(part, trial)
            if seen.possible is None:
                return Bracket.none(self.unsettled("by how much it would have to give way"))
            if seen.possible:
                bracket.high = trial
            else:
                bracket.low, verdict = trial, seen
        if not np.isfinite(bracket.high):
            return Bracket.none("no value was found that is enough")
        return self._with_few_digits(part, bracket)

    def _with_few_digits(self, part: Part, bracket: Bracket) -> Bracket:
        """The bracket, with the number of the fewest digits within it at one of its ends: limits are such numbers."""
        start = part.limit or 0.0
        ends = sorted(start + part.sign * end for end in (bracket.low, bracket.high))
        shown = few_digits(*ends)
        give = part.sign * (shown - start)
        if shown != float(f"{shown:.{_FEW_DIGITS}g}") or not bracket.low < give < bracket.high:
            return bracket
        possible = self.at(part, give).possible
        if possible is None:
            return bracket
        return Bracket(bracket.low, give) if possible else replace(bracket, low=give)

    def _trial(self, part: Part, bracket: Bracket, more: float | None) -> float:
        low, high = bracket.low, bracket.high
        if more is not None:
            root = low + more
            trial = root * (1 + _NEAR / 2) if high > root * (1 + _NEAR) else root * (1 - _NEAR / 2)
            if low < trial < high:
                return trial
        if np.isfinite(high):
            return float(np.sqrt(low * high)) if high > 4 * low > 0 else (low + high) / 2
        return 2 * low if low > 0 else 0.01 * (abs(part.limit or 0.0) or self.problem.unit)

    def _whole(self, part: Part) -> Bracket:
        """Least whole number."""
        low, high = 0, int(min(part.most, self.problem.n_assets))
        step = 1
        while high - low > 1:
            trial = min(low + step, (low + high + 1) // 2)
            seen = self.at(part, trial).possible
            if seen is None:
                return Bracket.none(self.unsettled("by how much it would have to give way"))
            low, high, step = (low, trial, 1) if seen else (trial, high, 2 * step)
        return Bracket(low, high)

    def at(self, part: Part, give: float) -> Verdict:
        return self.of_fewer(self.with_gives({part: give}))

"""What is said of limits that contradict one another: records of plain values, which pickle."""

import math
from dataclasses import dataclass

#: Families of limits, those that a manager would relax first at the front.
FAMILIES = ("trades", "groups", "exposures", "bounds", "holdings", "budget", "return", "risk", "tracking")


@dataclass(frozen=True)
class Relaxation:
    """A limit in a conflict, and how far it alone would have to give way, all others as they are.

    Attributes
    ----------
    name : str
        Name of the limit as the user gave it: "budget", "max_weights", "max_tracking_error", or that of a constraint.
    side : str
        Parameter or side of the limit ("lower", "upper", "most", ...); empty where the name says it all.
    label : str or None
        Group or row, where each has a limit of its own.
    family : str
        One of "trades", "groups", "exposures", "bounds", "holdings", "budget", "return", "risk", "tracking".
    limit : float or None
        Present value; None where it is not one number (bounds that differ by asset, a constraint of one's own).
    needed : float or None
        The value nearest to `limit` with which there are portfolios, rounded to their side; None where no value alone
        is enough or none was found.
    change : float or None
        `needed` less `limit`; where `limit` is None, what has to be added to each of its numbers.
    reason : str
        Why there is no value, where there is none.

    Examples
    --------
    >>> from trackfolio import MeanRisk, diagnose
    >>> from trackfolio.datasets import load_sp500
    >>> X, y = load_sp500(start="2021-01-01", return_X_y=True)
    >>> first = diagnose(MeanRisk(max_weights=0.04), X, y).remedies[0]
    >>> first.what, first.limit, first.needed
    ('max_weights', 0.04, 0.05)
    """

    name: str
    side: str
    label: str | None
    family: str
    limit: float | None
    needed: float | None = None
    change: float | None = None
    reason: str = ""

    @property
    def what(self) -> str:
        """Name, with side and label."""
        parts = [self.side] if self.side else []
        parts += [f"of {self.label!r}" if parts else repr(self.label)] if self.label is not None else []
        return f"{self.name} ({' '.join(parts)})" if parts else self.name

    def __str__(self) -> str:
        """What to change, or why it does not help."""
        if self.change is None:
            return f"{self.what}: {self.reason}"
        verb, end = ("raise", "least") if self.change > 0 else ("lower", "most")
        if self.needed is None or self.limit is None:
            return f"{verb} {self.what} by at least {number(abs(self.change))}, for every asset"
        return f"{verb} {self.what} from {number(self.limit)} to at {end} {number(self.needed)}"


@dataclass(frozen=True)
class Diagnosis:
    """Whether there is a portfolio within all limits, and where there is none, which limits clash, and by how much.

    Attributes
    ----------
    is_feasible : bool or None
        None where it was not settled: see `reason`.
    conflict : tuple of Relaxation
        Limits that no portfolio satisfies together, of which none can be spared, in the order in which a manager would
        relax them. Empty where there is no conflict, or none was found.
    reason : str
        Why there is no answer, or only a part of it.

    Examples
    --------
    >>> from trackfolio import MeanRisk, diagnose
    >>> from trackfolio.datasets import load_sp500
    >>> X, y = load_sp500(start="2021-01-01", return_X_y=True)
    >>> found = diagnose(MeanRisk(max_weights=0.04), X, y)
    >>> found.is_feasible, found.names
    (False, ['max_weights', 'budget'])
    """

    is_feasible: bool | None
    conflict: tuple[Relaxation, ...] = ()
    reason: str = ""

    @property
    def names(self) -> list[str]:
        """Names of the limits in conflict, each once."""
        return list(dict.fromkeys(each.name for each in self.conflict))

    @property
    def remedies(self) -> list[Relaxation]:
        """Changes of which each alone is enough, in order."""
        return [each for each in self.conflict if each.change is not None]

    @property
    def sentence(self) -> str:
        """The conflict, in one line."""
        if not self.conflict:
            return f"Why is not known: {self.reason}." if self.reason else ""
        return " ".join(part for part in (self._clash, self.ways, self._rest) if part)

    @property
    def _clash(self) -> str:
        names = self.names
        if len(names) == 1:
            return f"No portfolio satisfies this limit: {names[0]}."
        return f"No portfolio satisfies these limits together: {', '.join(names)}."

    @property
    def ways(self) -> str:
        """What would help, in one line."""
        if not self.conflict:
            return ""
        ways = [str(way) for way in self.remedies]
        if not ways:
            return "No change of one of them alone is known to be enough."
        return f"{'Any one of these changes is enough' if len(ways) > 1 else 'This is enough'}: {'; '.join(ways)}."

    @property
    def _rest(self) -> str:
        return f"Left open: {self.reason}." if self.reason else ""

    def __str__(self) -> str:
        """The conflict, a line for each limit in it."""
        if self.is_feasible:
            return "There are portfolios within all limits."
        if not self.conflict:
            return (
                f"{'Not settled' if self.is_feasible is None else 'No portfolio satisfies the limits'}: {self.reason}."
            )
        ways = self.remedies
        lines = [self._clash]
        if ways:
            lines += ["Any one of these changes is enough:" if len(ways) > 1 else "This is enough:"]
            lines += [f"  {way}" for way in ways]
        lines += [f"  {each}" for each in self.conflict if each.change is None]
        return "\n".join([*lines, *([self._rest] if self.reason else [])])


def number(value: float) -> str:
    """A number with the digits that it has, at most 12."""
    return f"{value + 0.0:.12g}"  # no minus before a zero


def rounded(value: float, limit: float, *, sign: int) -> float:
    """`value` in few digits, away from `limit` in the direction of `sign`.

    By at most half a percent of the change, and where the value is small against the change, of four digits.
    """
    value = float(value)
    change = abs(value - limit)
    if change == 0 or not math.isfinite(change):
        return value
    step = min(0.005 * change, max(5e-4 * abs(value), 1e-6 * change))
    digits = -math.floor(math.log10(step))
    nearest = round(value, digits)
    if abs(nearest - value) <= 1e-9 * max(change, 1e-3 * abs(value)):
        return nearest
    unit = 10.0**-digits
    return round((math.ceil if sign > 0 else math.floor)(value / unit) * unit, digits)


def few_digits(low: float, high: float) -> float:
    """The number of the fewest digits in an interval."""
    middle = float(low + high) / 2
    for digits in range(-9, 16):
        number = round(middle, digits)
        if low <= number <= high:
            return number
    return middle

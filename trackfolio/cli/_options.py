"""Options that commands share: one decorator a family, which hands them over as one object."""

import dataclasses
import datetime
import functools
import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from trackfolio.cli._places import STDOUT

# Generic for type checkers from click 8.5 on, not yet when it runs with older releases.
if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:
    _ParamType = click.ParamType

_Command = TypeVar("_Command", bound=Callable[..., Any])

RISKS = ["rmse", "std", "variance", "mad", "semideviation", "semivariance", "gini", "cvar", "evar", "worst",
         "max-drawdown", "average-drawdown", "cdar", "edar", "ulcer"]  # fmt: skip
FILE = click.Path(dir_okay=False)
EXISTING = click.Path(exists=True, dir_okay=False, readable=True)


class Number(click.FloatRange):
    """A number within its range: click's own takes what is no number."""

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number


class _Day(_ParamType):
    """A date, month or year in ISO's form, which cannot be mistaken."""

    name = "date"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        if not re.fullmatch(r"\d{4}(-\d{2}(-\d{2})?)?", str(value)):
            self.fail(f"{value!r} is not a date: write 2020-12-31, 2020-12 or 2020.", param, ctx)
        try:
            datetime.date.fromisoformat((str(value) + "-01-01")[:10])
        except ValueError as error:
            self.fail(f"{value!r} is not a date: {error}.", param, ctx)
        return str(value)


class _Size(_ParamType):
    """A size of a file: bytes, or 500MB, 2GB."""

    name = "size"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        match = re.fullmatch(r"(\d+(?:\.\d+)?) ?(B|kB|MB|GB)?", str(value), re.IGNORECASE)
        if not match:
            self.fail(f"{value!r} is not a size: write 500MB or 2GB.", param, ctx)
        power = ["b", "kb", "mb", "gb"].index((match[2] or "B").lower())
        return int(float(match[1]) * 1000**power)


class _GroupLimit(_ParamType):
    """A limit of all groups, or of one by name."""

    name = "[group=]weight"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str | None, float]:
        if isinstance(value, tuple):
            return value
        group, found, number = str(value).rpartition("=")
        try:
            return group if found else None, Number(min=0).convert(number, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is neither a weight such as 0.3 nor a group's, such as tech=0.3.", param, ctx)


@dataclasses.dataclass(frozen=True)
class Source:
    """Where the prices are, and how they are written."""

    prices: str
    benchmark: str
    exclude: tuple[str, ...]
    returns: bool
    start: str | None
    end: str | None
    missing: str | None
    date_format: str | None
    sep: str | None
    decimal: str | None
    max_size: int

    @property
    def where(self) -> str:
        """The file with the prices, in words."""
        return "standard input" if self.prices == STDOUT else self.prices


@dataclasses.dataclass(frozen=True)
class Limits:
    """Limits of the weights."""

    cardinality: int | None
    min_position: float | None
    min_weight: float
    max_weight: float
    max_turnover: float | None
    previous: str | None
    groups: str | None
    max_group: tuple[tuple[str | None, float], ...]
    risk: str | None
    confidence: float | None
    time_limit: float | None

    def __post_init__(self) -> None:
        """Refuse what was meant in percent: without shorts, a limit above 1 has no effect."""
        given = {"--max-weight": self.max_weight, "--min-position": self.min_position or 0.0}
        given |= {"--max-turnover": self.max_turnover or 0.0, "--min-weight": self.min_weight}
        given |= {"--max-group": max((weight for _, weight in self.max_group), default=0.0)}
        for option, value in given.items():
            if value > 1 and self.min_weight >= 0:
                raise click.UsageError(f"{option} {value:g} is above 1: weights are shares of 1, 5 % is 0.05.")


@dataclasses.dataclass(frozen=True)
class Output:
    """Where the tables go."""

    out: str
    format: str | None
    report: str | None
    force: bool
    strict: bool


def _family(name: str, kind: type, *options: Callable[[Any], Any]) -> Callable[[_Command], _Command]:
    """Decorator that adds options to a command, which takes them as one object by `name`."""
    fields = [field.name for field in dataclasses.fields(kind)]

    def decorate(command: _Command) -> _Command:
        @functools.wraps(command)
        def bundled(*args: Any, **given: Any) -> Any:
            return command(*args, **{name: kind(**{field: given.pop(field) for field in fields})}, **given)

        for option in reversed(options):
            bundled = option(bundled)
        return bundled  # type: ignore[return-value]  # what click adds does not show in its type

    return decorate


def _remember(key: str) -> Callable[..., None]:
    def callback(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        ctx.meta[f"trackfolio.{key}"] = value

    return callback


_SHARE = Number(min=0)

source_options = _family(
    "source",
    Source,
    click.argument("prices", type=click.Path(exists=True, dir_okay=False, readable=True, allow_dash=True)),
    click.option("--benchmark", "-b", required=True, metavar="INDEX",
                 help="Column with the index, or another file with one column of its levels."),
    click.option("--exclude", multiple=True, metavar="NAME", help="Column that is not an asset; may be repeated."),
    click.option("--returns", is_flag=True,
                 help="The files hold simple returns per period (0.01 is 1 %), not prices."),
    click.option("--start", type=_Day(), help="First date of the prices, included: 2014-01-31, 2014-01 or 2014."),
    click.option("--end", type=_Day(), help="Last date of the prices, included."),
    click.option("--missing", type=click.Choice(["drop-assets", "drop-dates"]),
                 help="What to leave out where prices are missing; without it they are an error."),
    click.option("--date-format", metavar="FORMAT",
                 help="Form of the dates, as %d.%m.%Y; by default recognised where it is unambiguous."),
    click.option("--sep", metavar="CHAR", help="Separator of the columns, as ';' or tab; by default recognised."),
    click.option("--decimal", type=click.Choice([".", ","]), help="Decimal mark; by default recognised."),
    click.option("--max-size", type=_Size(), default="2GB", show_default=True,
                 help="Largest size in bytes of a file that is read, as 500MB or 4GB."),
)  # fmt: skip

limit_options = _family(
    "limits",
    Limits,
    click.option("--cardinality", "-k", type=click.IntRange(min=1), metavar="N", help="Largest number of assets held."),
    click.option("--min-position", type=_SHARE, metavar="SHARE",
                 help="Least weight of an asset that is held, as a share of 1 (0.005 is 0.5 %)."),
    click.option("--min-weight", type=Number(), metavar="SHARE", default=0.0, show_default=True,
                 help="Least weight of every asset, as a share of 1; negative allows shorts."),
    click.option("--max-weight", type=_SHARE, metavar="SHARE", default=1.0, show_default=True,
                 help="Largest weight of an asset, as a share of 1 (0.05 is 5 %)."),
    click.option("--max-turnover", type=_SHARE, metavar="SHARE",
                 help="Largest one-way turnover against the holdings, as a share of 1: half the sum of all trades."),
    click.option("--previous", type=EXISTING, metavar="FILE",
                 help="Holdings before the trade: names and weights, as shares of 1; 0 where a name is left out."),
    click.option("--groups", type=EXISTING, metavar="FILE", help="Group of each asset: names and groups."),
    click.option("--max-group", type=_GroupLimit(), multiple=True,
                 help="Largest weight of every group, as a share of 1, or of one (tech=0.3); may be repeated."),
    click.option("--risk", type=click.Choice(RISKS), metavar="RISK",
                 help=f"Risk that is made least, per period: {', '.join(RISKS)}.  "
                 "[default: rmse of the active returns; variance in frontier]"),
    click.option("--confidence", type=Number(0, 1, min_open=True, max_open=True), metavar="SHARE",
                 help="Level of cvar, evar, cdar and edar, as a share of 1.  [default: 0.95]"),
    click.option("--time-limit", type=Number(min=0, min_open=True), metavar="SECONDS",
                 help="Seconds after which a search for the best names stops, each.  [default: 60]"),
)  # fmt: skip

_output = _family(
    "output",
    Output,
    click.option("--out", "-o", type=click.Path(dir_okay=False, allow_dash=True), default="-", metavar="FILE",
                 help="Where the table goes: .csv, .parquet or .json; - is stdout, as CSV.  [default: -]"),
    click.option("--format", type=click.Choice(["csv", "parquet", "json"]),
                 help="Format of --out, whatever its name."),
    click.option("--report", type=FILE, metavar="FILE", help="Write a tear sheet in HTML."),
    click.option("--force", is_flag=True, help="Overwrite files that exist."),
    click.option("--strict", is_flag=True,
                 help="Exit with code 3 if a search stopped at a limit before it had a proof."),
)  # fmt: skip

_debug = click.option("--debug", is_flag=True, expose_value=False, is_eager=True, callback=_remember("debug"),
                      help="Show tracebacks of errors.")  # fmt: skip
_quiet = click.option("--quiet", "-q", is_flag=True, expose_value=False, is_eager=True, callback=_remember("quiet"),
                      help="Say nothing on stderr but warnings and errors.")  # fmt: skip


def output_options(command: _Command) -> _Command:
    """Options of what comes out: tables, report, what is said."""
    return _output(common_options(command))


def common_options(command: _Command) -> _Command:
    """Options of every command."""
    return _quiet(_debug(command))

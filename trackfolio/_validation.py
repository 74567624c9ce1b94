"""Input to arrays, by name where there are names, with a message that names the culprit."""

import contextlib
import difflib
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from trackfolio.exceptions import OutlierWarning, PricesWarning, WeightsWarning

Array = npt.NDArray[np.float64]

# Returns are rarely all positive and never half the invested amount in a typical period; prices are both.
_TYPICAL_PRICE, _ENOUGH_PERIODS = 0.5, 20
# A return of so many times the typical one, which is seen in about so many of them, is hardly one.
_WILD, _SOME = 1e4, 10_000
# Weights that sum to about this are percent; and those that miss the budget by less are rounded.
_PERCENT, _ROUNDED = (98.0, 102.0), 0.005
_are_looked_for: ContextVar[bool] = ContextVar("_are_looked_for", default=False)


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the line outside of trackfolio that led here, so that Python shows it once for each such line."""
    depth, frame = 2, sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).partition(".")[0] == __package__:
        depth, frame = depth + 1, frame.f_back
    warnings.warn(message, category, stacklevel=depth)


def asset_names(names: Iterable[object] | None, n_assets: int) -> list[str]:
    """Names of the assets: those of the columns, or x0, x1, ... as scikit-learn calls them."""
    return [f"x{i}" for i in range(n_assets)] if names is None else [str(name) for name in names]


def suggest(name: object, known: Iterable[object]) -> str:
    """Return ' Did you mean ...?' with the closest known name, or nothing."""
    close = difflib.get_close_matches(str(name), [str(k) for k in known], n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def unknown_name(what: str, name: object, known: Sequence[object], kind: str = "asset") -> ValueError:
    """Error for a name that is not there, with the closest one that is."""
    listed = ", ".join(str(k) for k in known[:8]) + (", ..." if len(known) > 8 else "")
    return ValueError(
        f"{what} names the {kind} {name!r}, which is not there.{suggest(name, known)} Known {kind}s: {listed}."
    )


def per_asset(
    value: Any,
    names: Sequence[str],
    what: str,
    *,
    default: float | None = None,
    kind: str = "asset",
) -> Array:
    """Array of one number per asset (or per group: `kind` says what the names are of, for messages).

    Parameters
    ----------
    value : float, array-like of shape (n_assets,), dict or Series by asset name, or None
    names : sequence of str
        Names of the assets, in the order of the columns of X.
    what : str
        What the value is, for messages.
    default : float or None
        Value of the assets that a dict or Series leaves out, and of `None`; when it is `None`, every asset must be
        named.

    Returns
    -------
    ndarray of shape (n_assets,)
        A new array; infinities are kept, NaN is refused.
    """
    if value is None:
        if default is None:
            raise ValueError(f"{what} is missing: give one number per {kind}.")
        return np.full(len(names), default)
    if isinstance(value, pd.Series | Mapping):
        return _by_name(value, names, what, default, kind)
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{what} must be numbers (a scalar, one per asset, or a dict or Series by name): {value!r}."
        ) from error
    if array.ndim > 1 or (array.ndim == 1 and array.size != len(names)):
        raise ValueError(
            f"{what} has shape {array.shape}, but there are {len(names)} {kind}s: give a scalar or one "
            f"number per {kind}."
        )
    array = np.full(len(names), array) if array.ndim == 0 else array
    _refuse_nan(array, names, what)
    return array


def _by_name(value: Any, names: Sequence[str], what: str, default: float | None, kind: str) -> Array:
    labels = [str(label) for label in (value.index if isinstance(value, pd.Series) else value)]
    numbers = list(value.to_numpy() if isinstance(value, pd.Series) else value.values())
    position = {name: i for i, name in enumerate(names)}
    array = np.full(len(names), np.nan if default is None else default)
    seen: set[str] = set()
    for label, number in zip(labels, numbers, strict=True):
        if label not in position:
            raise unknown_name(what, label, names, kind)
        if label in seen:
            raise ValueError(f"{what} names the {kind} {label!r} twice.")
        seen.add(label)
        try:
            array[position[label]] = float(number)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{what} of {label!r} must be a number, got {number!r}.") from error
        if np.isnan(array[position[label]]):
            raise ValueError(f"{what} of {label!r} is NaN.")
    missing = [name for name in names if name not in seen]
    if missing and default is None:
        raise ValueError(
            f"{what} leaves out {', '.join(map(repr, missing[:5]))} ({len(missing)} of {len(names)} "
            f"{kind}s): give each a value, 0 where it has none."
        )
    return array


def _refuse_nan(array: Array, names: Sequence[str], what: str) -> None:
    if np.isnan(array).any():
        raise ValueError(f"{what} of {names[int(np.flatnonzero(np.isnan(array))[0])]!r} is NaN.")


def limit(value: Any, what: str, default: float) -> float:
    """One finite number or infinity; `None` is the default (no limit)."""
    if value is None:
        return default
    if isinstance(value, str) or np.ndim(value) != 0:
        raise ValueError(f"{what} must be one number, got {value!r}.")
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} must be one number, got {value!r}.") from error
    if np.isnan(number):
        raise ValueError(f"{what} is NaN.")
    return number


def finite_per_asset(value: Any, names: Sequence[str], what: str) -> Array:
    """Like `per_asset` for one number an asset: no scalars, no defaults, no infinities."""
    if np.ndim(value) == 0 and not isinstance(value, Mapping):
        raise ValueError(f"{what} must give one number per asset, got {value!r}.")
    if not isinstance(value, pd.Series | Mapping) and np.shape(value) != (len(names),):
        raise ValueError(
            f"{what} has shape {np.shape(value)}, but there are {len(names)} assets: give one number each."
        )
    array = per_asset(value, names, what)
    if np.isinf(array).any():
        raise ValueError(f"{what} of {names[int(np.flatnonzero(np.isinf(array))[0])]!r} is infinite.")
    return array


def degrees_of_freedom(total: float) -> float:
    """Denominator of a sample variance: number of periods (repetitions counted) less one, which must be positive."""
    if total <= 1 + 1e-9:  # weights that were normalised have a sum of 1 but for rounding
        raise ValueError(
            f"A variance needs more than one period: got {total:g} (n_samples=1, or sample weights of so small a sum: "
            "they are repetitions; multiply weights that sum to 1 by the number of periods)."
        )
    return total - 1


def refuse_non_finite(X: Any, what: str = "X") -> None:
    """Raise with the place of the first NaN or infinity; anything else is left to scikit-learn."""
    try:
        # A missing value of pandas' own kind is no float; as NaN it has a place.
        values = (
            X.to_numpy(dtype=np.float64, na_value=np.nan) if isinstance(X, pd.DataFrame | pd.Series) else np.asarray(X)
        )
        values = values if np.iscomplexobj(values) else values.astype(np.float64, copy=False)
    except (TypeError, ValueError):
        return
    # The sum is finite if (almost) every entry is: one cheap pass for good data.
    with np.errstate(invalid="ignore", over="ignore"):
        if values.ndim not in (1, 2) or np.isfinite(values.sum()):
            return
    bad = np.argwhere(~np.isfinite(values))
    if not len(bad):
        return
    kind = "NaN" if np.isnan(values[tuple(bad[0])]) else "infinity"
    row = X.index[bad[0][0]] if hasattr(X, "index") and not callable(X.index) else bad[0][0]
    column = (
        f", column {X.columns[bad[0][1]]!r}"
        if values.ndim == 2 and hasattr(X, "columns")
        else f", column {bad[0][1]}"
        if values.ndim == 2
        else ""
    )
    raise ValueError(
        f"Input {what} contains {kind}: first at row {row}{column} ({len(bad)} in all). "
        "Remove or fill what is missing yourself; nothing is filled in silence."
    )


def date_text(label: Any) -> str:
    """Write a date without its time of day where that is midnight."""
    return str(label).removesuffix(" 00:00:00")


def check_same_index(X: Any, y: Any, x_name: str = "X", y_name: str = "y") -> None:
    """Refuse pandas X and y whose row labels differ, naming the first one that does."""
    left, right = getattr(X, "index", None), getattr(y, "index", None)
    if not isinstance(left, pd.Index) or not isinstance(right, pd.Index) or left is right or left.equals(right):
        return
    if len(left) != len(right):
        odd = left.symmetric_difference(right, sort=False)
        example = f"; {date_text(odd[0])} is in only one of them" if len(odd) else ""
        raise ValueError(
            f"{x_name} has {len(left)} rows and {y_name} has {len(right)}: their dates differ{example}. "
            "Join them first, for example with trackfolio.datasets.prices_to_returns."
        )
    first = next((i for i, (a, b) in enumerate(zip(left, right, strict=True)) if a != b), None)
    if first is None:
        raise ValueError(
            f"The dates of {x_name} and {y_name} are of different kinds ({left.dtype} and {right.dtype}): convert one."
        )
    raise ValueError(
        f"The dates of {x_name} and {y_name} differ: row {first} is {date_text(left[first])} in "
        f"{x_name} and {date_text(right[first])} in {y_name}. "
        "Rows are never aligned in silence: join or sort them first."
    )


#: What follows the name of an estimator where the benchmark is missing, in the words of scikit-learn.
NEEDS_BENCHMARK = (
    "requires y to be passed, but the target y is None. Give the returns of the benchmark, or set benchmark_weights."
)


@contextlib.contextmanager
def prices_looked_for() -> Iterator[None]:
    """Within it, data that were looked through for prices as a whole are not looked through again in parts."""
    token = _are_looked_for.set(True)
    try:
        yield
    finally:
        _are_looked_for.reset(token)


def warn_if_wild(values: Array, names: Sequence[str], what: str = "X") -> None:
    """Warn of a return that is out of all proportion: one wrong number decides what is optimal."""
    if _are_looked_for.get():
        return
    columns = values.reshape(len(values), -1)
    largest = max(float(columns.max()), -float(columns.min()))
    some = np.abs(columns[:: max(1, columns.size // _SOME)])
    typical = float(np.median(some[some > 0])) if some.any() else 0.0
    if largest <= _WILD * typical or not some.any():
        return
    row, column = np.unravel_index(int(np.argmax(np.abs(columns))), columns.shape)
    place = f"row {row}, column {names[int(column)]!r}" if values.ndim == 2 else f"row {row}"
    warn(
        f"{what} has a return of {columns[row, column]:.4g} in {place}, {largest / typical:.0e} times the typical one. "
        "If it is an error or stands for a missing value, the optimum is that of the error: mend it, or leave it out.",
        OutlierWarning,
    )


def refuse_percent(weights: Array, what: str, budget: tuple[float, float]) -> None:
    """Refuse weights in percent beside a budget that is not."""
    total = float(weights.sum())
    if _PERCENT[0] <= total <= _PERCENT[1] and 0 < budget[1] <= 10:
        raise ValueError(f"{what} sum to {total:.4g}: they look like percent, but weights are shares. Divide by 100.")


def warn_if_not_full(weights: Array, what: str, budget: tuple[float, float]) -> None:
    """Warn of weights that do not add up to 1, where those of the portfolio do."""
    total = float(weights.sum())
    if budget == (1.0, 1.0) and abs(total - 1) > _ROUNDED:
        warn(
            f"{what} sum to {total:.4g}, not to 1: what they miss earns nothing. Scale them, or leave it so where it "
            "is cash.",
            WeightsWarning,
        )


def warn_if_prices(values: Array, names: Sequence[str], what: str = "X") -> None:
    """Warn when a column looks like prices: every number positive, and typically above 0.5."""
    if _are_looked_for.get():
        return
    columns = values.reshape(len(values), -1)
    # Looking at the first rows first keeps the check free for real returns.
    suspects = np.flatnonzero(columns[:10].min(axis=0) > 0)
    suspects = suspects[(columns[:, suspects] > 0).all(axis=0)]
    suspects = suspects[np.median(columns[:, suspects], axis=0) > _TYPICAL_PRICE] if len(suspects) else suspects
    if len(columns) < _ENOUGH_PERIODS and 2 * len(suspects) <= columns.shape[1]:
        return  # in few rows, returns in percent can all be positive by chance
    if len(suspects):
        column = f"column {names[suspects[0]]!r} of {what}" if values.ndim == 2 else what
        warn(
            f"{column} looks like prices (all positive, median {np.median(columns[:, suspects[0]]):.3g}), "
            "but returns are expected. "
            "Convert with trackfolio.datasets.prices_to_returns.",
            PricesWarning,
        )

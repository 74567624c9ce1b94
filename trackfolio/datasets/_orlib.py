"""The text layout of the index-tracking sets of the OR-Library."""

import gzip
from os import PathLike
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.utils import Bunch

_GZIP_MAGIC = b"\x1f\x8b"


def read_orlib(path: str | PathLike[str] | IO[str] | IO[bytes]) -> Bunch:
    """Read a file in the layout of the OR-Library's index-tracking sets.

    The layout is plain numbers, separated by white space and line breaks anywhere: the number of
    stocks N and of periods T, then the prices of the index, then those of each stock in turn. The
    published sets count time from 0 to T, so each series has T + 1 prices (T = 290: 291 weekly
    prices). What decides is how many values there are: a file with T prices a series is read too.

    Parameters
    ----------
    path : str, path-like or file object
        The file, plain or compressed with gzip (whatever its name), or an open file, text or
        binary, which is read from where it stands and left open.

    Returns
    -------
    Bunch
        With the attributes

        prices : DataFrame of shape (n_weeks, N)
            Prices of the stocks "S1" to "SN"; the index counts weeks from 0 and is named "Week".
        index : Series of length n_weeks, named "Index"
            Levels of the index on the same weeks.
        DESCR : str
            What was read.

    Raises
    ------
    ValueError
        If the file does not begin with two positive whole numbers, holds something that is no
        finite number, or as many values as fit neither T + 1 nor T prices a series.

    References
    ----------
    .. [1] J. E. Beasley, OR-Library, http://people.brunel.ac.uk/~mastjjb/jeb/orlib/indtrackinfo.html
    .. [2] J. E. Beasley, N. Meade and T.-J. Chang (2003). An evolutionary heuristic for the index
       tracking problem. European Journal of Operational Research 148, 621-643.

    Examples
    --------
    Two stocks, three prices each (T = 2):

    >>> from io import StringIO
    >>> from trackfolio.datasets import prices_to_returns, read_orlib
    >>> data = read_orlib(StringIO("2 2   100 110 99   10 11 9.9   20 22 22"))
    >>> data.prices
            S1    S2
    Week
    0     10.0  20.0
    1     11.0  22.0
    2      9.9  22.0
    >>> X, y = prices_to_returns(data.prices, data.index)
    """
    name = str(getattr(path, "name", "the open file") if hasattr(path, "read") else path)
    tokens = _text(path).split()
    n_stocks, n_periods = _header(tokens, name)
    values = _numbers(tokens[2:], name)
    n_prices = _prices_a_series(values.size, n_stocks, n_periods, name)
    series = values.reshape(n_stocks + 1, n_prices)
    weeks = pd.RangeIndex(n_prices, name="Week")
    return Bunch(
        prices=pd.DataFrame(series[1:].T, index=weeks, columns=[f"S{i}" for i in range(1, n_stocks + 1)]),
        index=pd.Series(series[0], index=weeks, name="Index"),
        DESCR=(
            f"Index-tracking set {name}, in the layout of the OR-Library: an index and {n_stocks} "
            f"stocks, {n_prices} prices each (header: N = {n_stocks}, T = {n_periods})."
        ),
    )


def _text(path: Any) -> str:
    data = path.read() if hasattr(path, "read") else Path(path).read_bytes()
    if isinstance(data, str):
        return data
    if data[:2] == _GZIP_MAGIC:
        data = gzip.decompress(data)
    return bytes(data).decode("ascii", errors="replace")


def _header(tokens: list[str], name: str) -> tuple[int, int]:
    try:
        n_stocks, n_periods = int(tokens[0]), int(tokens[1])
        if min(n_stocks, n_periods) >= 1:
            return n_stocks, n_periods
    except (IndexError, ValueError):
        pass
    raise ValueError(
        f"{name} begins with {' '.join(tokens[:2])!r}, where the number of stocks and the number "
        f"of periods are expected (as in '31 290'): is it in the OR-Library's layout?"
    )


def _numbers(tokens: list[str], name: str) -> npt.NDArray[np.float64]:
    try:
        values = np.array(tokens, dtype=np.float64)
    except ValueError:
        values = np.array([_number(token) for token in tokens])
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise ValueError(
            f"value {bad[0] + 1} after the header of {name} is {tokens[bad[0]]!r}, not a finite "
            f"number: correct the file."
        )
    return values


def _number(token: str) -> float:
    try:
        return float(token)
    except ValueError:
        return float("nan")


def _prices_a_series(n_values: int, n_stocks: int, n_periods: int, name: str) -> int:
    # A count that only happens to divide by N + 1 is refused: a file that was cut off would
    # shift every series against the others.
    for n_prices in (n_periods + 1, n_periods):
        if n_values == (n_stocks + 1) * n_prices:
            return n_prices
    raise ValueError(
        f"{name} holds {n_values} values after its header, which says N = {n_stocks} stocks and "
        f"T = {n_periods} periods. An index and {n_stocks} stocks take "
        f"{(n_stocks + 1) * (n_periods + 1)} values with T + 1 prices each, "
        f"{(n_stocks + 1) * n_periods} with T: complete the file, or correct the header."
    )

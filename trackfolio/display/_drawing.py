"""What pictures have in common: panels, colours, axes in percent and dates, legends beside what is drawn."""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import pandas as pd

from trackfolio._validation import Array

# Okabe & Ito's colours, which the colour-blind tell apart. In grey, lines differ by their dashes; of bars, those from
# the third on need a hatch.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#000000")
STYLES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)), (0, (9, 2)))
HATCHES = ("", "", "///", "...", "xxx")
_SHORT = 24  # letters of an asset's name
BENCHMARK, OTHERS = "#9a9a9a", "#d4d4d4"

_STYLE: dict[Any, Any] = {
    "lines.linewidth": 1.5,
    "legend.frameon": False,
    "legend.fontsize": "medium",
    "hatch.linewidth": 0.8,
}
_POINTS = 72  # an inch


@contextmanager
def drawing(who: str) -> Iterator[None]:
    """The style of our pictures, within; the user's settings stay as they are."""
    try:
        import matplotlib
    except ImportError as error:
        raise ImportError(
            f'{who} draws with matplotlib, which is not installed: pip install "trackfolio[plot]".'
        ) from error
    with matplotlib.rc_context(_STYLE):
        yield


def line_style(place: int) -> dict[str, Any]:
    """Colour and dashes of a line, each pair once among 35."""
    return {"color": COLORS[place % len(COLORS)], "linestyle": STYLES[place % len(STYLES)]}


def bar_style(place: int) -> dict[str, Any]:
    """Colour and hatch of bars."""
    hatch = HATCHES[place % len(HATCHES)]
    edge = {"edgecolor": background(), "linewidth": 0.0} if hatch else {}
    return {"color": COLORS[place % len(COLORS)], "hatch": hatch, **edge}


def background() -> Any:
    """Colour behind what is drawn, the user's."""
    import matplotlib

    return matplotlib.rcParams["axes.facecolor"]


def foreground() -> Any:
    """Colour of axes and zero lines, the user's."""
    import matplotlib

    return matplotlib.rcParams["axes.edgecolor"]


def panels(ax: Any, heights: Sequence[float], grid: Literal["x", "y"], inches: float = 0.0) -> Any:
    """Array of axes one above the other: new ones (of at least so many inches in all), parts of one, or as given."""
    import matplotlib.pyplot as plt
    from matplotlib.axes import Axes

    if ax is None:
        figure = plt.figure(layout="constrained")
        figure.set_figheight(max(figure.get_figheight(), inches))
        made = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
        for each in made:
            _plain(each, grid)
        return made
    if isinstance(ax, Axes):
        return np.array([ax], dtype=object) if len(heights) == 1 else _split(ax, heights, grid)
    given = np.asarray(ax, dtype=object).ravel()
    if not all(isinstance(each, Axes) for each in given):
        raise TypeError(f"ax must be matplotlib axes, one or an array of them, got {type(ax).__name__}.")
    if len(given) != len(heights):
        raise ValueError(f"This display has {len(heights)} panel(s): give one ax, or so many; got {len(given)}.")
    return given


def _split(ax: Any, heights: Sequence[float], grid: Literal["x", "y"]) -> Any:
    """Panels in the place of one ax, as scikit-learn's PartialDependenceDisplay makes them."""
    from matplotlib.gridspec import GridSpecFromSubplotSpec

    if not ax.axison:
        raise ValueError("This ax was split by a display before: give ax=display.axes_ to draw on its panels.")
    if ax.get_subplotspec() is None:
        raise ValueError(f"This ax has no place in a grid to be split: give {len(heights)} axes.")
    ax.set_axis_off()
    places = GridSpecFromSubplotSpec(len(heights), 1, subplot_spec=ax.get_subplotspec(), height_ratios=list(heights))
    made: list[Any] = []
    for place in range(len(heights)):
        made.append(ax.get_figure().add_subplot(places[place], sharex=made[0] if made else None))
        _plain(made[-1], grid)
        made[-1].tick_params(labelbottom=place == len(heights) - 1)
    return np.array(made, dtype=object)


def _plain(ax: Any, grid: Literal["x", "y"]) -> None:
    """Axes of our own without a box, with a pale grid along one direction."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(False)
    ax.grid(True, axis=grid, color=foreground(), alpha=0.12, linewidth=0.8)
    ax.set_axisbelow(True)


def periods(dates: pd.Index | None, n_periods: int) -> Any:
    """Places of the periods on an axis: dates where there are any, else 1, 2, ..."""
    if isinstance(dates, pd.PeriodIndex):
        dates = dates.to_timestamp()
    elif dates is not None and dates.inferred_type == "date":
        dates = pd.to_datetime(dates)
    if not isinstance(dates, pd.DatetimeIndex):
        return np.arange(1, n_periods + 1)
    return dates.tz_localize(None).to_numpy()


def label_periods(axes: Any, places: Any) -> None:
    """Dates written once and in short, or the word period."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.ticker import MaxNLocator

    dated = np.issubdtype(places.dtype, np.datetime64)
    for ax in axes:
        if dated:
            locator = AutoDateLocator(minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
            ax.xaxis.set_major_locator(locator)
            ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
        else:
            ax.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
        ax.margins(x=0.01)
    axes[-1].set_xlabel("" if dated else "period")


def percent(*axes: Any) -> None:
    """Write numbers of axes (`ax.xaxis`, `ax.yaxis`) in percent, with as many decimals as their ticks need."""
    from matplotlib.ticker import PercentFormatter

    class Percent(PercentFormatter):
        def format_ticks(self, values: Any) -> list[str]:
            # A tick at 0 may be -1e-19, before which no minus is wanted.
            ticks = np.round(values, 12) + 0.0
            enough = (np.allclose(100 * ticks, np.round(100 * ticks, n), rtol=0, atol=1e-9) for n in range(10))
            self.decimals = next((n for n, is_enough in enumerate(enough) if is_enough), 10)
            return super().format_ticks(ticks)

    for axis in axes:
        axis.set_major_formatter(Percent(1.0))


def in_percent(number: float) -> str:
    """Three digits, and a minus sign that is one."""
    return f"{round(100 * number, 6) + 0.0:.3g}%".replace("-", "\N{MINUS SIGN}")


def short(name: str, length: int = 42) -> str:
    """A name that leaves room for the picture: long ones often differ at their end, so the middle goes."""
    half = (length - 1) // 2
    return name if len(name) <= length else f"{name[: length - 1 - half].rstrip()}…{name[-half:].lstrip()}"


def zero_line(ax: Any, *, vertical: bool = False) -> None:
    """A thin line at 0."""
    (ax.axvline if vertical else ax.axhline)(0, color=foreground(), linewidth=0.8, zorder=1.5)


def legend_below(axes: Any, handles: Any = None) -> None:
    """Legend below the last panel, where it hides nothing; its columns as names leave room for them."""
    from matplotlib.transforms import ScaledTranslation

    ax = axes[-1]
    handles = axes[0].get_legend_handles_labels()[0] if handles is None else handles
    size = _legend_size()
    widest = max(len(handle.get_label()) for handle in handles)
    width = ax.get_position().width * _root(ax).get_figwidth() * _POINTS
    columns = min(max(int(width // ((0.55 * widest + 4) * size)), 1), len(handles))
    rows = math.ceil(len(handles) / columns)
    # Below the labels of the ticks, and the year of concise dates or the label of the axis in a second line.
    below = 2.9 * size + 6
    make_room(axes, bottom=below + rows * 1.5 * size)
    down = ScaledTranslation(0, -below / _POINTS, _root(ax).dpi_scale_trans)
    ax.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0, 0),
        bbox_transform=ax.transAxes + down,
        borderaxespad=0,
        ncols=columns,
    )


def legend_beside(axes: Any, handles: Any) -> None:
    """Legend to the right of the first panel."""
    size = _legend_size()
    widest = max(len(handle.get_label()) for handle in handles)
    make_room(axes, right=(0.55 * widest + 3) * size)
    axes[0].legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0)


def _legend_size() -> float:
    """Points of the legend's letters."""
    import matplotlib
    from matplotlib.font_manager import FontProperties

    return float(FontProperties(size=matplotlib.rcParams["legend.fontsize"]).get_size_in_points())


def _root(ax: Any) -> Any:
    """The figure that an ax is in, past subfigures; matplotlib says so by itself from 3.10 on."""
    figure = ax.figure
    while figure.figure is not figure:
        figure = figure.figure
    return figure


def make_room(axes: Any, *, bottom: float = 0.0, left: float = 0.0, right: float = 0.0) -> None:
    """Take points from axes, as colour bars do, where the figure has no layout that makes room by itself."""
    figure = _root(axes[0])
    if figure.get_layout_engine() is not None:
        return
    boxes = [ax.get_position() for ax in axes]
    low, high = min(box.y0 for box in boxes), max(box.y1 for box in boxes)
    taken = min(bottom / (figure.get_figheight() * _POINTS), 0.5 * (high - low))
    squeeze = 1 - taken / (high - low)
    for ax, box in zip(axes, boxes, strict=True):
        start, end = (min(points / (figure.get_figwidth() * _POINTS), 0.4 * box.width) for points in (left, right))
        place = box.x0 + start, high - (high - box.y0) * squeeze
        ax.set_position([*place, box.width - start - end, box.height * squeeze])


def name_rows(axes: Any, names: Iterable[Any]) -> None:
    """Names of rows along the y axis of the last panel, the first on top."""
    ax = axes[-1]
    shown = [short(str(name), _SHORT) for name in names]
    ax.set_yticks(range(len(shown)), shown, fontsize="small")
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(max(len(shown), 1) - 0.4, -0.6)
    # Margins of a figure without layout have room for six letters or so.
    make_room(axes, left=0.5 * _legend_size() * max(max(map(len, shown), default=0) - 7, 0))


def largest(weights: pd.DataFrame, n: int, held: float) -> pd.DataFrame:
    """The n columns of largest mean absolute weight, and the sum of the others with one above `held`."""
    size = weights.abs().mean().sort_values(ascending=False, kind="stable")
    shown, others = size.index[:n], size.index[n:]
    others = others[weights[others].abs().max().to_numpy() > held]
    if len(others) == 1:  # a name says more than "1 other"
        shown, others = size.index[: n + 1], others[:0]
    chosen = weights[shown]
    return chosen.assign(**{f"{len(others)} others": weights[others].sum(axis=1)}) if len(others) else chosen


def area_colors(names: Sequence[Any], n_others: int) -> list[Any]:
    """From dark to light by size, so that areas are told apart in grey; the others are grey."""
    import matplotlib

    n_named = len(names) - n_others
    ramp = matplotlib.colormaps["viridis"](np.linspace(0.02, 0.95, max(n_named, 2)))
    return [*ramp[:n_named], *[OTHERS] * n_others]


def stack(ax: Any, places: Any, weights: pd.DataFrame, colors: Sequence[Any]) -> list[Any]:
    """Areas one upon the other, weights below 0 downwards; a handle for each."""
    values: Array = weights.to_numpy()
    up, down = np.zeros(len(weights)), np.zeros(len(weights))
    ax.margins(x=0, y=0)
    handles = []
    for name, column, color in zip(weights, values.T, colors, strict=True):
        above, below = up + np.maximum(column, 0), down + np.minimum(column, 0)
        style = {"facecolor": color, "edgecolor": background(), "linewidth": 0.4}
        handles.append(ax.fill_between(places, up, above, label=short(str(name), _SHORT), **style))
        if (column < 0).any():
            ax.fill_between(places, down, below, **style)
        up, down = above, below
    if (values < 0).any():
        zero_line(ax)
    return handles

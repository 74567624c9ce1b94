"""How many periods a year has: given, or inferred from the dates."""

from typing import Any

import numpy as np
import pandas as pd

# Days between neighbouring dates, and what a year then has. Days themselves depend on week-ends.
_SPACINGS = ((5, 9, 52.0), (26, 35, 12.0), (80, 100, 4.0), (350, 380, 1.0))
_BUSINESS_DAYS = 252.0
_CALENDAR_DAYS = 365.0


def check_periods_per_year(value: Any) -> float | None:
    """Return a number of periods a year as a float, None as it is, and refuse anything else."""
    if value is None:
        return None
    if not isinstance(value, int | float | np.number) or not 0 < value < np.inf:
        raise ValueError(f"periods_per_year must be a positive number (such as 252 for days) or None, got {value!r}.")
    return float(value)


def infer_periods_per_year(dates: pd.Index | None) -> float | None:
    """Periods a year by the median spacing of dates; None where they do not tell.

    Business days 252, all days of the week 365, weeks 52, months 12, quarters 4, years 1.
    """
    if isinstance(dates, pd.PeriodIndex):
        dates = dates.to_timestamp()
    elif dates is not None and dates.inferred_type == "date":
        dates = pd.to_datetime(dates)
    if not isinstance(dates, pd.DatetimeIndex) or len(dates) < 2:
        return None
    dates = dates.sort_values().tz_localize(None)
    gaps = np.diff(dates.to_numpy()) / np.timedelta64(1, "D")
    spacing = float(np.median(gaps))
    if 0.9 <= spacing <= 1.6:
        # Now and then an exchange opens on a week-end; a market of all days has both, and no gaps.
        every_day = {5, 6} <= set(dates.day_of_week) and gaps.mean() < 1.2
        return _CALENDAR_DAYS if every_day else _BUSINESS_DAYS
    return next((m for low, high, m in _SPACINGS if low <= spacing <= high), None)

"""A portfolio whose weights changed from period to period."""

from typing import Any, Self

import numpy as np
import pandas as pd

from trackfolio._validation import Array
from trackfolio.portfolio import Portfolio


class HeldPortfolio(Portfolio):
    """Returns that were realised by trading and holding; `weights` are those held after the last period.

    All measures of a `Portfolio` are there. The active share and the ex-ante tracking error are those of the last
    weights. `Backtest` makes such portfolios.
    """

    _history: Array

    @classmethod
    def of_history(
        cls, X: Array, names: list[str], dates: pd.Index | None, returns: Array, history: Array, weights: Array
    ) -> Self:
        """Portfolio of given returns and of weights at the beginning of each period."""
        held = object.__new__(cls)
        held.__setstate__(
            {
                "_X": X,
                "_names": names,
                "_dates": dates,
                "_weights": weights,
                "_returns": returns,
                "_history": history,
                "_benchmark": None,
                "_benchmark_weights": None,
                "_benchmark_name": None,
                "_name": None,
                "_periods_per_year": None,
            }
        )
        return held

    @property
    def weight_history(self) -> pd.DataFrame:
        """Weights at the beginning of each period, of shape (n_periods, n_assets)."""
        return pd.DataFrame(self._history, index=self._dates, columns=self._names, copy=True)

    def relative_to(self, y: Any = None, *, benchmark_weights: Any = None) -> Self:
        """Return the same portfolio measured against a benchmark: see `Portfolio.relative_to`.

        Without `y`, the benchmark holds its weights constant, and needs a return of each of its assets in each period.
        """
        against = super().relative_to(y, benchmark_weights=benchmark_weights)
        if against._benchmark is not None and not np.isfinite(against._benchmark).all():
            raise ValueError("The benchmark's weights are in assets some of whose returns are missing: give y.")
        return against

"""What is solved: an index tracked with fewer names than it holds, from returns as plain arrays."""

from dataclasses import dataclass
from enum import Enum
from functools import cached_property

import numpy as np
import numpy.typing as npt

from trackfolio import MinTrackingError
from trackfolio.datasets import load_sp500, make_index_market

Array = npt.NDArray[np.float64]

RANDOM_STATE = 0
# The index holds a quarter more names than can be bought, and 5 bp a day that no asset has: without
# both, 2000 assets replicate 1000 days of it almost exactly, and the optimum would be 0.
NAMES_OUTSIDE = 0.25
INDEX_NOISE = 5e-4
LIMIT_FACTOR = 1.05


class Task(Enum):
    """What a competitor minimises, over long-only weights of sum 1."""

    LEAST_RMSE = "RMSE"
    LEAST_STD = "std"
    LIMITED = "variance, RMSE limited"


@dataclass(frozen=True)
class Case:
    """Returns of assets and index, of one size."""

    n_assets: int
    n_periods: int
    X: Array
    y: Array
    source: str

    @property
    def name(self) -> str:
        """Name such as N=276, T=1761."""
        return f"N={self.n_assets}, T={self.n_periods}"

    @cached_property
    def rmse_limit(self) -> float:
        """Limit of the tasks that minimise something else: 5 % above the least tracking RMSE."""
        least = MinTrackingError().fit(self.X, self.y).solution_.objective
        return LIMIT_FACTOR * float(least)

    @property
    def scale(self) -> float:
        """Mean over the assets of the mean squared active return of each alone (s of DESIGN.md)."""
        return float(np.mean((self.X - self.y[:, None]) ** 2))


SIZES = ((20, 1500), (100, 500), (276, 1761), (500, 1250), (2000, 1000))
QUICK_SIZES = SIZES[:2]


def make_case(n_assets: int, n_periods: int) -> Case:
    """Real returns for the 20 embedded stocks, synthetic ones for any other number of assets."""
    if n_assets == 20:
        frame, index = load_sp500(return_X_y=True)
        X, y = frame.iloc[-n_periods:], index.iloc[-n_periods:]
        source = f"S&P 500 and 20 of its stocks, {y.index[0]:%Y-%m-%d} to {y.index[-1]:%Y-%m-%d}"
    else:
        n_names = round(n_assets * (1 + NAMES_OUTSIDE))
        X, y = make_index_market(
            n_names,
            n_periods,
            index_noise=INDEX_NOISE,
            random_state=RANDOM_STATE,
            return_X_y=True,
        )
        X = X.iloc[:, :n_assets]
        source = f"synthetic index of {n_names} names, {n_assets} of which can be bought"
    return Case(n_assets, n_periods, np.array(X, order="C"), np.array(y), source)

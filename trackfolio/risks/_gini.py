"""Gini's mean difference, by a sorting network."""

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from trackfolio._shape import Shape
from trackfolio._validation import Array, degrees_of_freedom
from trackfolio.risks._base import Risk
from trackfolio.risks._sample import per_share, sample, shares, total


class GiniMeanDifference(Risk):
    r"""Gini's mean difference: mean of :math:`|r_t - r_u|` over all pairs of different periods.

    .. math:: \frac{\sum_{t,u} s_t s_u |r_t - r_u|}{S (S - 1)}, \qquad S = \sum_t s_t

    Per period, in units of returns; repetitions of one period are pairs without difference. Of sorted returns it is
    a weighted sum, so cvxpy gets a sorting network [2]_, of about T log²T / 4 comparisons; with sample weights it
    gets all pairs, which is slow beyond some hundred periods. `InteriorPoint` takes all pairs, up to 3000 periods.

    Raises
    ------
    ValueError
        From `value` and `fit`, for a single period.

    References
    ----------
    .. [1] Yitzhaki (1982), Stochastic dominance, mean variance, and Gini's mean difference, American Economic Review
       72.
    .. [2] Goemans (2015), Smallest compact formulation for the permutahedron, Mathematical Programming 153.

    Examples
    --------
    >>> from trackfolio.risks import GiniMeanDifference
    >>> GiniMeanDifference().value([1.0, 2.0, 4.0])
    2.0
    """

    degree = 1.0
    least_value = 0.0

    @property
    def label(self) -> str:
        """What tables call the risk."""
        return "Gini mean difference"

    def value(self, returns: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
        """Mean absolute difference of pairs of realised returns."""
        r, s = sample(returns, sample_weight)
        size = float(s.sum())
        order = np.argsort(r)
        r, s = r[order] - np.average(r, weights=s), s[order]
        before = np.cumsum(s) - s
        # Each return is above all before it and below all after it.
        return float(2 * np.sum(s * r * (2 * before + s - size)) / (size * degrees_of_freedom(size)))

    def expression(self, returns: Any, sample_weight: Array | None = None) -> Any:
        """Weighted sum of the sorted returns, or of all pairs if they are weighted."""
        import cvxpy as cp

        n = returns.shape[0]
        pairs = n * degrees_of_freedom(float(n)) if sample_weight is None else None
        if pairs is None:
            assert sample_weight is not None
            first, second = np.triu_indices(n, 1)
            size = float(sample_weight.sum())
            price = 2 * sample_weight[first] * sample_weight[second] / (size * degrees_of_freedom(size))
            return price @ cp.abs(returns[first] - returns[second])
        network = _Network(n)
        wires = cp.Variable(network.n_values)
        ranks = 2 * (2 * np.arange(n) - (n - 1)) / pairs
        return ranks @ wires[network.outputs], [
            wires[:n] == returns,
            network.sums @ wires == 0,
            network.larger @ wires >= 0,
        ]

    def support(self, pull: Array, sample_weight: Array | None = None) -> tuple[Array, float]:
        """Prices of sum 0, of which no set of periods has more than 2·s(S - s)/(S(S - 1)), s its sum of weights."""
        n = len(pull)
        share, size = shares(n, sample_weight), total(n, sample_weight)
        prices = np.where(share > 0, pull, 0.0)
        prices = prices - share * prices.sum()
        # The sets in which this is tightest are those of the highest prices per share.
        order = np.argsort(-per_share(prices, share), kind="stable")
        held = np.cumsum(share[order])[:-1]
        most = 2 * size / degrees_of_freedom(size) * held * (1 - held)
        taken = np.cumsum(prices[order])[:-1]
        inside = most > 1e-12 / n
        ratio = float(np.max(taken[inside] / most[inside], initial=0.0))
        return prices / max(1.0, ratio), 0.0

    def shape(self, n_periods: int, sample_weight: Array | None = None) -> Shape:
        """Absolute differences of all pairs."""
        share, size = shares(n_periods, sample_weight), total(n_periods, sample_weight)
        first, second = np.triu_indices(n_periods, 1)
        price = 2 * share[first] * share[second] * size / degrees_of_freedom(size)
        return Shape(-price, price, of="pairs")


class _Network:
    """Batcher's odd-even merge sort as linear relations between values; the first n are the inputs.

    Each comparison of a and b has two values of its own: `high`, at least a and at least b, and `low`, with
    ``low + high = a + b``. A sum of the outputs with increasing weights is least where all are sorted.
    """

    def __init__(self, n: int) -> None:
        current, next_value = np.arange(n), n
        pairs: list[tuple[Any, ...]] = []
        for low, high in _layers(n):
            a, b = current[low], current[high]
            new_low = next_value + np.arange(len(low))
            new_high = new_low + len(low)
            pairs.append((a, b, new_low, new_high))
            current[low], current[high] = new_low, new_high
            next_value += 2 * len(low)
        a, b, lower, higher = (np.concatenate([np.empty(0, np.intp), *parts]) for parts in zip(*pairs, strict=True))
        rows, one = np.arange(len(a)), np.ones(len(a))
        self.n_values, self.outputs = next_value, current

        def matrix(*columns: tuple[Any, float]) -> Any:
            entries = np.concatenate([sign * one for _, sign in columns])
            places = (np.tile(rows, len(columns)), np.concatenate([column for column, _ in columns]))
            return sp.csr_array((entries, places), shape=(len(rows), next_value))

        self.sums = matrix((lower, 1), (higher, 1), (a, -1), (b, -1))
        self.larger = sp.vstack([matrix((higher, 1), (a, -1)), matrix((higher, 1), (b, -1))])


def _layers(n: int) -> list[tuple[Any, Any]]:
    """Comparisons of Batcher's merge sort (Knuth, volume 3, algorithm 5.2.2M), in layers that touch no wire twice."""
    layers = []
    top = 1 << max((n - 1).bit_length() - 1, 0)
    p = top
    while p > 0:
        q, r, d = top, 0, p
        while True:
            i = np.arange(n - d)
            i = i[(i & p) == r]
            layers.append((i, i + d))
            if q == p:
                break
            d, q, r = q - p, q // 2, p
        p //= 2
    return layers

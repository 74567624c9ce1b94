"""A synthetic market with an index, of which everything is known."""

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.utils import Bunch, check_random_state

from trackfolio.datasets._student import BoundedStudent

Array = npt.NDArray[np.float64]

_FIRST_DAY = "2000-01-03"
_MOST_PERIODS = 65_000  # pandas 2 has no nanoseconds after April 2262
_DAYS_A_YEAR = 252
_MARKET_PREMIUM = 0.05
_MARKET_VOLATILITY = 0.16
_OTHER_VOLATILITY = 0.14  # of all other factors together
_FACTOR_CORRELATION = 0.2
_LOG_CAP_SPREAD = 1.2  # standard deviation of log capitalisations
_LARGEST_LOSS = 0.95
_LEAST_BOUND = 4.0


@overload
def make_index_market(
    n_assets: int = ...,
    n_periods: int = ...,
    *,
    n_factors: int = ...,
    n_sectors: int = ...,
    tail: float = ...,
    index_noise: float = ...,
    random_state: int | np.random.RandomState | None = ...,
    return_X_y: Literal[False] = ...,
) -> Bunch: ...
@overload
def make_index_market(
    n_assets: int = ...,
    n_periods: int = ...,
    *,
    n_factors: int = ...,
    n_sectors: int = ...,
    tail: float = ...,
    index_noise: float = ...,
    random_state: int | np.random.RandomState | None = ...,
    return_X_y: Literal[True],
) -> tuple[pd.DataFrame, pd.Series]: ...
@overload
def make_index_market(
    n_assets: int = ...,
    n_periods: int = ...,
    *,
    n_factors: int = ...,
    n_sectors: int = ...,
    tail: float = ...,
    index_noise: float = ...,
    random_state: int | np.random.RandomState | None = ...,
    return_X_y: bool,
) -> Bunch | tuple[pd.DataFrame, pd.Series]: ...
def make_index_market(
    n_assets: int = 100,
    n_periods: int = 500,
    *,
    n_factors: int = 10,
    n_sectors: int = 8,
    tail: float = 5.0,
    index_noise: float = 0.0,
    random_state: int | np.random.RandomState | None = None,
    return_X_y: bool = False,
) -> Bunch | tuple[pd.DataFrame, pd.Series]:
    """Make daily returns of a market and of its capitalisation-weighted index, with their truth.

    Returns follow a linear factor model; the index holds every asset at a constant weight::

        X[t] = mu + F f[t] + e[t],   Cov(f) = Omega,   Cov(e) = D diagonal
        Sigma = F Omega F' + D
        y[t] = X[t] @ weights + noise[t]

    Parameters
    ----------
    n_assets, n_periods : int, default=100, 500
        Number of assets, all of them in the index, and of daily returns (at most 65 000).
    n_factors : int, default=10
        Number of factors: the market, and others on which the assets of a sector load alike. With
        1 there is the market alone, and sectors do not matter.
    n_sectors : int, default=8
        Number of sectors; of equal size up to one asset. With fewer assets than sectors, some
        sectors have none.
    tail : float, default=5.0
        Degrees of freedom of the Student-t shocks, above 2. The lower, the fatter the tails of
        factors and specific returns; `numpy.inf` gives normal shocks.
    index_noise : float, default=0.0
        Standard deviation per day of a further return of the index that no asset has (with the
        same tails), for an index that cannot be replicated exactly.
    random_state : int, RandomState or None, default=None
        Seed, for the same market each time. The truth does not depend on `n_periods`.
    return_X_y : bool, default=False
        Return `(X, y)` alone, without computing the covariance.

    Returns
    -------
    market : Bunch
        With the attributes

        X : DataFrame of shape (n_periods, n_assets)
            Simple returns per business day from 2000-01-03 of the assets "A0001", "A0002", ...
        y : Series of length n_periods, named "Index"
            Simple returns of the index; exactly `X @ weights` (to rounding) without noise.
        weights : Series of length n_assets
            True index weights, positive, of sum 1; in proportion to lognormal capitalisations.
        sectors : Series of str of length n_assets
            Sector of each asset, "Sector 1", ...
        loadings : DataFrame of shape (n_assets, n_factors)
            F, by the names "Market", "Factor 2", ...
        factor_covariance : DataFrame of shape (n_factors, n_factors)
            Omega, not diagonal, per day.
        specific_variance : Series of length n_assets
            Diagonal of D, per day.
        covariance : DataFrame of shape (n_assets, n_assets)
            Sigma, per day: the population covariance of the rows of X.
        expected_returns : Series of length n_assets
            mu, per day: 5 % a year times the loading on the market.
        DESCR : str
            What was made.
    (X, y) : tuple of DataFrame and Series
        If `return_X_y`.

    Raises
    ------
    TypeError
        If a number is not of the right kind.
    ValueError
        If a number is out of range, or the noise so large that returns could fall below -1.

    Notes
    -----
    Every shock is independent, of mean 0 and variance 1: a Student-t variable given that it lies
    within plus or minus a cut, divided by its standard deviation under that condition. The cut is
    where the worst shocks of all factors and of an asset at once would cost it 95 % of its value.
    So simple returns stay above -1 without any clipping, and mu, Sigma and the variance of y
    (`weights @ covariance @ weights + index_noise**2`) are the exact moments. By default the cut
    lies beyond ten standard deviations. Squared returns are not autocorrelated.

    Weights are constant, as if the index were rebalanced every day. To make an index that holds
    more than can be bought, leave columns of X out: `X.iloc[:, :50]` with the same `y`.

    Examples
    --------
    >>> import numpy as np
    >>> from trackfolio.datasets import make_index_market
    >>> market = make_index_market(n_assets=30, n_periods=250, random_state=0)
    >>> market.X.shape
    (250, 30)
    >>> np.allclose(market.X @ market.weights, market.y, rtol=0, atol=1e-15)
    True
    >>> active = -market.weights + 1 / 30  # equal weights against the index
    >>> annual = np.sqrt(252 * active @ market.covariance @ active)  # ex-ante tracking error
    >>> 0.0 < float(annual) < 0.2
    True
    """
    for name, count in (("n_assets", n_assets), ("n_factors", n_factors), ("n_sectors", n_sectors)):
        _check_count(name, count)
    _check_count("n_periods", n_periods, most=_MOST_PERIODS)
    _check_number("tail", tail, above=2.0, remedy="a variance exists above 2 only; 5 is usual")
    _check_number("index_noise", index_noise, least=0.0, remedy="0.001 is 0.1 % a day")
    if np.isinf(index_noise):
        raise ValueError("index_noise=inf is not finite: 0.001 is 0.1 % a day.")
    rng = check_random_state(random_state)
    truth = _draw_truth(rng, n_assets, n_factors, n_sectors)
    shocks = BoundedStudent.with_bound(float(tail), truth.bound_of_shocks(index_noise))
    X, y = _draw_returns(rng, truth, shocks, n_periods, index_noise)
    if return_X_y:
        return X, y
    description = (
        f"Synthetic market of {n_assets} assets in {n_sectors} sectors over {n_periods} days: "
        f"{n_factors} factors, Student-t shocks with {tail:g} degrees of freedom, cut at "
        f"{shocks.bound:.1f} standard deviations; index noise {index_noise:g} a day."
    )
    return Bunch(X=X, y=y, **truth.as_frames(list(X.columns)), DESCR=description)


@dataclass(frozen=True)
class _Truth:
    """Population of the market; `factor_root` is L in Omega = L L'."""

    weights: Array
    sectors: npt.NDArray[np.int64]
    loadings: Array
    factor_root: Array
    specific_volatility: Array
    expected_returns: Array

    def bound_of_shocks(self, index_noise: float) -> float:
        """Size of shock at which, all coming at once, the worst loss is `_LARGEST_LOSS`."""
        reach = np.abs(self.loadings @ self.factor_root).sum(axis=1) + self.specific_volatility
        most = reach.max() + index_noise
        bound = float(_LARGEST_LOSS * (1.0 + self.expected_returns.min()) / most)
        if bound < _LEAST_BOUND:
            raise ValueError(
                f"index_noise={index_noise:g} and n_factors={self.loadings.shape[1]} are so large "
                f"that shocks of {bound:.2g} standard deviations could take a return below -1; "
                f"fat tails need {_LEAST_BOUND:g}: lower one of them (0.001 is 0.1 % a day)."
            )
        return bound

    def as_frames(self, names: list[str]) -> dict[str, Any]:
        """All of it by name, as the Bunch holds it."""
        n_factors = self.loadings.shape[1]
        factors = ["Market", *(f"Factor {k}" for k in range(2, n_factors + 1))]
        omega = self.factor_root @ self.factor_root.T
        variance = self.specific_volatility**2
        sigma = self.loadings @ omega @ self.loadings.T
        sigma = (sigma + sigma.T) / 2.0  # symmetric to the last bit
        sigma[np.diag_indices_from(sigma)] += variance
        sectors = [f"Sector {sector + 1}" for sector in self.sectors]
        return {
            "weights": pd.Series(self.weights, index=names, name="weight"),
            "sectors": pd.Series(sectors, index=names, name="sector"),
            "loadings": pd.DataFrame(self.loadings, index=names, columns=factors),
            "factor_covariance": pd.DataFrame(omega, index=factors, columns=factors),
            "specific_variance": pd.Series(variance, index=names, name="specific_variance"),
            "covariance": pd.DataFrame(sigma, index=names, columns=names),
            "expected_returns": pd.Series(self.expected_returns, index=names, name="expected_return"),
        }


def _draw_truth(rng: np.random.RandomState, n_assets: int, n_factors: int, n_sectors: int) -> _Truth:
    caps = np.exp(_LOG_CAP_SPREAD * rng.standard_normal(n_assets))
    sectors = rng.permutation(n_assets) % n_sectors
    # Uniform laws, so that the worst case, hence the cut of the shocks, stays moderate.
    centres = rng.uniform(-1.0, 1.0, size=(n_sectors, n_factors))
    loadings = centres[sectors] + rng.uniform(-0.5, 0.5, size=(n_assets, n_factors))
    loadings[:, 0] = rng.uniform(0.6, 1.4, size=n_assets)
    specific = rng.uniform(0.15, 0.35, size=n_assets)
    volatility = np.full(n_factors, _OTHER_VOLATILITY / np.sqrt(max(n_factors - 1, 1)))
    volatility[0] = _MARKET_VOLATILITY
    correlation = np.full((n_factors, n_factors), _FACTOR_CORRELATION)
    np.fill_diagonal(correlation, 1.0)
    root = np.linalg.cholesky(correlation) * volatility[:, None]
    return _Truth(
        weights=caps / caps.sum(),
        sectors=sectors,
        loadings=loadings,
        factor_root=root / np.sqrt(_DAYS_A_YEAR),
        specific_volatility=specific / np.sqrt(_DAYS_A_YEAR),
        expected_returns=loadings[:, 0] * _MARKET_PREMIUM / _DAYS_A_YEAR,
    )


def _draw_returns(
    rng: np.random.RandomState,
    truth: _Truth,
    shocks: BoundedStudent,
    n_periods: int,
    index_noise: float,
) -> tuple[pd.DataFrame, pd.Series]:
    n_assets, n_factors = truth.loadings.shape
    factors = shocks.draw(rng, (n_periods, n_factors)) @ truth.factor_root.T
    X = shocks.draw(rng, (n_periods, n_assets))
    X *= truth.specific_volatility
    X += factors @ truth.loadings.T
    X += truth.expected_returns
    y = X @ truth.weights + index_noise * shocks.draw(rng, (n_periods,))
    days = pd.date_range(_FIRST_DAY, periods=n_periods, freq="B", name="Date")
    width = max(4, len(str(n_assets)))
    names = [f"A{i:0{width}d}" for i in range(1, n_assets + 1)]
    return pd.DataFrame(X, index=days, columns=names), pd.Series(y, index=days, name="Index")


def _check_count(name: str, value: object, most: int | None = None) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name}={value!r} is not an int: pass a whole number such as 10.")
    if int(value) < 1 or (most is not None and int(value) > most):
        limit = "at least 1" if most is None else f"from 1 to {most}"
        raise ValueError(f"{name}={value!r} is out of range: pass a whole number {limit}.")


def _check_number(name: str, value: object, *, remedy: str, above: float = -np.inf, least: float = -np.inf) -> None:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name}={value!r} is not a number: {remedy}.")
    # Written so that NaN fails as well.
    if not (float(value) > above and float(value) >= least):
        limit = f"above {above:g}" if np.isfinite(above) else f"at least {least:g}"
        raise ValueError(f"{name}={value!r} must be {limit}: {remedy}.")

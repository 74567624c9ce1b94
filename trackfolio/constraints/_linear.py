"""Linear limits."""

from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from trackfolio._constraint import Constraint, Rows
from trackfolio._validation import finite_per_asset, limit, per_asset, unknown_name


class LinearConstraint(Constraint):
    """Linear limits ``lower <= A @ w <= upper``.

    Parameters
    ----------
    A : array-like of shape (n_assets,) or (n_rows, n_assets), or DataFrame with the assets as columns
        Coefficients; the columns of a DataFrame are matched by name and must name every asset.
    lower, upper : float or array-like of shape (n_rows,), default=-inf and inf
        Limits of each row; equal ones make an equality.

    Raises
    ------
    ValueError
        From `fit`, for names that are no assets, assets left out, wrong shapes, and rows without a finite limit.
    InfeasibleError
        From `fit`, for a lower limit above the upper one.

    Examples
    --------
    >>> from trackfolio.constraints import LinearConstraint
    >>> pairs = LinearConstraint([[1, -1, 0]], lower=0)  # at least as much of the first as of the second
    """

    by_asset = ("A",)

    def __init__(self, A: Any, lower: Any = -np.inf, upper: Any = np.inf) -> None:
        self.A = A
        self.lower = lower
        self.upper = upper

    def rows(self, problem: Any) -> Rows:
        """Linear limits."""
        A = self.A
        if isinstance(A, pd.DataFrame):
            A = A.rename(columns=str)
            for name in A.columns:
                if str(name) not in problem.names:
                    raise unknown_name("LinearConstraint.A", name, problem.names)
            missing = [name for name in problem.names if name not in A.columns]
            if missing:
                raise ValueError(
                    f"LinearConstraint.A leaves out the assets {missing[:5]}; give them a column, 0 where "
                    "they do not count."
                )
            A = A[list(problem.names)].to_numpy()
        return Rows(A, self.lower, self.upper)


class Exposure(Constraint):
    r"""Limits on a weighted sum of the weights: a factor, duration, yield, carbon, ...

    .. math::

        lower \le \sum_i x_i w_i \le upper, \qquad\text{active: } lower \le \sum_i x_i (w_i - w_{b,i}) \le upper

    Parameters
    ----------
    values : array-like of shape (n_assets,), dict or Series by asset name
        Exposure of each asset, in any unit; every asset needs one.
    lower, upper : float, default=-inf and inf
        Limits in the unit of `values`. Equal ones match the exposure exactly.
    active : bool, default=False
        Limit the exposure of the active weights; needs `benchmark_weights`.

    Raises
    ------
    ValueError
        From `fit`, for values that are not finite or not one for each asset, without a finite limit, and for
        ``active=True`` without `benchmark_weights`.
    InfeasibleError
        From `fit`, for a lower limit above the upper one.

    Examples
    --------
    Duration as that of the benchmark:

    >>> from trackfolio.constraints import Exposure
    >>> matched = Exposure([2.0, 5.0, 9.0], lower=0, upper=0, active=True)
    """

    by_asset = ("values",)

    def __init__(self, values: Any, lower: float = -np.inf, upper: float = np.inf, active: bool = False) -> None:
        self.values = values
        self.lower = lower
        self.upper = upper
        self.active = active

    def rows(self, problem: Any) -> Rows:
        """Linear limits."""
        x = finite_per_asset(self.values, problem.names, "Exposure.values")
        of_benchmark = float(x @ problem.require_benchmark_weights("Exposure(active=True)")) if self.active else 0.0
        lower, upper = limit(self.lower, "Exposure.lower", -np.inf), limit(self.upper, "Exposure.upper", np.inf)
        return Rows(x[None, :], lower + of_benchmark, upper + of_benchmark)


class ActiveBounds(Constraint):
    r"""Limits on each active weight; needs `benchmark_weights`.

    .. math:: lower_i \le w_i - w_{b,i} \le upper_i

    Parameters
    ----------
    lower, upper : float, array-like of shape (n_assets,), dict or Series by asset name, default=-inf and inf
        Limits of the active weights; an asset that a dict leaves out has none.

    Raises
    ------
    ValueError
        From `fit`, without `benchmark_weights` or without a finite limit.
    InfeasibleError
        From `fit`, for a lower limit above the upper one.

    Examples
    --------
    >>> from trackfolio.constraints import ActiveBounds
    >>> within_two_percent = ActiveBounds(-0.02, 0.02)
    """

    by_asset = ("lower", "upper")

    def __init__(self, lower: Any = -np.inf, upper: Any = np.inf) -> None:
        self.lower = lower
        self.upper = upper

    def rows(self, problem: Any) -> Rows:
        """Linear limits, one row an asset."""
        benchmark = problem.require_benchmark_weights("ActiveBounds")
        lower = per_asset(self.lower, problem.names, "ActiveBounds.lower", default=-np.inf)
        upper = per_asset(self.upper, problem.names, "ActiveBounds.upper", default=np.inf)
        return Rows(sp.eye_array(len(benchmark), format="csr"), benchmark + lower, benchmark + upper)


class BetaBounds(Constraint):
    r"""Limits on the beta of the portfolio to its benchmark, in the sample that is fitted.

    .. math:: lower \le \frac{cov(Xw, y)}{var(y)} = \sum_i w_i \beta_i \le upper

    An active manager who seeks an excess return at the least tracking error ends up with a portfolio of more risk
    than the benchmark, with a beta above 1 as a rule [1]_; a band on beta mends that. Assets of which the benchmark
    explains nothing but rounding, such as cash, have a beta of 0.

    Parameters
    ----------
    lower, upper : float, default=-inf and inf
        Limits of beta, which has no unit; equal ones fix it.

    Raises
    ------
    ValueError
        From `fit`, without a benchmark or with a constant one, for a covariance in place of returns, and without a
        finite limit.
    InfeasibleError
        From `fit`, for a lower limit above the upper one.

    References
    ----------
    .. [1] Roll (1992), A mean/variance analysis of tracking error, Journal of Portfolio Management 18.

    Examples
    --------
    >>> from trackfolio.constraints import BetaBounds
    >>> neutral = BetaBounds(1, 1)
    """

    def __init__(self, lower: float = -np.inf, upper: float = np.inf) -> None:
        self.lower = lower
        self.upper = upper

    def rows(self, problem: Any) -> Rows:
        """Linear limits: one row of the betas of the assets."""
        active = problem.require_active("BetaBounds")
        if active.y is None and active.moments is None:
            raise ValueError(
                "BetaBounds needs returns; with covariance='precomputed' use Exposure(betas, lower, upper)."
            )
        betas = active.betas
        if betas is None:
            raise ValueError("BetaBounds is not defined: the benchmark's return is constant.")
        return Rows(
            betas[None, :],
            limit(self.lower, "BetaBounds.lower", -np.inf),
            limit(self.upper, "BetaBounds.upper", np.inf),
        )

"""Risks as sums of one-dimensional pieces, the form that the interior-point method takes apart period by period."""

from dataclasses import dataclass
from typing import Literal

from trackfolio._validation import Array


@dataclass(frozen=True)
class Shape:
    r"""Sum of the largest of :math:`\pi\xi - \tfrac12\rho\pi^2` over slopes π in an interval, one for each period.

    A shortfall :math:`a\xi^+` has slopes 0 to a, an absolute value -a to a, a square on one side :math:`a(\xi^+)^2`
    slopes from 0 up and the curvature ρ = 1/2a, a limit :math:`\xi \le 0` slopes from 0 up and none.

    Parameters
    ----------
    lower, upper : ndarray of shape (n_arguments,)
        Intervals of the slopes. Arguments with an interval of length 0 do not count; the other upper ends are all
        finite or all infinite.
    curvature : ndarray of shape (n_arguments,) or None
        ρ, of each argument; None for 0.
    sign : float
        Arguments are ``sign * returns - offset``, less the free scalar.
    offset : float
        Subtracted from each argument.
    free : float or None
        Price of a scalar that is subtracted from each argument, and over which the sum is minimised: the threshold of
        a tail. None for no such scalar.
    centre : ndarray of shape (n_periods,) or None
        Shares with which the mean is taken that is subtracted from each return.
    of : {"returns", "pairs", "drawdowns"}
        What the arguments are: returns; differences of all pairs of returns (first less second, in the order of
        `numpy.triu_indices`); or minus the drawdowns of their path.
    is_root : bool
        The risk is the root of the sum.
    """

    lower: Array
    upper: Array
    curvature: Array | None = None
    sign: float = -1.0
    offset: float = 0.0
    free: float | None = None
    centre: Array | None = None
    of: Literal["returns", "pairs", "drawdowns"] = "returns"
    is_root: bool = False

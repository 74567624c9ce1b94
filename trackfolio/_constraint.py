"""The base of all constraints, and what they say of themselves."""

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from trackfolio._terms import Term, offers
from trackfolio.exceptions import InfeasibleError


class Rows(NamedTuple):
    """Linear limits ``lower <= A @ w <= upper``: what `Constraint.rows` returns.

    Attributes
    ----------
    A : array-like or sparse matrix of shape (n_rows, n_assets)
        Coefficients.
    lower, upper : float or array-like of shape (n_rows,)
        Limits of each row; equal ones make an equation, infinite ones are none.

    Examples
    --------
    At most half of the portfolio in the first two assets of three:

    >>> import numpy as np
    >>> from trackfolio.constraints import Rows
    >>> Rows(np.array([[1, 1, 0]]), -np.inf, 0.5)
    Rows(A=array([[1, 1, 0]]), lower=-inf, upper=0.5)
    """

    A: Any
    lower: Any
    upper: Any


#: What a constraint can be; each defines exactly one of these methods.
KINDS = ("rows", "limits", "constraints", "holdings")


def kinds_of(constraint: object) -> list[str]:
    """Which of `KINDS` a constraint defines."""
    return [kind for kind in KINDS if offers(constraint, kind)]


def names_of_rows(term: Any, assets: list[str]) -> list[str]:
    """What a term calls its rows, its groups, where it has names for them; else nothing."""
    return list(term.row_labels(assets)) if offers(term, "row_labels") else []


class Constraint(Term):
    """Base of all constraints.

    Subclasses give exactly one of

    * ``rows(problem) -> Rows``: linear limits, which every solver takes;
    * ``limits(problem) -> list of Limit``: limits on sums of the convex functions that the library knows (a risk, a
      weighted sum of absolute values, ...), for which proofs exist; `Rows` where they turn out to be linear;
    * ``constraints(problem, w) -> list``: cvxpy constraints on the cvxpy variable `w`; the general solver takes them,
      or the mixed-integer solver where `is_discrete` says that they hold integer variables;
    * ``holdings(problem) -> list of HeldLimit``: limits on how many assets are held.

    Attributes
    ----------
    is_discrete : bool
        Whether ``constraints`` uses integer variables. Such a term also gives ``violation(problem, w)``, the largest
        weight that breaks it, and ``decided(problem, w) -> Rows``, what is left of it with the integers as at w.

    Examples
    --------
    A constraint of one's own, the sum of squared weights (the Herfindahl index) of at most 0.1:

    >>> import cvxpy as cp
    >>> from trackfolio.constraints import Constraint
    >>> class MaxConcentration(Constraint):
    ...     def __init__(self, limit):
    ...         self.limit = limit
    ...     def constraints(self, problem, w):
    ...         return [cp.sum_squares(w) <= self.limit]
    """

    is_discrete: bool = False


class GivenLimits(Constraint):
    """Limits as they are given."""

    def __init__(self, given: Any) -> None:
        self.given = given

    def limits(self, problem: Any) -> Any:
        """The limits."""
        return self.given


def shaped_rows(rows: Any, name: str, n_assets: int) -> Rows:
    """Rows as arrays of matching shapes, or an error that names the constraint."""
    A, lower, upper = rows
    try:
        A = sp.csr_array(A, dtype=np.float64) if sp.issparse(A) else np.atleast_2d(np.asarray(A, dtype=np.float64))
        lower, upper = np.asarray(lower, dtype=np.float64), np.asarray(upper, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: coefficients and limits must be numbers ({error}).") from error
    if A.ndim != 2 or A.shape[1] != n_assets:
        raise ValueError(f"{name}: A has shape {A.shape}, but there are {n_assets} assets (columns).")
    if not np.isfinite(A.data if sp.issparse(A) else A).all():
        raise ValueError(f"{name}: a coefficient is NaN or infinite.")
    sides = []
    for side, limit in (("lower", lower), ("upper", upper)):
        if limit.ndim > 1 or (limit.ndim == 1 and limit.shape[0] != A.shape[0]):
            raise ValueError(
                f"{name}: {side} has shape {limit.shape}, expected one number, or one for each of the "
                f"{A.shape[0]} rows."
            )
        if np.isnan(limit).any() or (limit == (np.inf if side == "lower" else -np.inf)).any():
            raise ValueError(f"{name}: {side} is NaN or an infinity that nothing can reach: {limit}.")
        sides.append(np.broadcast_to(limit, (A.shape[0],)).copy())
    return Rows(A, *sides)


def checked_rows(rows: Any, name: str, n_assets: int) -> Rows:
    """Rows whose limits can be kept one by one, and that have some."""
    A, lower, upper = shaped_rows(rows, name, n_assets)
    if (lower > upper).any():
        k = int(np.flatnonzero(lower > upper)[0])
        raise InfeasibleError(f"{name}: lower limit {lower[k]:.10g} is above upper limit {upper[k]:.10g} (row {k}).")
    if not (np.isfinite(lower) | np.isfinite(upper)).any():
        raise ValueError(f"{name} has no finite limit; it would have no effect. Give lower or upper.")
    return Rows(A, lower, upper)

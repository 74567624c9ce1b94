"""What all risk measures share, and the five roles that follow from one definition."""

import inspect
import warnings
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trackfolio._constraint import Constraint
from trackfolio._functions import Limit, Minorant, RiskOf, Written
from trackfolio._position import CvxpyWeights, Position
from trackfolio._quadratic import mean_diagonal
from trackfolio._shape import Shape
from trackfolio._terms import Term, offers
from trackfolio._validation import Array, check_same_index, limit


class Risk(Term):
    """Base of all risk measures: a convex function of a series of returns, in units per period.

    Subclasses give ``expression(returns, sample_weight=None)``. Optional, for proofs and for speed:

    * ``value(returns, sample_weight=None)``, the definition in numpy;
    * ``gradient(returns, sample_weight=None)``, with respect to the returns, for risks without kinks: with it, every
      solution carries a proven lower bound;
    * ``support(pull, sample_weight=None)``, for risks with kinks that are the largest of affine functions of the
      returns: the pair (slope, constant) of such a function, with a slope close to `pull`. The solver's multipliers
      come in as `pull`; whatever they are, ``slope @ returns + constant`` must nowhere exceed the risk;
    * ``shape(n_periods, sample_weight=None)``, the risk as a sum of one-dimensional pieces of the returns, for the
      interior-point method;
    * ``quadratic(position)``, the risk as a quadratic form of the weights (its square, if ``is_root``), for quadratic
      solvers.

    Examples
    --------
    A risk of one's own, half of the largest loss:

    >>> import cvxpy as cp
    >>> from trackfolio.risks import Risk
    >>> class HalfWorst(Risk):
    ...     def expression(self, returns, sample_weight=None):
    ...         return cp.max(-returns) / 2
    >>> float(HalfWorst().value([0.01, -0.04, 0.02]))
    0.02
    """

    #: The risk is the square root of `quadratic`, not the form itself.
    is_root = False
    #: No value of the risk is below this one.
    least_value = -np.inf
    #: Power by which the risk grows with the returns: ``value(c * r) == c**degree * value(r)``; None where none does.
    degree: float | None = None
    #: The order of the periods matters, and the risk is of all of them rather than per period.
    of_path = False

    @abstractmethod
    def expression(self, returns: Any, sample_weight: Array | None = None) -> Any:
        """Risk of a cvxpy expression.

        Parameters
        ----------
        returns : cvxpy expression of shape (n_periods,)
            Simple returns per period.
        sample_weight : ndarray of shape (n_periods,), optional
            Repetitions of each period.

        Returns
        -------
        cvxpy expression, or tuple
            A convex expression; or a pair of one with a list of constraints on auxiliary variables, over which the
            expression is minimised. A third element may name the constraint, of the form ``... >= -returns`` (or a cone
            whose first entry is minus the returns), the multipliers of which are minus the `pull` that `support` wants.
        """

    def value(self, returns: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
        """Risk of realised returns.

        Parameters
        ----------
        returns : array-like of shape (n_periods,)
            Simple returns per period.
        sample_weight : array-like of shape (n_periods,), optional
            Repetitions of each period: weight 2 is the period twice.

        Returns
        -------
        float
            Risk per period.
        """
        import cvxpy as cp

        constant = cp.Constant(np.asarray(returns, dtype=np.float64))
        return evaluated(call_weighted(self.expression, constant, as_weights(sample_weight)))

    def __le__(self, limit: float) -> "RiskLimit":
        """Limit on the risk of the portfolio's own returns."""
        return RiskLimit(self, limit)

    def __ge__(self, limit: float) -> "RiskLimit":
        """Refused: not convex."""
        raise TypeError(f"A risk can only be limited from above: write {type(self).__name__}(...) <= limit.")

    __lt__ = __gt__ = __ge__

    def scorer(self, *, active: bool = False) -> "RiskScorer":
        """Scorer for scikit-learn's model selection: minus the risk of the predicted portfolio, higher is better.

        Parameters
        ----------
        active : bool, default=False
            Of the active returns: those of the portfolio less y, or less its benchmark's by weights where y is None.

        Returns
        -------
        callable
            ``scorer(estimator, X, y=None, sample_weight=None)``.
        """
        return RiskScorer(self, active)

    @property
    def label(self) -> str:
        """What tables call the risk."""
        return spoken(type(self).__name__)

    # What solvers and certificates see: the risk of a position, as a function of the weights.

    def at(self, position: Position, w: Array) -> float:
        """Risk of a position at given weights.

        Parameters
        ----------
        position : Position
            Whose returns: the portfolio's own, or those against its benchmark.
        w : ndarray of shape (n_assets,)
            Weights.

        Returns
        -------
        float
            Risk, per period.
        """
        return float(call_weighted(self.value, position.returns(w), position.sample_weight))

    @property
    def is_provable(self) -> bool:
        """Whether `minorant_at` can be called: the risk offers `gradient`, `support` or `quadratic`."""
        return any(offers(self, method) for method in ("gradient", "support", "quadratic"))

    def minorant_at(self, position: Position, w: Array, pull: Array | None = None) -> Minorant:
        """Affine function of the weights below the risk of a position, touching it at w as nearly as `pull` allows.

        Parameters
        ----------
        position : Position
            Whose returns.
        w : ndarray of shape (n_assets,)
            Weights.
        pull : ndarray of shape (n_periods,), optional
            Multipliers of the returns that a solver found.

        Returns
        -------
        Minorant
            Slope, and value at w.
        """
        if offers(self, "quadratic"):
            return self._minorant_of_form(position, w, pull)
        returns, s = position.returns(w), position.sample_weight
        if offers(self, "support"):
            pull = np.zeros(len(returns)) if pull is None or not np.isfinite(pull).all() else pull
            slope, constant = call_weighted(self.support, pull, s)
            return Minorant(position.pull_back(slope), float(slope @ returns + constant))
        own = self.gradient  # optional: see is_provable
        return Minorant(position.pull_back(call_weighted(own, returns, s)), self.at(position, w))

    def _minorant_of_form(self, position: Position, w: Array, pull: Array | None) -> Minorant:
        if pull is not None and np.isfinite(pull).all():
            # ||z|| is the largest of v'z with ||v|| <= 1, and ||z||² of v'z - ||v||²/4; z = Rw - r.
            R, r = self.quadratic(position).root()
            v = pull / max(1.0, float(np.linalg.norm(pull))) if self.is_root else pull
            constant = 0.0 if self.is_root else float(v @ v) / 4
            return Minorant(v @ R, float(v @ (R @ w - r)) - constant)
        gradient, value = self.quadratic(position).gradient(w), self.at(position, w)
        if self.is_root:
            # Where the root of a form is 0 it has a kink, and 0 is a subgradient.
            gradient = gradient / (2 * value) if value > 0 else np.zeros(position.n_assets)
        return Minorant(gradient, value)

    def shape_at(self, position: Position) -> Shape:
        """The risk of a position as a sum of pieces of its returns.

        Parameters
        ----------
        position : Position
            Whose returns.

        Returns
        -------
        Shape
            What `InteriorPoint` takes.
        """
        own = self.shape  # optional, like `gradient`
        shape: Shape = call_weighted(own, len(position.rows), position.sample_weight)
        return shape

    def write_at(self, position: Position, weights: CvxpyWeights) -> Written:
        """Risk of a position in cvxpy, as a function of the weights.

        Quadratic forms become cones of N + 1 rows, however many periods there are. Risks that offer `support` get
        returns in units of typical ones, for which solvers need half of the iterations, and where they name no
        constraint of their own, a variable for them: the multipliers of its link are what `support` asks for.

        Parameters
        ----------
        position : Position
            Whose returns.
        weights : CvxpyWeights
            Variable of the weights, and their unit.

        Returns
        -------
        Written
            Convex expression, its constraints, and the link between the weights and the returns.
        """
        import cvxpy as cp

        if offers(self, "quadratic"):
            # Divided first: coefficients near 1 are what solvers see.
            form = self.quadratic(position)
            unit = np.sqrt(mean_diagonal(form, weights.size) or 1.0)
            R, r = (part / unit for part in form.root())
            z = cp.Variable(len(r))
            link = z == R @ weights.w - r
            return Written(unit * cp.norm(z) if self.is_root else unit**2 * cp.sum_squares(z), [link], link, unit)
        if not offers(self, "support"):
            written = parts(call_weighted(self.expression, position.expression(weights), position.sample_weight))
            return Written(*written[:2])
        unit = position.return_unit * weights.size
        own, factor = (1.0, 1.0) if self.degree is None else (unit, unit**self.degree)
        inner = position.expression(weights, own)
        expression, constraints, link = parts(call_weighted(self.expression, inner, position.sample_weight))
        if link is not None:
            return Written(factor * expression, constraints, link, own)
        returns = cp.Variable(len(position.rows))
        link = returns == position.expression(weights, unit)
        inner = unit / own * returns
        expression, constraints, _ = parts(call_weighted(self.expression, inner, position.sample_weight))
        return Written(factor * expression, [*constraints, link], link, unit)

    def scale(self, position: Position, size: float = 1.0) -> float:
        """Size of typical values, by which problems are scaled and gaps are measured: the risk at equal weights.

        Parameters
        ----------
        position : Position
            Whose returns.
        size : float, default=1.0
            Sum of the equal weights.

        Returns
        -------
        float
            Risk, per period. Where it is 0 by chance, a hundredth of the returns' size counts.
        """
        at_equal = abs(self.at(position, np.full(position.n_assets, size / position.n_assets)))
        least = 0.0 if self.degree is None else 1e-2 * (position.return_unit * size) ** self.degree
        return max(at_equal, float(least))


def call_weighted(method: Any, argument: Any, sample_weight: Array | None) -> Any:
    """Call a method of a risk, with sample weights only if there are any, and refuse them by name if it takes none."""
    if sample_weight is None:
        return method(argument)
    if "sample_weight" not in inspect.signature(method).parameters:
        owner = method.__self__
        why = ": the periods form a path, which cannot repeat one of them" if owner.of_path else ""
        raise ValueError(f"sample_weight was given, but {type(owner).__name__} does not take it{why}.")
    return method(argument, sample_weight=sample_weight)


def as_weights(sample_weight: npt.ArrayLike | None) -> Array | None:
    """Sample weights as an array, if there are any."""
    return None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)


def parts(written: Any) -> tuple[Any, list[Any], Any]:
    """Expression, constraints, and the one through which the returns enter, of what `Risk.expression` returns."""
    if not isinstance(written, tuple):
        return written, [], None
    expression, constraints, *link = written
    return expression, list(constraints), link[0] if link else None


def evaluated(written: Any) -> float:
    """Value of what `Risk.expression` returns at constants, by minimising over auxiliary variables."""
    import cvxpy as cp

    expression, constraints, _ = parts(written)
    if not constraints:
        return float(expression.value)
    program = cp.Problem(cp.Minimize(expression), constraints)
    with warnings.catch_warnings():
        # Clarabel may stop short of these tolerances, and is right to the digits that are asked of it.
        warnings.filterwarnings("ignore", "Solution may be inaccurate", UserWarning)
        return float(program.solve(solver=cp.CLARABEL, tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10))


def spoken(name: str) -> str:
    """Class name as words: MaxDrawdown is "max drawdown"."""
    return "".join(f" {c.lower()}" if c.isupper() else c for c in name).strip().replace("semi ", "semi-")


@dataclass(frozen=True)
class RiskScorer:
    """Minus the risk of the returns that an estimator predicts."""

    risk: Risk
    active: bool

    def __call__(self, estimator: Any, X: Any, y: Any = None, sample_weight: npt.ArrayLike | None = None) -> float:
        """Score a fitted estimator on new data."""
        portfolio = estimator.predict(X)
        returns = np.asarray(portfolio)
        if self.active:
            benchmark = portfolio.benchmark if y is None else y
            if benchmark is None:
                raise ValueError("A score of active returns needs y, or an estimator with benchmark_weights.")
            check_same_index(X, y)
            returns = returns - np.asarray(benchmark, dtype=np.float64)
        return -float(call_weighted(self.risk.value, returns, as_weights(sample_weight)))


class RiskLimit(Constraint):
    r"""Limit on a risk: of the portfolio's own returns, or of the active returns; ``CVaR(0.99) <= 0.02`` makes one.

    .. math:: \rho(Xw) \le limit, \qquad\text{active: } \rho(Xw - y) \le limit

    Formula and source of the risk stand in its class: see :mod:`trackfolio.risks`.

    Parameters
    ----------
    risk : Risk
        Risk that is limited.
    limit : float
        Largest value, in the units of the risk: of returns or of squared returns, per period.
    active : bool, default=False
        Limit the risk of the active returns (portfolio less benchmark); needs a benchmark.

    Raises
    ------
    TypeError
        From `fit`, for what is no risk.
    ValueError
        From `fit`, for a limit that is not finite or below every value of the risk, and without a benchmark where one
        is needed.

    Examples
    --------
    >>> from trackfolio.constraints import RiskLimit
    >>> from trackfolio.risks import StandardDeviation
    >>> RiskLimit(StandardDeviation(), 0.003, active=True)
    RiskLimit(active=True, limit=0.003, risk=StandardDeviation())
    """

    def __init__(self, risk: Risk, limit: float, active: bool = False) -> None:
        self.risk = risk
        self.limit = limit
        self.active = active

    @property
    def term_name(self) -> str:
        """Name under which the limit stands in a list: that of its risk."""
        return getattr(self.risk, "term_name", super().term_name)

    def limits(self, problem: Any) -> list[Limit]:
        """The limit as data."""
        if not isinstance(self.risk, Risk):
            raise TypeError(f"RiskLimit.risk must be a risk such as trackfolio.risks.CVaR(0.95), got {self.risk!r}.")
        name = type(self.risk).__name__
        bound = limit(self.limit, f"The limit of {name}", np.inf)
        if not np.isfinite(bound):
            raise ValueError(f"The limit of {name} is {self.limit!r}; it would have no effect. Give a finite number.")
        if bound < self.risk.least_value:
            least = self.risk.least_value
            raise ValueError(f"The limit of {name} is {bound:g}, but no value of it is below {least:g}.")
        position = problem.require_active(f"RiskLimit({name}, active=True)") if self.active else problem.portfolio
        return [Limit([(1.0, RiskOf(self.risk, position))], bound)]

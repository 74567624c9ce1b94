"""What contradicts a claim: the textbook form of a case in cvxpy, solved by HiGHS, Clarabel or SCIP."""

import warnings
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO

import cvxpy as cp
import numpy as np

from . import facts

#: Room below which limits neither hold nor fail, in units of the weights and of the limits.
BAND, BAND_OF_INTEGERS = 1e-8, 1e-6
_TIGHT = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-10)
_MOST = 8000  # variables
_USABLE = ("optimal", "optimal_inaccurate")


def contradicts_itself(case):
    """True where limits fail by more than the band, False where they hold with room, None on the border."""
    slack, status = _least_slack(case, fixed=False)
    band = BAND_OF_INTEGERS if case.discrete else BAND
    if status == "infeasible" or (slack is not None and slack > band):
        return True
    if slack is not None and slack < -band:
        return False
    # Equations leave no room: the other limits may.
    slack, _ = _least_slack(case, fixed=True)
    return False if slack is not None and slack < -band else None


def _least_slack(case, *, fixed):
    """By how much all limits would have to give way at least; `fixed` ones are equations."""
    u, t = cp.Variable(len(case.inside)), cp.Variable()
    return _solved(cp.Problem(cp.Minimize(t), [t >= -1, *_limits(case, u, t, fixed=fixed)]))


def _limits(case, u, slack, *, fixed=False):
    size, parts = case.size, []
    own = [facts.Rows("budget", np.ones(len(case.inside)), *case.budget)]
    own += [facts.Rows("bounds", np.eye(len(case.inside)), case.lower, case.upper)]
    for fact in [*own, *case.convex]:
        if fixed and isinstance(fact, facts.Rows):
            A, lower, upper = fact._parts()
            equal = lower == upper
            if equal.any():
                parts.append(A[equal] @ u == lower[equal] / size)
            if not equal.all():
                rest = facts.Rows(fact.name, A[~equal], lower[~equal], upper[~equal])
                parts += rest.written(u, size, slack)
        else:
            parts += fact.written(u, size, slack)
    for fact in case.discrete:
        parts += fact.written(u, size, slack, case.lower, case.upper)
    return parts


def least_value(case):
    """The least objective, that of a ratio apart."""
    return _least(case, [*case.losses, *([(case.goal.risk_weight, case.risk)] if case.goal.risk_weight else [])])


def _least(case, parts, far=None):
    u = cp.Variable(len(case.inside))
    total, constraints = facts.total_of(parts, u, case.size)
    unit = _unit(case, parts)
    box = [] if far is None else [u <= far, u >= -far]
    program = cp.Problem(cp.Minimize(total * (case.size / unit)), [*_limits(case, u, 0.0), *constraints, *box])
    value, status = _solved(program)
    if status in ("unbounded", "unbounded_inaccurate"):
        return -np.inf
    return None if value is None else value * unit


def _unit(case, parts):
    equal = np.full(len(case.inside), case.size / len(case.inside))
    sizes = (part.scale(case.size) if isinstance(part, facts.OfRisk) else part.value(equal) for _, part in parts)
    return sum(abs(c * size) for (c, _), size in zip(parts, sizes, strict=True)) or 1.0


def is_unbounded(case, ratio=None):
    """Whether the least objective falls without end in larger and larger boxes.

    Of a ratio, what is lost at one; without one, the risk alone, which comes first.
    """
    if np.isfinite([case.lower, case.upper]).all():
        return False
    weight = (ratio or 1.0) if case.is_ratio else case.goal.risk_weight
    losses = [] if case.is_ratio and ratio is None else case.losses
    parts = [*losses, *([(weight, case.risk)] if weight else [])]
    if _least(case, parts) == -np.inf:
        return True
    values = [_least(case, parts, far) for far in (1e2, 1e3, 1e4)]
    if None in values:
        return None
    first, second = np.diff(values)
    return bool(second < 5 * first < 0) or _goes_far(case, parts, values[-1])


def _goes_far(case, parts, near):
    """Whether weights out of all boxes are clearly better than those in one.

    They are found in coordinates in which all returns are of one size, however small those of some weights are.
    """
    X = case.risk.X
    _, sizes, directions = np.linalg.svd(X, full_matrices=True)
    sizes = np.pad(sizes, (0, X.shape[1] - len(sizes))) / (sizes.max() or 1.0)
    u = directions.T / np.maximum(sizes, 1e-13) @ cp.Variable(X.shape[1])
    total, constraints = facts.total_of(parts, u, case.size)
    unit = _unit(case, parts)
    value, _ = _solved(cp.Problem(cp.Minimize(total * (case.size / unit)), [*_limits(case, u, 0.0), *constraints]))
    if value is None:
        return False
    w = case.size * u.value
    return bool(case.violation(w) <= 1e-7 and sum(c * part.value(w) for c, part in parts) < near - 1e-3 * unit)


def has_no_ratio(case):
    """Whether the least risk is 0, or no portfolio gains anything; None on the border."""
    scale = case.risk.scale(case.size)
    # On the border of limits as within them: where these fail, there is no ratio either.
    if case.violation(case.inside) <= 10 * BAND and case.risk.value(case.inside) <= 1e-9 * scale:
        return True
    risk, losses = _least(case, [(1.0, case.risk)]), _least(case, case.losses)
    if losses is None:  # where linear limits alone leave no gain, there is none
        losses = _least(
            replace(case, limits=[fact for fact in case.limits if isinstance(fact, facts.Rows)]), case.losses
        )
        losses = losses if losses is not None and losses > 0 else None
    # Cones within SCIP are right to the root of its tolerance.
    if risk is not None and risk <= (1e-3 if case.discrete else 1e-6) * scale:
        return True
    unit = _unit(case, case.losses)
    if losses is not None and losses >= -1e-7 * unit:
        return True
    return None if losses is None or risk is None else False


def beats_ratio(case, value):
    """Whether some portfolio has a ratio that is larger by a hundred-thousandth."""
    ratio = -value * (1 + 1e-5)
    least = _least(case, [(ratio, case.risk), *case.losses])
    return None if least is None else bool(least < -1e-6 * ratio * case.risk.scale(case.size))


def _solved(program):
    """Value and status; none of a program that is too large for an oracle."""
    if program.size_metrics.num_scalar_variables > _MOST:
        return None, "too large"
    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")
        try:
            if program.is_mixed_integer():
                program.solve(solver=cp.SCIP, scip_params={"limits/time": 10.0, "numerics/feastol": 1e-7})
            elif program.is_lp():
                program.solve(solver=cp.SCIPY, scipy_options={"method": "highs"})
            else:
                program.solve(solver=cp.CLARABEL, **_TIGHT, time_limit=20.0)
        except Exception:  # solvers raise all kinds: then nothing is said
            return None, "error"
    return (float(program.value) if program.status in _USABLE else None), program.status

"""What the limits cost and what is proven, in words."""

from html import escape
from typing import Any

import numpy as np

from trackfolio._constraint import Constraint, names_of_rows
from trackfolio._terms import named

_MOST = 12
# Multipliers below this share of the largest are what rounding leaves.
_NOTHING = 1e-6
_OF_ACTIVE = {"RootMeanSquare": "tracking RMSE", "StandardDeviation": "tracking error"}
_RAISED = {"MaxReturn": "mean return", "MaxUtility": "utility", "MaxRatio": "ratio"}
_BOUNDS = {"max_weights": "cap", "min_weights": "floor", "min_position": "least position"}


def proof(estimator: Any, part: str) -> str:
    """Multipliers or certificate of a fitted estimator; nothing where there is none."""
    inner = getattr(estimator, "best_estimator_", estimator)
    inner = inner.steps[-1][1] if hasattr(inner, "steps") else inner
    solution = getattr(inner, "solution_", None)
    if solution is None:
        return ""
    return _multipliers(inner, solution) if part == "multipliers" else _certificate(inner, solution)


def _multipliers(estimator: Any, solution: Any) -> str:
    """One sentence for each limit that binds, the dearest first."""
    sentences = sorted(_sentences(estimator, solution), reverse=True)
    note = f"<p>{escape(solution.multipliers_note)}</p>" if solution.multipliers_note else ""
    if not solution.multipliers:
        return note
    if not sentences:
        return "<p>No limit binds but the budget.</p>"
    items = "".join(f"<li>{text}</li>" for _, text in sentences[:_MOST])
    more = f"<p>{len(sentences) - _MOST} more limits bind, and cost less.</p>" if len(sentences) > _MOST else ""
    return f"<p>From the multipliers of the solution, in sample:</p><ul>{items}</ul>{note}{more}"


def _sentences(estimator: Any, solution: Any) -> list[tuple[float, str]]:
    """Gain of the objective for one percentage point (or one basis point of a risk), and the sentence that says it."""
    names = [str(name) for name in getattr(estimator, "feature_names_in_", range(estimator.n_features_in_))]
    what, found = _objective(estimator), []
    for limit, values in solution.multipliers.items():
        prices = np.atleast_1d(np.asarray(values, dtype=float))
        if limit == "budget" or prices.ndim != 1 or not prices.size:
            continue
        for i in np.flatnonzero(prices > _NOTHING * max(float(np.max(np.abs(prices))), 1e-300)):
            price = float(prices[i])
            if limit in _BOUNDS and len(prices) == len(names):
                step, change = 0.01, "lower" if limit != "max_weights" else "higher"
                whose = f"a {_BOUNDS[limit]} of {names[i]} that is one percentage point {change}"
            elif limit == "max_tracking_error":
                step, whose = 1e-4, "one basis point more of tracking RMSE"
            else:
                step, whose = 0.01, f"to loosen {limit}{_which(estimator, limit, int(i), names, len(prices))} by 0.01"
            gain = _amount(step * price, what)
            gained = f"add {gain} to" if what in _RAISED.values() else f"take {gain} off"
            text = f"{whose} would {gained} the {what}."
            found.append((step * price, escape(text[0].upper() + text[1:])))
    return found


def _which(estimator: Any, limit: str, i: int, names: list[str], count: int) -> str:
    """Of the limits of one term, the one that is meant: the group where there are groups."""
    if count == 1:
        return ""
    labels = names_of_rows(dict(named(estimator.constraints, "constraints", Constraint)).get(limit), names)
    return f" of {labels[i]}" if len(labels) == count else f" ({i + 1})"


def _objective(estimator: Any) -> str:
    """What is minimised, or what is raised."""
    objective = type(getattr(estimator, "objective", None)).__name__
    if objective in _RAISED:
        return _RAISED[objective]
    risk = estimator._measured_risk
    if not estimator._risk_is_active:
        return str(risk.label)
    return _OF_ACTIVE.get(type(risk).__name__, f"{risk.label} of the active return")


def _amount(gain: float, what: str) -> str:
    if "variance" in what or what in ("utility", "ratio"):
        return f"{gain:.2e}"
    return f"{1e4 * gain:.2f} bp" if 1e4 * gain >= 0.005 else f"{1e4 * gain:.1e} bp"


def _certificate(estimator: Any, solution: Any) -> str:
    """What was reached, what cannot be passed, and how that is known."""
    proven = {
        "bound": "No weights within the limits have a lower objective than the bound: it was recomputed from the data "
        "and the multipliers, without the solver.",
        "residuals": "The bound is the dual objective, good up to the residuals: a term offers no way to a proven one.",
        "reported": "The bound is what the mixed-integer solver reports; nothing of it was checked.",
    }[solution.certificate.kind]
    rows = {
        "objective": f"{solution.objective:.8g} ({_objective(estimator)}, per period, in sample)",
        "lower bound": f"{solution.lower_bound:.8g}",
        "gap": f"{solution.gap:.1e}, relative",
        "limits are met to": f"{solution.primal_violation:.1e}",
        "status": solution.status,
        "found by": f"{solution.solver}, {solution.seconds:.3g} s",
    }
    items = "".join(f"<div><dt>{key}</dt><dd>{escape(value)}</dd></div>" for key, value in rows.items())
    return f'<p>{proven}</p><dl class="facts">{items}</dl>'

"""One case from its seed to a named outcome: an answer with its proof, or an error that an oracle confirms."""

import re
import time
import traceback
import warnings
from dataclasses import asdict, dataclass

import numpy as np

from trackfolio.certificate import certify
from trackfolio.exceptions import (
    AccuracyWarning,
    InfeasibleError,
    SolverFailure,
    SolverFallbackWarning,
    TrackfolioWarning,
    UnboundedError,
    UnsupportedProblemError,
)
from trackfolio.solvers import MixedInteger, Sparse

from . import oracle
from .cases import make_case

#: Outcomes that are as promised, in the order of the report.
PROMISED = {
    "certified": "weights with a gap of at most 1e-6 that keep all limits to 1e-8",
    "reported": "few names by a mixed-integer solver: the same, by its own word within a gap of 1e-4",
    "stopped": "few names: the search ended at its limit, the gap says how far the bound is",
    "inaccurate": "`AccuracyWarning`: weights that miss one of these, and say so",
    "infeasible": "`InfeasibleError`, confirmed by the oracle",
    "borderline": "`InfeasibleError` where limits neither hold nor fail by 1e-8",
    "no ratio": "`InfeasibleError`: `MaxRatio` is not defined, confirmed by the oracle",
    "unbounded": "`UnboundedError`, confirmed by the oracle",
    "bad input": "`ValueError` for data or terms that make no sense, expected by the generator",
    "unsupported": "`UnsupportedProblemError`, expected by the generator",
    "failure": "`SolverFailure`",
    "unconfirmed": "an error that the oracle could neither confirm nor contradict",
}
BUG = "bug"

# What weights may break, what the gap may be, and by what the oracle's own value may be wrong.
_FEASIBLE, _GAP, _ROUGH = 1e-8, 1e-6, 1e-5
# Searches over few names are cut short: their limit of nodes does not depend on the machine.
_NODES, _SECONDS = 10, 4.0
_EXPONENTIAL = ("EVaR", "EDaR")


@dataclass
class Outcome:
    """What became of a case."""

    seed: int
    kind: str
    detail: str = ""
    estimator: str = ""
    risk: str = ""
    solver: str = ""
    took_over: bool = False
    gap: float = 0.0
    violation: float = 0.0
    seconds: float = 0.0

    def as_dict(self):
        return asdict(self)


def run_case(seed):
    """Build, fit, and judge."""
    case = make_case(seed)
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            _fit(case)
        except Exception as error:  # every one is judged
            kind, detail = _judged_error(case, error)
        else:
            kind, detail = None, ""
    seconds = time.perf_counter() - start
    if kind is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kind, detail = _judged_solution(case, [w.category for w in caught])
    unnamed = [w for w in caught if not issubclass(w.category, TrackfolioWarning)]
    if unnamed and kind != BUG:
        w = unnamed[0]
        kind, detail = BUG, f"{w.category.__name__} at {w.filename.split('site-packages/')[-1]}:{w.lineno}: {w.message}"
    return _outcome(case, kind, detail, seconds, any(issubclass(w.category, SolverFallbackWarning) for w in caught))


def _outcome(case, kind, detail, seconds, took_over):
    solution = getattr(case.model, "solution_", None)
    found = {}
    if solution is not None:
        found = {"solver": solution.solver, "gap": float(solution.gap)}
        with np.errstate(all="ignore"):
            found["violation"] = float(case.violation(solution.weights))
    return Outcome(
        case.seed, kind, detail, type(case.model).__name__, type(case.risk.risk).__name__,
        took_over=took_over, seconds=round(seconds, 3), **found,
    )  # fmt: skip


def _fit(case):
    if case.discrete and len(case.inside) > 8:
        problem = _problem(case)
        quick = Sparse(time_limit=None, node_limit=_NODES, progress=False)
        if quick.lacking(problem):
            quick = MixedInteger(time_limit=_SECONDS)
        case.model.set_params(solver=quick)
    case.model.fit(case.X, case.y, **case.fit_params)


def _problem(case):
    ratio = {"ratio": 1.0} if case.is_ratio else {}
    return case.model.make_problem(case.X, case.y, **case.fit_params, **ratio)


def _judged_solution(case, categories):
    solution = case.model.solution_
    w, warned = case.model.weights_, AccuracyWarning in categories
    if case.expect:
        return BUG, f"weights where an error was due: {case.expect}"
    if not (w.shape == case.inside.shape and np.isfinite(w).all()):
        return BUG, f"weights {w}"
    problem = _problem(case)
    unit = abs(solution.objective) if case.is_ratio else problem.gap_unit_at(solution.objective)
    value, violation, gap = case.value(w), case.violation(w), _gap(solution)
    if not abs(value - solution.objective) <= 1e-8 * unit:
        return BUG, f"objective {solution.objective!r}, by definition {value!r}"
    if not case.is_ratio and certify(problem, solution) != solution.certificate:
        return BUG, "the certificate is not what certify gives"
    if solution.status != "inaccurate" and case.is_feasible and case.violation(case.inside) <= 1e-12:
        other = case.value(case.inside)
        if other < solution.lower_bound - 1e-7 * unit:
            return BUG, f"the bound {solution.lower_bound!r} is above the objective {other!r} of a portfolio"
    reported = solution.certificate.kind == "reported"
    enough = MixedInteger().tolerance if reported else _GAP
    if violation > _FEASIBLE or (gap > enough and solution.status != "stopped"):
        said = f"gap {gap:.1e}, violation {violation:.1e}, status {solution.status}"
        return ("inaccurate", said) if warned else (BUG, f"unsaid: {said}")
    if solution.certificate.kind != "bound" or case.is_ratio:
        wrong = _contradicted(case, solution, unit)
        if wrong:
            return BUG, wrong
    if solution.status == "stopped" and gap > enough:
        return "stopped", f"gap {gap:.1e}"
    if reported:
        return "reported", f"gap {gap:.1e}"
    return "certified", "AccuracyWarning" if warned else ""


def _gap(solution):
    """What is proven, or what a proof misses."""
    proof = solution.certificate
    return max(abs(float(r)) for r in (proof.gap, proof.stationarity, proof.complementarity) if r is not None)


def _contradicted(case, solution, unit):
    """Sentence, where another portfolio is better."""
    if case.discrete:
        return ""
    if case.is_ratio:
        return "a larger ratio is possible" if beats(case, solution) else ""
    least = oracle.least_value(case)
    if least is None or solution.objective <= least + _ROUGH * unit:
        return ""
    return f"objective {solution.objective!r}, the oracle reaches {least!r}"


def beats(case, solution):
    return bool(oracle.beats_ratio(case, solution.objective))


def _judged_error(case, error):
    said = f"{type(error).__name__}: {error}"
    if isinstance(error, UnsupportedProblemError):
        return ("unsupported", said) if _may_be_unsupported(case) or case.expect else (BUG, said)
    if isinstance(error, SolverFailure):
        return ("bad input", said) if case.expect else ("failure", said)
    if case.expect:
        return ("bad input", said) if isinstance(error, ValueError) else (BUG, said)
    if isinstance(error, InfeasibleError):
        return _judged_conflict(case, said)
    if isinstance(error, UnboundedError):
        ratio = re.search(r"ratios above (\S+|any number) are", said)
        at = ratio and (1.0 if ratio[1] == "any number" else float(ratio[1]))
        return _confirmed(oracle.is_unbounded(case, at), "unbounded", said)
    if isinstance(error, ValueError) and case.may:
        return "bad input", said
    return BUG, said + "\n" + "".join(traceback.format_tb(error.__traceback__)[-3:])


def _judged_conflict(case, said):
    if case.is_ratio and "not defined" in said:
        return _confirmed(oracle.has_no_ratio(case), "no ratio", said)
    contradicts = oracle.contradicts_itself(case)
    if contradicts is None:
        if case.is_feasible and case.violation(case.inside) <= 1e-12:
            return BUG, f"a portfolio keeps all limits: {said}"
        return "borderline", said
    return _confirmed(contradicts, "infeasible", said)


def _confirmed(answer, kind, said):
    if answer is None:
        return "unconfirmed", said
    return (kind, said) if answer else (BUG, f"not confirmed: {said}")


def _may_be_unsupported(case):
    """Few names with exponential cones, or with weights without bounds."""
    free = not (np.isfinite(case.lower).all() and np.isfinite(case.upper).all())
    risks = [case.risk, *(part for fact in case.convex for part in getattr(fact, "parts", []))]
    exponential = any(type(getattr(part, "risk", None)).__name__ in _EXPONENTIAL for part in risks)
    return bool(case.discrete) and (free or exponential)

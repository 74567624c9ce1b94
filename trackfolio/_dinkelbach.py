"""The largest ratio of gain to risk, by Dinkelbach's method."""

import dataclasses
import time

import numpy as np

from trackfolio._constraint import GivenLimits
from trackfolio._functions import Function, Limit, RiskOf, Summand
from trackfolio._validation import Array
from trackfolio.exceptions import InfeasibleError, UnboundedError
from trackfolio.problem import Problem
from trackfolio.solution import Certificate, Solution
from trackfolio.solvers import Solver, choose, find, report
from trackfolio.solvers._uniqueness import with_freedom

_MOST_STEPS = 50


def ratio_problem(problem: Problem, risk: Function, losses: list[Summand], ratio: float) -> Problem:
    """Minimise ratio · risk - gain: at the largest ratio, the least value is 0."""
    return dataclasses.replace(problem, objective=[Summand("objective__risk", ratio, risk), *losses])


def largest_ratio(problem: Problem, risk: RiskOf, losses: list[Summand], solver: Solver | None) -> Solution:
    r"""Maximise gain / risk, the gain being minus the sum of `losses`.

    For :math:`F(\theta) = \max_w gain(w) - \theta\,risk(w)`, which is convex and falls in θ, the largest ratio is the
    root of F; θ ← gain(w)/risk(w) at the maximiser is Newton's method for it. Where F(θ) is proven to be at most ε,
    no ratio is above θ + ε / (the least risk, as proven); so θ times the least risk is what gaps are measured in.
    """
    start = time.perf_counter()
    gain = _Gain(losses)
    least, _ = find(dataclasses.replace(problem, objective=[Summand("objective__risk", 1.0, risk)]), solver)
    nothing = max(1e-9 * risk.scale(problem.unit), risk.rounding(problem.unit))
    # A bound that a solver reported may be above what its weights reach; one of no more than rounding proves nothing.
    bound = min(least.lower_bound, least.objective)
    proven = np.isfinite(bound) and bound > nothing
    least_risk = bound if proven else least.objective
    if least_risk <= nothing:
        raise InfeasibleError(
            f"MaxRatio is not defined: the least risk within the limits, {least.objective:.4g}, is 0 as far as "
            "rounding tells. Use MaxReturn or MaxUtility, another risk, or more periods than assets."
        )
    best, iterations = least, least.iterations
    if gain(best.weights) <= 0:
        best = _any_gain(problem, risk, least_risk, losses, solver)
    for _ in range(_MOST_STEPS):
        ratio = gain(best.weights) / risk.value(best.weights)
        step = ratio_problem(problem, risk, losses, ratio)
        step = dataclasses.replace(step, gap_unit=ratio * least_risk, near=best)
        try:
            found, reasons = find(step, solver)
        except UnboundedError:
            raise _without_end(f"{ratio:.4g}") from None
        iterations += found.iterations
        reached = gain(found.weights) / risk.value(found.weights)
        better, best = best, found
        if reached <= ratio * (1 + 1e-9):
            break
    if reached < ratio:  # by rounding, or where the step is inaccurate: the one before is better, by the same proof
        best, reached = better, ratio
    tolerance = (solver or choose(step)[0]).tolerance
    found, least_risk = with_freedom(step, found), least_risk if proven else 0.0
    result = _as_ratio(found, best, ratio, reached, risk.value(best.weights), least_risk, tolerance)
    report(result, reasons)
    return dataclasses.replace(result, iterations=iterations, seconds=time.perf_counter() - start)


def _without_end(ratio: str) -> UnboundedError:
    return UnboundedError(
        f"MaxRatio: ratios above {ratio} are approached, or reached, by weights without end: bound the weights, fix "
        "the budget, or add a limit."
    )


@dataclasses.dataclass(frozen=True)
class _Gain:
    losses: list[Summand]

    def __call__(self, w: Array) -> float:
        return -sum(c * f.value(w) for _, c, f in self.losses)


def _any_gain(
    problem: Problem, risk: Function, least_risk: float, losses: list[Summand], solver: Solver | None
) -> Solution:
    """Weights of a positive gain: those of the most, or where that has no end, of the most within a limit on risk."""
    most_gain, gain = dataclasses.replace(problem, objective=losses), _Gain(losses)
    # A solver for the ratio need not be one for the gain, which is linear.
    solver = None if solver is None or solver.lacking(most_gain) else solver
    try:
        found = find(most_gain, solver)[0]
    except UnboundedError:
        limits = [Limit([(1.0, risk)], factor * least_risk) for factor in (10.0, 1e3, 1e6)]
        bounded = (
            dataclasses.replace(most_gain, constraints=[*problem.constraints, ("most_risk", GivenLimits([limit]))])
            for limit in limits
        )
        # A gain without end becomes positive sooner or later.
        for p in bounded:
            try:
                found = find(p, solver)[0]
            except UnboundedError:  # within a limit on risk
                raise _without_end("any number") from None
            if gain(found.weights) > 0:
                break
    if gain(found.weights) <= 0:
        raise InfeasibleError(
            "MaxRatio is not defined: no portfolio within the limits earns anything after the risk-free rate, costs "
            f"and penalty; the most is {gain(found.weights):.4g} per period. Use MinRisk or MaxUtility."
        )
    return found


def _as_ratio(
    found: Solution, best: Solution, ratio: float, reached: float, risk: float, least_risk: float, tolerance: float
) -> Solution:
    """The best weights, with the proof of the last step in terms of the ratio: minus the ratio is what is minimised.

    Without a least risk above 0 that is proven, nothing is.
    """
    proof = found.certificate
    assert proof is not None
    bound = min(-(ratio + max(-proof.lower_bound, 0.0) / least_risk), -reached) if least_risk > 0 else -np.inf
    certificate: Certificate = dataclasses.replace(
        proof,
        objective=-reached,
        lower_bound=bound,
        gap=(-reached - bound) / reached,
        primal_violation=best.primal_violation,
    )
    multipliers = {name: value / risk for name, value in found.multipliers.items()}
    status = found.status if certificate.gap <= tolerance or found.status == "stopped" else "inaccurate"
    return dataclasses.replace(
        found, weights=best.weights, certificate=certificate, multipliers=multipliers, status=status
    )

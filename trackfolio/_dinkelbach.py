"""The largest ratio of gain to risk, by Dinkelbach's method."""

import dataclasses
import time

import numpy as np

from trackfolio._functions import Function, Summand
from trackfolio._validation import Array
from trackfolio.exceptions import InfeasibleError
from trackfolio.problem import Problem
from trackfolio.solution import Certificate, Solution
from trackfolio.solvers import Solver, find, report

_MOST_STEPS = 50


def ratio_problem(problem: Problem, risk: Function, losses: list[Summand], ratio: float) -> Problem:
    """Minimise ratio · risk - gain: at the largest ratio, the least value is 0."""
    return dataclasses.replace(problem, objective=[Summand("objective__risk", ratio, risk), *losses])


def largest_ratio(problem: Problem, risk: Function, losses: list[Summand], solver: Solver | None) -> Solution:
    r"""Maximise gain / risk, the gain being minus the sum of `losses`.

    For :math:`F(\theta) = \max_w gain(w) - \theta\,risk(w)`, which is convex and falls in θ, the largest ratio is the
    root of F; θ ← gain(w)/risk(w) at the maximiser is Newton's method for it. Where F(θ) is proven to be at most ε,
    no ratio is above θ + ε / (the least risk, as proven).
    """
    start = time.perf_counter()
    gain = _Gain(losses)
    least, _ = find(dataclasses.replace(problem, objective=[Summand("objective__risk", 1.0, risk)]), solver)
    least_risk = least.lower_bound if np.isfinite(least.lower_bound) else least.objective
    if least_risk <= 1e-9 * risk.scale(problem.unit):
        raise InfeasibleError(
            f"MaxRatio is not defined: the least risk within the limits is {least.objective:.4g}, but it must be "
            "positive. Use MaxReturn or MaxUtility, or another risk."
        )
    w, iterations = least.weights, least.iterations
    if gain(w) <= 0:
        w = _most_gain(problem, losses, solver, gain)
    for _ in range(_MOST_STEPS):
        ratio = gain(w) / risk.value(w)
        found, reasons = find(ratio_problem(problem, risk, losses, ratio), solver)
        iterations += found.iterations
        reached = gain(found.weights) / risk.value(found.weights)
        w = found.weights
        if reached <= ratio * (1 + 1e-9):
            break
    report(found, reasons)
    return _as_ratio(found, ratio, reached, risk.value(w), least_risk, iterations, time.perf_counter() - start)


@dataclasses.dataclass(frozen=True)
class _Gain:
    losses: list[Summand]

    def __call__(self, w: Array) -> float:
        return -sum(c * f.value(w) for _, c, f in self.losses)


def _most_gain(problem: Problem, losses: list[Summand], solver: Solver | None, gain: _Gain) -> Array:
    top, _ = find(dataclasses.replace(problem, objective=losses), solver)
    if gain(top.weights) <= 0:
        raise InfeasibleError(
            "MaxRatio is not defined: no portfolio within the limits earns anything after the risk-free rate, costs "
            f"and penalty; the most is {gain(top.weights):.4g} per period. Use MinRisk or MaxUtility."
        )
    return top.weights


def _as_ratio(
    found: Solution, ratio: float, reached: float, risk: float, least_risk: float, iterations: int, seconds: float
) -> Solution:
    """Solution of the last step in terms of the ratio: minus the ratio is what is minimised."""
    proof = found.certificate
    assert proof is not None
    bound = min(-(ratio + max(-proof.lower_bound, 0.0) / least_risk), -reached)
    certificate: Certificate = dataclasses.replace(
        proof, objective=-reached, lower_bound=bound, gap=(-reached - bound) / reached
    )
    multipliers = {name: value / risk for name, value in found.multipliers.items()}
    return dataclasses.replace(
        found, certificate=certificate, multipliers=multipliers, iterations=iterations, seconds=seconds
    )

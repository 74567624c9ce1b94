"""The page of a run: counts by outcome, what was tried, and every case that did not end as promised."""

import datetime
import os
import platform
from collections import Counter
from importlib.metadata import version

from .cases import make_case
from .outcomes import BUG, PROMISED

_PACKAGES = ("trackfolio", "numpy", "scipy", "scikit-learn", "cvxpy", "clarabel", "piqp")
#: Outcomes of which every case is listed.
LISTED = (BUG, "failure", "unconfirmed")

_HEAD = """\
# Fuzzing

<!-- Written by `make fuzz`. Change tests/fuzz/report.py, not this page. -->

Random problems over both estimators, all risks, constraints, costs and objectives, with limits on what is held, of 1
to 60 assets and 1 to 400 rows; with degenerate data mixed in: constants, zeros, duplicates, near-collinear columns, NaN
and infinities, returns of size 1e-12 to 1e+12, heavy tails, fewer rows than assets, contradictory limits. Every case
ends in weights that are certified, or in an error that an oracle confirms. The oracle recomputes limits and objective
by NumPy from their definitions, and asks HiGHS, Clarabel or SCIP about the textbook form of the problem in cvxpy.
"""

_HOW = """\
## Run it again

    make fuzz                                            # 20 000 cases, and this page
    make fuzz ARGS="--cases 1000 --seed 70000"           # others
    python -m tests.fuzz --replay 4711                   # one of them, in words

A seed stands for a case in this version of the generator alone.
"""


def page(outcomes):
    """The page as Markdown."""
    counts = Counter(outcome.kind for outcome in outcomes)
    parts = [_HEAD, _where(outcomes), _counts(counts, len(outcomes)), _beside(outcomes), _coverage(outcomes)]
    return "\n".join([*parts, _exceptions(outcomes), _HOW])


def _where(outcomes):
    seeds = [outcome.seed for outcome in outcomes]
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return (
        f"{len(outcomes)} cases, seeds {min(seeds)} to {max(seeds)}, on {datetime.date.today()}: "
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"{versions}.\n"
    )


def _counts(counts, total):
    meanings = PROMISED | {BUG: "anything else: another exception, a hang, a warning without a name, a wrong answer"}
    lines = ["## Outcomes\n", "| outcome | cases | share | what it is |", "|---|---:|---:|---|"]
    lines += [
        f"| {kind} | {counts[kind]} | {100 * counts[kind] / total:.2f} % | {meaning} |"
        for kind, meaning in meanings.items()
    ]
    return "\n".join(lines) + "\n"


def _beside(outcomes):
    certified = [outcome for outcome in outcomes if outcome.kind == "certified"]
    warned = sum(outcome.detail == "AccuracyWarning" for outcome in certified)
    another = sum(outcome.took_over for outcome in outcomes)
    seconds = sorted(outcome.seconds for outcome in outcomes)
    return (
        f"Of the certified ones, {warned} came with an `AccuracyWarning`: their gap is above the tolerance of the "
        f"solver, 1e-8, but not above 1e-6. In {another} cases another solver took over, with a "
        f"`SolverFallbackWarning`. The median fit took {1000 * seconds[len(seconds) // 2]:.0f} ms, the longest "
        f"{seconds[-1]:.0f} s.\n"
    )


def _coverage(outcomes):
    tried, solved = Counter(), Counter()
    for outcome in outcomes:
        key = outcome.risk, outcome.estimator
        tried[key] += 1
        solved[key] += outcome.kind in ("certified", "reported", "stopped", "inaccurate")
    estimators = sorted({estimator for _, estimator in tried if estimator})
    lines = ["## Cases by risk, and those that ended in weights\n"]
    lines += ["| risk | " + " | ".join(estimators) + " |", "|---" * (1 + len(estimators)) + "|"]
    for risk in sorted({risk for risk, _ in tried if risk}):
        cells = [f"{tried[risk, estimator]} ({solved[risk, estimator]})" for estimator in estimators]
        lines.append(f"| {risk} | " + " | ".join(cells) + " |")
    terms = Counter()
    for outcome in outcomes:
        terms.update(_terms(outcome.seed))
    lines += ["", "Other terms: " + ", ".join(f"{name} {count}" for name, count in sorted(terms.items())) + "."]
    return "\n".join(lines) + "\n"


def _terms(seed):
    """Classes of a case's terms, and what of it is limited to few names."""
    parameters = make_case(seed).model.get_params(deep=False)
    terms = [*(parameters["constraints"] or ()), *(parameters["costs"] or ()), parameters.get("objective")]
    names = {type(term).__name__ for term in terms if term is not None}
    return names | {name for name in ("cardinality", "min_position") if parameters[name] is not None}


def _exceptions(outcomes):
    lines = ["## Bugs, failures, and errors that the oracle left open\n"]
    lines += [
        f"* {outcome.kind}, seed {outcome.seed} ({outcome.estimator}, {outcome.risk}): "
        f"{' '.join(outcome.detail.split())[:300]}"
        for outcome in outcomes
        if outcome.kind in LISTED
    ]
    return "\n".join(lines if len(lines) > 1 else [*lines, "None."]) + "\n"

"""500 random problems (see tests/fuzz; `make fuzz` runs 20 000): certified weights, or errors that are confirmed."""

import faulthandler
import signal
from collections import Counter

import pytest

from .fuzz.cases import make_case
from .fuzz.outcomes import BUG, PROMISED, run_case
from .fuzz.report import page
from .fuzz.terms import MISSING, RISKS, public_classes

CASES, SHARDS = 500, 50
LIMIT = 60  # seconds


class Hang(BaseException):
    """Not an Exception: nothing that is tested shall catch it."""


def _interrupt(*_):
    raise Hang


@pytest.fixture
def limited():
    """A limit of time for each case: an exception, and a while later, for compiled code, the end of the process."""

    def begin():
        signal.setitimer(signal.ITIMER_REAL, LIMIT)
        faulthandler.dump_traceback_later(2 * LIMIT, exit=True)

    before = signal.signal(signal.SIGALRM, _interrupt)
    yield begin
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
    faulthandler.cancel_dump_traceback_later()


@pytest.mark.parametrize("shard", range(SHARDS))
def test_random_problems_end_in_proofs_or_confirmed_errors(shard, limited):
    outcomes = []
    for seed in range(shard, CASES, SHARDS):
        limited()
        outcomes.append(run_case(seed))
    wrong = [(outcome.seed, outcome.detail) for outcome in outcomes if outcome.kind == BUG]
    assert not wrong
    assert sum(outcome.kind in ("failure", "unconfirmed") for outcome in outcomes) <= 1


def test_every_term_is_tried():
    from trackfolio.risks import Risk

    assert not MISSING, "give it a recipe in tests/fuzz/terms.py"
    assert set(RISKS) <= {cls.__name__ for cls in public_classes(Risk)}


def test_a_seed_is_a_case_that_can_be_read():
    one, same, other = make_case(1), make_case(1), make_case(2)
    assert one.describe() == same.describe() != other.describe()
    assert (one.X == same.X).all()


def test_the_page_counts_outcomes():
    outcomes = [run_case(seed) for seed in range(3)]
    text = page(outcomes)
    for kind, count in Counter(outcome.kind for outcome in outcomes).items():
        assert f"| {kind} | {count} |" in text
    assert all(kind in text for kind in [*PROMISED, BUG])


def test_wrong_answers_are_seen(monkeypatch):
    """The judge is no fool: weights, bounds, errors and warnings that are wrong count as bugs."""
    import dataclasses
    import warnings

    from trackfolio import _base
    from trackfolio.exceptions import InfeasibleError, UnboundedError

    seeds = [seed for seed in range(40) if run_case(seed).kind == "certified"][:6]
    solve = _base.solve

    def altered(**changes):
        def wrong(problem, solver=None):
            solution = solve(problem, solver)
            certificate = dataclasses.replace(solution.certificate, **{k: f(solution) for k, f in changes.items()})
            return dataclasses.replace(solution, certificate=certificate)

        return wrong

    def raising(error):
        def wrong(problem, solver=None):
            raise error

        return wrong

    def warning(problem, solver=None):
        warnings.warn("invalid value", RuntimeWarning, stacklevel=2)
        return solve(problem, solver)

    def moved(problem, solver=None):
        solution = solve(problem, solver)
        return dataclasses.replace(solution, weights=solution.weights + 1e-3)

    wrongs = [
        altered(lower_bound=lambda s: s.objective + 1.0),
        altered(objective=lambda s: s.objective - 1.0),
        raising(InfeasibleError("none")),
        raising(UnboundedError("without end")),
        raising(ValueError("no")),
        raising(ZeroDivisionError("division")),
        warning,
        moved,
    ]
    for wrong in wrongs:
        monkeypatch.setattr(_base, "solve", wrong)
        kinds = [run_case(seed).kind for seed in seeds if not make_case(seed).is_ratio]
        assert kinds
        assert set(kinds) <= {BUG}, (wrong, kinds)

"""What all solvers share: the face, and the rule by which one is asked whether it can take a problem."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import ClassVar

import numpy as np

from trackfolio._interrupts import interrupt_within
from trackfolio._terms import Term, offers
from trackfolio.certificate import implied_bounds
from trackfolio.exceptions import InfeasibleError, SolverFailure
from trackfolio.problem import Problem
from trackfolio.solution import Solution


class Solver(Term):
    """Base of all solvers: a Term with parameters, what it needs from other terms, and `solve`.

    To add one, subclass it, list what it needs, return a `Solution` with weights and multipliers (the proof is
    computed for you), raise `SolverFailure` where it gives up, and add the class to `trackfolio.solvers.REGISTRY`.

    Examples
    --------
    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.solvers import Conic, Solver
    >>> X, y = load_sp500(start="2022-01-01", return_X_y=True)
    >>> problem = MinTrackingError(cardinality=5).make_problem(X, y)
    >>> isinstance(Conic(), Solver), Conic().lacking(problem)
    (True, ['it cannot limit what is held (cardinality, min_position and the like)'])
    """

    #: The objective as a whole must be a quadratic form, or the root of one.
    needs_quadratic: ClassVar[bool] = False
    #: Methods of which each constraint must offer at least one; empty: anything goes.
    needs_of_constraints: ClassVar[tuple[str, ...]] = ()
    #: Limits on what is held, and constraints with integer variables, are taken.
    takes_holdings: ClassVar[bool] = False

    tolerance: float

    def lacking(self, problem: Problem) -> list[str]:
        """Sentences that say what keeps this solver from the problem; empty if nothing does.

        Parameters
        ----------
        problem : Problem
            Data and terms.

        Returns
        -------
        list of str
            For the message of an error.
        """
        sentences = []
        if self.needs_quadratic and problem.quadratic is None:
            sentences = [f"{name} is no quadratic form" for name, _, f in problem.objective if not f.is_quadratic]
            sentences = sentences or ["the objective mixes a root with other terms, or has no curvature"]
        if problem.is_discrete and not self.takes_holdings:
            sentences.append("it cannot limit what is held (cardinality, min_position and the like)")
        elif problem.holdings is not None and not np.isfinite(implied_bounds(problem)).all():
            sentences.append("some weights have no bounds: set min_weights and max_weights, or MaxLeverage")
        needs = self.needs_of_constraints
        for name, term in problem.constraints:
            # Limits that turn out to be linear are rows.
            if needs and name not in problem.row_slices and not any(offers(term, method) for method in needs):
                sentences.append(f"{name} ({type(term).__name__}) offers no {' or '.join(needs)}")
        return sentences

    def is_slow_for(self, problem: Problem) -> bool:
        """Whether others that can take the problem are tried first.

        Parameters
        ----------
        problem : Problem
            Data and terms.

        Returns
        -------
        bool
            False, if a solver does not say otherwise.
        """
        return False

    def solve(self, problem: Problem) -> Solution:
        """Find weights and multipliers of the declared objective.

        Parameters
        ----------
        problem : Problem
            Data and terms.

        Returns
        -------
        Solution
            Without certificate: :func:`trackfolio.solvers.solve` adds it.

        Raises
        ------
        SolverFailure
            Where the solver gives up; another one is tried then.
        InfeasibleError
            Where it finds that the limits contradict one another.
        UnboundedError
            Where it finds that the objective has no end.
        UnsupportedProblemError
            Where the problem turns out to be none for this solver, or a solver is not installed.
        """
        raise NotImplementedError

    def attempts(self, problem: Problem) -> Sequence[Callable[[], Solution]]:
        """Ways to solve the problem, the fastest first; the next is tried where the proof is not good enough.

        Parameters
        ----------
        problem : Problem
            Data and terms.

        Returns
        -------
        sequence of callable
            Without parameters, each returns a `Solution`; by default `solve` alone.
        """
        return [lambda: self.solve(problem)]


def solutions(problem: Problem, solvers: Sequence[Solver]) -> Iterator[Solution]:
    """What solvers find, in order: of those that can take the problem, and do not give up."""
    for solver in solvers:
        if not solver.lacking(problem):
            with suppress(InfeasibleError, SolverFailure):
                yield solver.solve(problem)


@contextmanager
def calling(name: str) -> Iterator[None]:
    """What a library raises while it solves is a SolverFailure, so that other solvers are tried.

    Interrupts pass, and what tells of a wrong call or of the machine.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit, TypeError, MemoryError):
        raise
    except BaseException as error:  # a panic of Rust is no Exception
        if interrupt_within(error):
            raise
        raise SolverFailure(f"{name} raised {type(error).__name__}: {error}") from error

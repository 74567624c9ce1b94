"""What all solvers share: the face, and the rule by which one is asked whether it can take a problem."""

from typing import ClassVar

from trackfolio._terms import Term, offers
from trackfolio.problem import Problem, Solution


class Solver(Term):
    """Base of all solvers: a Term with parameters, what it needs from other terms, and `solve`.

    To add one, subclass it, list what it needs, return a `Solution` with weights and multipliers (the proof is
    computed for you), raise `SolverFailure` where it gives up, and add the class to `trackfolio.solvers.REGISTRY`.
    """

    #: Methods of which the risk, and each constraint, must offer at least one; empty: anything goes.
    needs_of_risk: ClassVar[tuple[str, ...]] = ()
    needs_of_constraints: ClassVar[tuple[str, ...]] = ()

    tolerance: float

    def lacking(self, problem: Problem) -> list[str]:
        """Sentences that say what keeps this solver from the problem; empty if nothing does."""
        asked = [("risk", problem.risk, self.needs_of_risk)]
        asked += [(name, term, self.needs_of_constraints) for name, term in problem.constraints]
        return [
            f"{who} ({type(term).__name__}) offers no {' or '.join(needs)}"
            for who, term, needs in asked
            if needs and not any(offers(term, method) for method in needs)
        ]

    def solve(self, problem: Problem) -> Solution:
        """Weights and multipliers of the declared objective; `SolverFailure` where there are none."""
        raise NotImplementedError

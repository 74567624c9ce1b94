"""Few names, with a proof, against all sets of names tried one by one."""

from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trackfolio import MeanRisk, MinTrackingError
from trackfolio.constraints import GroupBounds, GroupCardinality, MaxTurnover
from trackfolio.costs import L2, TransactionCost
from trackfolio.exceptions import InfeasibleError
from trackfolio.objectives import MaxUtility
from trackfolio.risks import Variance
from trackfolio.solvers import Sparse

from .brute_force import Instance, best_by_number, brute_force

EXAMPLES = 4  # for each of 14 terms
SOLVER = Sparse(time_limit=30, progress=False)


class Case:
    """A model with its data, and the same in numbers."""

    def __init__(self, kind, seed, n, periods):
        self.rng = rng = np.random.default_rng(seed)
        self.kind, self.n = kind, n
        noise = rng.choice([0.3, 1.0])
        factors = rng.standard_normal((periods, 2)) @ rng.standard_normal((2, n))
        X = 0.01 * (factors + noise * rng.standard_normal((periods, n)))
        benchmark = rng.dirichlet(np.ones(n))
        y = X @ benchmark + 0.001 * rng.standard_normal(periods)
        C, mean, self.fitted_with = np.cov(X.T), X.mean(axis=0), {}
        self.model, self.data, Q, h, constant = {
            "rmse": lambda: (MinTrackingError(), (X, y), X.T @ X / periods, X.T @ y / periods, y @ y / periods),
            "by weights": lambda: (
                MinTrackingError(Variance("precomputed"), benchmark_weights=benchmark),
                (C,), C, C @ benchmark, benchmark @ C @ benchmark,
            ),
            "variance": lambda: (MeanRisk(), (X,), C, np.zeros(n), 0.0),
            "utility": lambda: (MeanRisk(objective=MaxUtility(3.0)), (X,), 3 * C, mean / 2, 0.0),
        }[kind]()  # fmt: skip
        self.model.set_params(solver=SOLVER, constraints=[], costs=[])
        self.instance = Instance(Q, h, float(constant))

    def limit(self, most, fewest=0):
        self.instance.fewest, self.instance.most = fewest, most
        self.model.set_params(cardinality=(fewest, most) if fewest else most)
        return self

    def solution(self):
        return self.model.fit(*self.data, **self.fitted_with).solution_

    # Terms.

    def upper(self):
        self.instance.upper = np.full(self.n, max(0.3, 1.2 / self.instance.most))
        self.model.set_params(max_weights=self.instance.upper)

    def floor(self):
        least = self.rng.uniform(0.05, 0.9 / self.instance.most, self.n)
        self.instance.least = least
        self.model.set_params(min_position=least)
        self.limit(self.instance.most, int(self.rng.integers(0, self.instance.most + 1)))

    def _halves(self):
        labels = np.where(self.rng.random(self.n) < 0.5, "a", "b")
        labels[:2] = "a", "b"
        return list(labels), labels == "a"

    def group_bounds(self):
        labels, first = self._halves()
        low = self.rng.uniform(0, 0.6)
        self.instance.rows.append((first.astype(float), low, np.inf))
        self.model.constraints.append(GroupBounds(labels, lower={"a": low}))

    def group_cardinality(self):
        labels, first = self._halves()
        most = int(self.rng.integers(1, 3))
        fewest = int((self.instance.least > 0).all())
        self.instance.groups += [(first, 0, most), (~first, fewest, self.n)]
        self.model.constraints.append(GroupCardinality(labels, most={"a": most}, fewest={"b": fewest}))

    def _hold(self):
        if self.instance.previous is None:
            self.instance.previous = self.rng.dirichlet(np.ones(self.n))
        self.fitted_with = {"previous_weights": self.instance.previous}

    def turnover(self):
        self._hold()
        self.instance.turnover = self.rng.uniform(0.3, 0.95)
        self.model.constraints.append(MaxTurnover(self.instance.turnover))

    def trades(self):
        self._hold()
        self.instance.price = 1e-5
        self.model.costs.append(TransactionCost(1e-5))

    def ridge(self):
        self.instance.Q = self.instance.Q + 1e-5 * np.eye(self.n)
        self.model.costs.append(L2(1e-5))

    def short(self):
        self.instance.lower = np.full(self.n, -0.3)
        self.model.set_params(min_weights=-0.3)

    def cash(self):
        self.instance.budget = (0.8, 1.0)
        self.model.set_params(budget=(0.8, 1.0))


def assert_best(case, value):
    """The model finds the value of all sets of names, and proves it; or says that there is none."""
    if not np.isfinite(value):
        with pytest.raises(InfeasibleError):
            case.solution()
        return
    found = case.solution()
    square = case.kind == "rmse"
    objective = found.objective**2 if square else found.objective
    assert found.status == "optimal", found
    assert found.certificate.kind == "bound"
    assert found.primal_violation <= 1e-8
    assert abs(objective - value) <= 2e-6 * abs(value) + 1e-12, (found, value)
    assert found.lower_bound <= (np.sqrt(value) if square else value) + 1e-9 * abs(value) + 1e-12
    assert abs(case.instance.value(found.weights) - objective) <= 1e-9 * case.instance.unit


TERMS = {
    "nothing else": [],
    "upper bounds": [Case.upper],
    "least positions": [Case.floor],
    "weights of groups": [Case.group_bounds],
    "names of groups": [Case.group_cardinality],
    "names of groups, least positions": [Case.floor, Case.group_cardinality],
    "turnover": [Case.turnover],
    "transaction costs": [Case.trades],
    "ridge": [Case.ridge],
    "long and short": [Case.short],
    "long and short, least positions": [Case.short, Case.floor],
    "cash": [Case.cash],
    "upper bounds, turnover, least positions": [Case.upper, Case.turnover, Case.floor],
    "all sorts": [Case.short, Case.floor, Case.group_bounds, Case.turnover, Case.ridge, Case.trades],
}
COSTS = {Case.trades, Case.ridge}


@pytest.mark.parametrize("terms", TERMS.values(), ids=TERMS)
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_set_of_names_does_better(terms, data):
    kinds = ["by weights", "variance", "utility"] + ["rmse"] * (not COSTS & set(terms))
    kind, n = data.draw(st.sampled_from(kinds)), data.draw(st.integers(6, 9))
    periods = data.draw(st.sampled_from([40, n - 2]))
    case = Case(kind, data.draw(st.integers(0, 2**20)), n, periods).limit(data.draw(st.integers(1, 4)))
    for term in terms:
        term(case)
    assert_best(case, brute_force(case.instance)[0])

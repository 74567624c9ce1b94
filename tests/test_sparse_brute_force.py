"""Few names, with a proof, against all sets of names tried one by one."""

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from trackfolio import MeanRisk, MinTrackingError
from trackfolio.constraints import GroupBounds, GroupCardinality, MaxTurnover
from trackfolio.costs import L2, TransactionCost
from trackfolio.exceptions import InfeasibleError
from trackfolio.objectives import MaxUtility
from trackfolio.risks import Variance
from trackfolio.solvers import Sparse

from .brute_force import Instance, best_by_number, brute_force

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

    def always_held(self):
        self.instance.lower = np.where(self.rng.random(self.n) < 0.2, 0.1, 0.0)
        self.model.set_params(min_weights=self.instance.lower)

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
    assert found.lower_bound <= (np.sqrt(max(value, 0.0)) if square else value) + 1e-9 * abs(value) + 1e-12
    assert abs(case.instance.value(found.weights) - objective) <= 1e-9 * case.instance.unit


QUICK = {
    "nothing else": [],
    "upper bounds": [Case.upper],
    "least positions": [Case.floor],
    "weights of groups": [Case.group_bounds],
    "names of groups": [Case.group_cardinality],
    "names of groups, least positions": [Case.floor, Case.group_cardinality],
    "ridge": [Case.ridge],
    "long and short": [Case.short],
    "long and short, least positions": [Case.short, Case.floor],
    "cash": [Case.cash],
    "some held in any case": [Case.always_held],
}
SLOW = {
    "turnover": [Case.turnover],
    "transaction costs": [Case.trades],
    "upper bounds, turnover, least positions": [Case.upper, Case.turnover, Case.floor],
    "all sorts": [Case.short, Case.floor, Case.group_bounds, Case.turnover, Case.ridge],
}
COSTS = {Case.trades, Case.ridge}


def drawn(data, terms):
    """A case at random; an RMSE and costs do not mix."""
    kinds = ["by weights", "variance", "utility"] + ["rmse"] * (not COSTS & set(terms))
    kind, n = data.draw(st.sampled_from(kinds)), data.draw(st.integers(6, 9))
    periods = data.draw(st.sampled_from([40, n - 2]))
    case = Case(kind, data.draw(st.integers(0, 2**20)), n, periods).limit(data.draw(st.integers(1, 4)))
    for term in terms:
        term(case)
    return case


def random_cases(number):
    """Decorator: so many cases."""
    configure = settings(
        max_examples=number,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],  # to shrink a search takes minutes
        suppress_health_check=list(HealthCheck),
    )
    return lambda test: configure(given(data=st.data())(test))


@pytest.mark.parametrize("terms", QUICK.values(), ids=QUICK)
@random_cases(5)
def test_no_set_of_names_does_better(terms, data):
    case = drawn(data, terms)
    assert_best(case, brute_force(case.instance)[0])


@pytest.mark.parametrize("terms", SLOW.values(), ids=SLOW)
@random_cases(2)
def test_no_set_of_names_does_better_with_trades(terms, data):
    case = drawn(data, terms)
    assert_best(case, brute_force(case.instance)[0])


@pytest.mark.parametrize(
    ("kind", "n", "periods", "names", "terms"),
    [
        ("rmse", 12, 60, range(1, 13), []),
        ("by weights", 12, 10, (3, 4, 5, 12), [Case.upper]),
        ("variance", 14, 60, range(1, 7), []),
        ("by weights", 16, 60, (3, 5), []),
        ("rmse", 16, 12, (2, 4), []),
        ("variance", 12, 60, (2, 4), [Case.group_bounds]),
        ("by weights", 12, 60, (2, 4), [Case.short]),
        ("rmse", 12, 60, (2, 5, 12), [Case.cash]),
    ],
)
def test_no_set_of_more_assets_does_better(kind, n, periods, names, terms):
    values = None
    for most in names:
        case = Case(kind, n + periods, n, periods).limit(max(names))
        for term in terms:
            term(case)
        values = np.minimum.accumulate(best_by_number(case.instance)) if values is None else values
        assert_best(case.limit(most), values[most])


@pytest.mark.parametrize("most", range(2, 7))
def test_no_set_of_twelve_assets_with_least_positions_does_better(most):
    case = Case("rmse", 5, 12, 60).limit(most)
    case.instance.least = np.full(12, 0.15)
    case.model.set_params(min_position=0.15)
    assert_best(case.limit(most, fewest=most), brute_force(case.instance)[0])


# Limits that no set of names can keep, though each of them and the convex rest can be kept.
EIGHT = ["a"] * 4 + ["b"] * 4
FIRST = np.repeat([1.0, 0.0], 4)
CONFLICTS = {
    "weights of two groups by one name": (1, {"rows": [(FIRST, 0.3, 0.7)]}, [GroupBounds(EIGHT, 0.3, {"a": 0.7})]),
    "one name of a group that is to weigh more": (
        4,
        {"groups": [(FIRST > 0, 0, 1)], "rows": [(FIRST, 0.6, np.inf)], "upper": np.full(8, 0.5)},
        [GroupCardinality(EIGHT, most={"a": 1}), GroupBounds(EIGHT, {"a": 0.6})],
    ),
    "a group that is to weigh less than one name": (
        4,
        {"rows": [(FIRST, 0.05, 0.1)], "least": np.full(8, 0.2)},
        [GroupBounds(EIGHT, {"a": 0.05}, {"a": 0.1})],
    ),
    "little turnover from many names to few": (
        3,
        {"previous": np.full(8, 0.125), "turnover": 0.6},
        [MaxTurnover(0.6)],
    ),
}


@pytest.mark.parametrize(("most", "changes", "constraints"), CONFLICTS.values(), ids=CONFLICTS)
def test_conflicts_of_few_names_are_said_to_be_some(most, changes, constraints):
    case = Case("variance", 1, 8, 40).limit(most)
    for name, value in changes.items():
        setattr(case.instance, name, value)
    case.model.set_params(constraints=constraints, max_weights=case.instance.upper, min_position=case.instance.least)
    case.fitted_with = {"previous_weights": case.instance.previous}
    assert brute_force(case.instance) == (np.inf, None)
    with pytest.raises(InfeasibleError, match=r"together: .*(cardinality|min_position)"):
        case.solution()


def test_one_name_within_a_turnover():
    case = Case("utility", 2803, 8, 6).limit(1)
    case.turnover()
    assert_best(case, brute_force(case.instance)[0])


@pytest.mark.parametrize("most", [3, 4])
def test_least_positions_that_the_turnover_rules_out(most):
    case = Case("rmse", 1, 6, 40).limit(most)
    case.instance.least = np.array([0.05, 0.3, 0.05, 0.3, 0.05, 0.3])
    case.instance.previous = np.array([0.3, 0, 0.2, 0.3, 0.2, 0])
    case.instance.turnover = 0.1 if most == 4 else 0.2
    case.model.set_params(min_position=case.instance.least, constraints=[MaxTurnover(case.instance.turnover)])
    case.fitted_with = {"previous_weights": case.instance.previous}
    assert_best(case, brute_force(case.instance)[0])


@pytest.mark.parametrize("least", [0.0, 0.1])
@pytest.mark.parametrize("budget", [(0.0, 0.0), (0.0, 1.0)])
def test_no_name_at_all_is_a_portfolio_too(budget, least):
    case = Case("variance", 3, 6, 40).limit(3)
    case.short()
    case.instance.budget, case.instance.least = budget, np.full(6, least)
    case.model.set_params(budget=budget if budget[1] else 0.0, min_position=least)
    assert_best(case, brute_force(case.instance)[0])


def test_short_positions_of_the_least_size():
    """Without a least size, the second asset would be short by 2/7."""
    matrix = np.array([[1, 1.08, 0.5], [1.08, 1.44, 0.5], [0.5, 0.5, 4]]) * 1e-4
    instance = Instance(matrix, np.zeros(3), 0.0, 2, 2, lower=-np.ones(3), upper=2 * np.ones(3), least=np.full(3, 0.4))
    limits = {"cardinality": (2, 2), "min_position": 0.4, "min_weights": -1.0, "max_weights": 2.0}
    model = MeanRisk(Variance("precomputed"), solver=SOLVER, **limits).fit(matrix)
    assert_allclose(model.weights_, [1.4, -0.4, 0], atol=1e-9)
    assert_allclose(model.solution_.objective, brute_force(instance)[0], rtol=1e-7)
    assert model.solution_.status == "optimal"


@pytest.mark.parametrize("seed", range(5))
def test_search_alone_finds_the_best_sides(seed):
    case = Case("utility", seed, 8, 40).limit(3)
    case.short()
    case.instance.least = np.full(8, 0.15)
    case.model.set_params(min_position=0.15, solver=Sparse(node_limit=0))
    assert_allclose(case.solution().objective, brute_force(case.instance)[0], rtol=1e-6)


def test_an_asset_without_risk_alone():
    case = Case("by weights", 4, 6, 40).limit(1)
    for matrix in (case.data[0], case.instance.Q):
        matrix[2], matrix[:, 2] = 0.0, 0.0
    case.model.set_params(benchmark_weights=np.eye(6)[2] * 0.9 + np.eye(6)[0] * 0.1)
    at = case.model.benchmark_weights
    case.instance.h, case.instance.constant = case.instance.Q @ at, at @ case.instance.Q @ at
    assert_best(case, brute_force(case.instance)[0])

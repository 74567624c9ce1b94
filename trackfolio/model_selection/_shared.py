"""What families of portfolios share, and what the points of one share: the data, and the problem but for one thing."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import pandas as pd
from sklearn.base import clone

from trackfolio._functions import Summand
from trackfolio.portfolio import Portfolio
from trackfolio.problem import Problem
from trackfolio.solvers import solve


class Family(ABC):
    """Fitted estimators in a row: what they have in common, whatever it is that they differ in."""

    estimators: list[Any]

    @property
    @abstractmethod
    def table(self) -> pd.DataFrame:
        """One row for each of them."""

    def predict(self, X: Any) -> list[Portfolio]:
        """Hold the weights of each point over other periods.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_periods, n_assets)
            Simple returns of the assets, per period.

        Returns
        -------
        list of Portfolio
            One for each estimator.
        """
        return [estimator.predict(X) for estimator in self.estimators]

    def __len__(self) -> int:
        return len(self.estimators)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.estimators)

    def __getitem__(self, place: int) -> Any:
        return self.estimators[place]

    def _repr_html_(self) -> str:
        return str(self.table.to_html())


class SharedData:
    """What all points share: the data, and the problem without the parameter."""

    def __init__(self, template: Any, X: Any, y: Any, previous_weights: Any, sample_weight: Any) -> None:
        self.template, self.X, self.y = template, X, y
        self.metadata = {"previous_weights": previous_weights, "sample_weight": sample_weight}
        self.problem: Problem = template._problem(X, y, previous_weights, sample_weight)

    def __sizeof__(self) -> int:
        """Bytes of the returns, by which a cluster decides to ship them once rather than with each task."""
        return 1000 + self.problem.portfolio.rows.nbytes if self.problem.portfolio.X is not None else 1000

    def keep(self, model: Any, solution: Any, problem: Problem) -> Any:
        """Give a model its solution, as `fit` would."""
        for attribute in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.template, attribute):
                setattr(model, attribute, getattr(self.template, attribute))
        return model._keep(solution, problem, self.X)

    def fit(self, model: Any, *, shared: bool, near: Any = None) -> Any:
        """Fit a model, on the problem prepared before if it differs in terms alone, beginning near a neighbour."""
        if not shared:
            return model.fit(self.X, self.y, **self.metadata)
        problem = dataclasses.replace(self.problem, constraints=model._limits(), objective=[], near=near)
        problem = dataclasses.replace(problem, objective=model._objective(problem))
        return self.keep(model, model._solution(problem), problem)

    def extreme(self, name: str, function: Any) -> Any:
        """Model with the weights at which a function is least, within all limits."""
        problem = dataclasses.replace(self.problem, objective=[Summand(name, 1.0, function)])
        return self.keep(clone(self.template), solve(problem, self.template.solver), problem)

    def portfolio(self, model: Any, name: str) -> Portfolio:
        """Portfolio of a fitted model in sample, relative to the benchmark if there is one."""
        predicted: Portfolio = model.predict(self.X).replace(name=name)
        return predicted if self.y is None else predicted.relative_to(self.y)

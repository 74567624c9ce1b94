"""How good an answer is, recomputed from the weights alone."""

from dataclasses import dataclass

import numpy as np

from benchmarks.problems import Array, Case, Task


@dataclass(frozen=True)
class Accuracy:
    """Risks of a portfolio on the rows it was fitted to, and by how much it breaks its limits."""

    rmse: float
    std: float
    volatility: float
    violation: float
    over_limit: float

    def objective(self, task: Task) -> float:
        """What the task minimises, as a square: mean squared active return, or a variance."""
        root = {
            Task.LEAST_RMSE: self.rmse,
            Task.LEAST_STD: self.std,
            Task.LIMITED: self.volatility,
        }
        return root[task] ** 2


def accuracy(case: Case, weights: Array) -> Accuracy:
    """Accuracy of weights; the violation is the largest one of budget, lower and upper bounds."""
    portfolio = case.X @ weights
    active = portfolio - case.y
    rmse = float(np.sqrt(np.mean(active**2)))
    breaks = (abs(weights.sum() - 1), -weights.min(), weights.max() - 1, 0)
    return Accuracy(
        rmse=rmse,
        std=float(np.std(active, ddof=1)),
        volatility=float(np.std(portfolio, ddof=1)),
        violation=float(max(breaks)),
        over_limit=rmse / case.rmse_limit - 1,
    )

"""Expected returns of the assets: numbers, or what an estimator finds."""

from typing import Any

import numpy as np

from trackfolio._position import Position, fitted_clone
from trackfolio._validation import Array, finite_per_asset


def given_returns(expected_returns: Any, portfolio: Position, names: list[str]) -> Array:
    """One number per asset, as given, or from an estimator with `mean_` or `location_` that is fitted on a clone."""
    if isinstance(expected_returns, type):
        raise TypeError(f"expected_returns is the class {expected_returns.__name__}; give an instance of it.")
    if not hasattr(expected_returns, "fit"):
        return finite_per_asset(expected_returns, names, "expected_returns")
    fitted = fitted_clone(expected_returns, portfolio.double_rows, portfolio.sample_weight)
    for attribute in ("mean_", "location_"):
        if hasattr(fitted, attribute):
            return finite_per_asset(np.asarray(getattr(fitted, attribute)), names, "expected_returns")
    raise TypeError(
        f"expected_returns={type(fitted).__name__}() has neither mean_ nor location_ after fit; the covariance "
        "estimators of scikit-learn have location_."
    )

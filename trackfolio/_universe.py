"""Which assets can be traded at a date, and estimators and terms cut to them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
from sklearn.base import clone


class Universe(NamedTuple):
    """Names of all assets, those of them that can be traded, and the dates of the rows that a decision looks at."""

    names: list[str]
    tradable: npt.NDArray[np.bool_]
    dates: pd.Index | None

    @property
    def outside(self) -> set[str]:
        """Names of the assets that cannot be traded."""
        return {name for name, is_in in zip(self.names, self.tradable, strict=True) if not is_in}

    def cut(self, values: Any, what: str) -> Any:
        """Values of the tradable assets, of values with one for each asset; what is by no asset stays as it is.

        Names that belong to no asset at all stay too: they are refused where they are used.
        """
        outside = self.outside
        if isinstance(values, Mapping):
            return {name: value for name, value in values.items() if str(name) not in outside}
        if isinstance(values, pd.Series | pd.DataFrame):
            labels = values.index if isinstance(values, pd.Series) else values.columns
            inside = [str(label) not in outside for label in labels]
            return values[inside] if isinstance(values, pd.Series) else values.loc[:, inside]
        if sp.issparse(values):
            return sp.csc_array(values)[:, np.flatnonzero(self.tradable)]
        array = np.asarray(values, dtype=object) if isinstance(values, list | tuple) else values
        if isinstance(array, np.ndarray) and array.ndim and array.shape[-1] == len(self.names):
            kept = array[..., self.tradable]
            return kept.tolist() if isinstance(values, list | tuple) else kept
        if isinstance(array, np.ndarray) and array.ndim:
            raise ValueError(
                f"{what} has shape {array.shape}, but there are {len(self.names)} assets: give one value for each, or "
                "a dict by name."
            )
        return values


def restricted(value: Any, universe: Universe) -> Any:
    """Clone of an estimator or term, its parameters cut to the tradable assets; other values as they are.

    A class may say for itself how it is cut, by a method ``restricted_to(universe)``.
    """
    if isinstance(value, type):
        return value
    if callable(getattr(value, "restricted_to", None)):
        return value.restricted_to(universe)
    if hasattr(value, "get_params"):
        return with_cut_parameters(value, universe)
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return type(value)(restricted(part, universe) for part in value)
    return value


def with_cut_parameters(value: Any, universe: Universe) -> Any:
    """Clone of an estimator or term with each parameter cut."""
    new = clone(value)
    for name, part in new.get_params(deep=False).items():
        is_by_asset = name in getattr(value, "by_asset", ()) and not hasattr(part, "get_params")
        setattr(new, name, universe.cut(part, name) if is_by_asset else restricted(part, universe))
    return new

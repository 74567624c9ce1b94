"""The face of an array for an object that stands for one series of numbers."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from trackfolio._validation import Array


class ArrayLike(np.lib.mixins.NDArrayOperatorsMixin):
    """Base of objects that numpy and scikit-learn take for their own array `_returns`.

    Arithmetic, comparison, ufuncs and indexing give plain arrays, never the object again. Methods
    beyond these would do harm: numpy's functions call a method of their name where there is one.
    """

    _returns: Array
    # Elementwise == and a hash do not go together; numpy's own arrays have none either.
    __hash__ = None  # type: ignore[assignment]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Any:
        return np.array(self._returns, dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        # `ufunc.at` writes to its first input, and numpy lets it write even to a read-only array.
        targets = inputs[:1] if method == "at" else kwargs.get("out", ())
        if any(isinstance(target, ArrayLike) for target in targets):
            name = type(self).__name__
            raise TypeError(f"A {name} is immutable: write p = p + 1 for p += 1, out=an array.")
        arrays = [x._returns if isinstance(x, ArrayLike) else x for x in inputs]
        return getattr(ufunc, method)(*arrays, **kwargs)

    def __len__(self) -> int:
        return len(self._returns)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._returns)

    def __getitem__(self, key: Any) -> Any:
        return self._returns[key]

    @property
    def shape(self) -> tuple[int]:
        """Shape of the returns, (n_periods,)."""
        return (len(self._returns),)

    @property
    def ndim(self) -> int:
        """Number of dimensions, 1."""
        return 1

    @property
    def dtype(self) -> np.dtype[np.float64]:
        """Type of the returns, float64."""
        return self._returns.dtype

    def ravel(self, order: Any = "C") -> Array:
        """Return the returns as a plain array that cannot be written to.

        Parameters
        ----------
        order : {"C", "F", "A", "K"}, default="C"
            As of `numpy.ravel`; of one dimension they are all the same.

        Returns
        -------
        ndarray of shape (n_periods,)
            Simple returns per period.
        """
        return self._returns.ravel(order)

    def reshape(self, *shape: Any, **options: Any) -> Array:
        """Return the returns as a plain array of another shape.

        Parameters
        ----------
        *shape : int or tuple of int
            As of `numpy.ndarray.reshape`.
        **options
            As of `numpy.ndarray.reshape`.

        Returns
        -------
        ndarray
            Simple returns per period.
        """
        return np.asarray(self._returns.reshape(*shape, **options))

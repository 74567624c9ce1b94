"""Terms: the shared words of estimators (which describe) and solvers (which solve), and the lists that hold them."""

from collections.abc import Sequence
from typing import Any, ClassVar

from sklearn.base import BaseEstimator

from trackfolio._tooltips import TooltipsMixin


class Term(TooltipsMixin, BaseEstimator):
    """A risk, constraint, cost, objective or solver: parameters with names, and methods that solvers look for.

    Terms are scikit-learn objects, so they print, clone, compare parameters and are tuned by nested names. They are
    never fitted or changed by an estimator.
    """

    #: Whether the term looks at the holdings before the trade, which are handed from one fit of a backtest to the next.
    depends_on_holdings = False
    #: Parameters with one value for each asset (along the last axis): a backtest cuts them to those that can be traded.
    by_asset: ClassVar[tuple[str, ...]] = ()

    @property
    def term_name(self) -> str:
        """Name under which the term stands in a list: the lower-case class name."""
        return type(self).__name__.lower()


def offers(term: object, method: str) -> bool:
    """Whether a term has an (optional) method that a solver needs."""
    return callable(getattr(term, method, None))


def named(terms: Sequence[Any] | None, what: str, kind: type) -> list[tuple[str, Any]]:
    """Terms with their names: given as ("name", term), or the lower-case class name (-1, -2 where there are two)."""
    if terms is None:
        return []
    if not isinstance(terms, list | tuple):
        raise TypeError(
            f"{what} must be a list of terms, got {type(terms).__name__}. Write {what.rpartition('.')[2]}=[...]."
        )
    pairs: list[tuple[str | None, Any]] = [(None, t) if not isinstance(t, tuple) else _pair(t, what) for t in terms]
    for _, term in pairs:
        if isinstance(term, type):
            raise TypeError(f"{what} holds the class {term.__name__}; give an instance, {term.__name__}(...).")
        if not isinstance(term, kind):
            hint = f" Write {term!r} <= limit." if offers(term, "value") and offers(term, "expression") else ""
            raise TypeError(f"{what} takes {kind.__name__} objects, got {term!r}.{hint}")
    default = [term.term_name for name, term in pairs if name is None]
    counter: dict[str, int] = {}
    result: list[tuple[str, Any]] = []
    for name, term in pairs:
        if name is None:
            name = term.term_name
            if default.count(name) > 1:
                counter[name] = counter.get(name, 0) + 1
                name = f"{name}-{counter[name]}"
        if name in (n for n, _ in result):
            raise ValueError(f"{what} has two terms with the name {name!r}; give each a name of its own.")
        result.append((name, term))
    return result


def _pair(pair: tuple[Any, ...], what: str) -> tuple[str, Any]:
    if len(pair) != 2 or not isinstance(pair[0], str) or not pair[0] or "__" in pair[0]:
        raise ValueError(f"{what} takes terms or pairs ('name', term) with a name without '__', got {pair!r}.")
    return pair[0], pair[1]


class NamedTermsMixin:
    """Nested parameters for lists of terms: `constraints__maxturnover__limit`.

    Classes list the parameters that hold terms, and the class of the terms, in `_term_lists`.
    """

    _term_lists: ClassVar[dict[str, type]]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get parameters, also those of the terms in lists, by name.

        Parameters
        ----------
        deep : bool, default=True
            Also return the parameters of the terms, as in ``constraints__maxturnover__limit``.

        Returns
        -------
        dict of str to object
            Parameters by name.
        """
        params: dict[str, Any] = super().get_params(deep=deep)  # type: ignore[misc]  # BaseEstimator stands behind
        if deep:
            for parameter, kind in self._term_lists.items():
                for name, term in _named_or_nothing(params.get(parameter), parameter, kind):
                    params[f"{parameter}__{name}"] = term
                    params |= {f"{parameter}__{name}__{k}": v for k, v in term.get_params(deep=True).items()}
        return params

    def set_params(self, **params: Any) -> Any:
        """Set parameters, also those of terms in lists, by name.

        Parameters
        ----------
        **params
            Values by name, such as ``constraints__maxturnover__limit=0.1``.

        Returns
        -------
        estimator
            Itself.

        Raises
        ------
        ValueError
            For names that it does not have.
        """
        plain = {k: v for k, v in params.items() if k.partition("__")[0] not in self._term_lists or "__" not in k}
        super().set_params(**plain)  # type: ignore[misc]
        for key in sorted(params.keys() - plain.keys(), key=lambda k: k.count("__")):
            parameter, _, rest = key.partition("__")
            name, _, nested = rest.partition("__")
            self._set_in_list(parameter, name, nested, params[key])
        return self

    def _set_in_list(self, parameter: str, name: str, nested: str, value: Any) -> None:
        terms = getattr(self, parameter)
        pairs = named(terms, parameter, self._term_lists[parameter])
        names = [n for n, _ in pairs]
        if name not in names:
            raise ValueError(f"{parameter} has no term {name!r}; its terms are {names}.")
        place = names.index(name)
        if nested:
            pairs[place][1].set_params(**{nested: value})
        else:
            replaced = (name, value) if isinstance(terms[place], tuple) else value
            setattr(self, parameter, [*terms[:place], replaced, *terms[place + 1 :]])


def _named_or_nothing(terms: Any, what: str, kind: type) -> list[tuple[str, Any]]:
    # get_params must answer for any value, also a wrong one: fit is the place that complains.
    try:
        return named(terms, what, kind)
    except (TypeError, ValueError):
        return []

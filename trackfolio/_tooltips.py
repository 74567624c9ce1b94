"""Descriptions of parameters, as tooltips in the HTML that scikit-learn draws of estimators.

scikit-learn takes them from docstrings, too, but shows them beside links to published pages only.
"""

import inspect
import re
from functools import cache
from html import escape
from typing import Any


class TooltipsMixin:
    """Parameters that say what they are where the pointer rests on them, those of nested terms too."""

    def _get_params_html(self, *args: Any, **options: Any) -> Any:
        """Hand on scikit-learn's table, which it draws with this method from 1.7 on, with tooltips."""
        table = super()._get_params_html(*args, **options)  # type: ignore[misc]  # BaseEstimator stands behind
        draw = table._repr_html_inner
        table._repr_html_inner = lambda: _with_tooltips(draw(), self)
        return table


def _with_tooltips(html: str, estimator: Any) -> str:
    params = {"": estimator, **estimator.get_params(deep=True)}

    def described(cell: re.Match[str]) -> str:
        name: str = cell[1]
        owner, _, parameter = name.rpartition("__")
        text = _descriptions(_class_of(params.get(owner))).get(parameter)
        if text is None and hasattr(params.get(name), "get_params"):
            # A term in a list, under a name of its own.
            text = _plain((inspect.getdoc(params[name]) or "").partition("\n")[0])
        return f'<td class="param" title="{escape(text)}">{name}' if text else cell[0]

    return re.sub(r'<td class="param">([\w-]+)', described, html)


def _class_of(value: Any) -> type:
    return value.__class__  # type: ignore[no-any-return]


@cache
def _descriptions(cls: type) -> dict[str, str]:
    """Type and description of each parameter, by name, from the section of a numpydoc docstring."""
    _, _, section = (inspect.getdoc(cls) or "").partition("Parameters\n----------\n")
    section = re.split(r"\n\n?[^\n]+\n-{3,}\n", section)[0]
    found = {}
    for names, kind, text in re.findall(r"^([\w, *]+?) : ([^\n]+)\n((?:(?: +[^\n]*)?\n?)*)", section, re.MULTILINE):
        for name in names.split(", "):
            found[name] = _plain(f"{name}: {kind}\n{' '.join(text.split())}")
    return found


def _plain(text: str) -> str:
    """Text without the marks of reStructuredText."""
    return re.sub(r":\w+:`~?", "", text).replace("`", "")

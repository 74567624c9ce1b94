"""Formulas as MathML, which browsers draw themselves: pages need no script, and no other host.

The conversion is that of docutils. It knows most of LaTeX's mathematics; what it does not know is a
warning, which `make docs` turns into an error.
"""

import re
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)


def converted(source: str, node: nodes.Node, *, as_block: bool) -> str:
    """MathML of a formula, or its source where that fails."""
    # docutils wants to know the side of a bracket, and declarations at the start of a group only.
    known = re.sub(r"\\([bB]igg?)\s*(?=[(\[])", r"\\\1l", source)
    known = re.sub(r"\\([bB]igg?)\s*(?=[)\]])", r"\\\1r", known)
    known = re.sub(r"\\(text|display)style\b", "", known)
    # Bars are brackets, rather than operators with space around them.
    known = re.sub(r"(?<!\\)\|([^|]+?)(?<!\\)\|", r"\\lvert \1\\rvert ", known)
    known = known.replace(r"\lvert", r"\left|").replace(r"\rvert", r"\right|")
    # It reads the digits of \frac12 as one number.
    known = re.sub(r"\\([td]?frac)\s*(\w)\s*(\w)", r"\\\1{\2}{\3}", known)
    try:
        return tex2mathml(known, as_block=as_block)
    except MathError as error:
        logger.warning("formula not understood: %s in %r", error, source, location=node)
        return f"<code>{source}</code>"


def visit_inline(translator: Any, node: nodes.math) -> None:
    """Write a formula within a line."""
    translator.body.append(converted(node.astext(), node, as_block=False))
    raise nodes.SkipNode


def visit_block(translator: Any, node: nodes.math_block) -> None:
    """Write a formula of its own, within a frame that scrolls where it is too wide."""
    formula = converted(node.astext(), node, as_block=True)
    # What scrolls must be reached by keys, and then have a name.
    frame = '<div class="math-block" tabindex="0" role="region" aria-label="Formula">'
    translator.body.append(f"{frame}{formula}</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer under the name "mathml"."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}

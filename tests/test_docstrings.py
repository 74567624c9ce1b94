"""What every public name says of itself: numpydoc's checks (`pyproject.toml`), and some that it does not have."""

import ast
import dataclasses
import importlib
import inspect
import re
import textwrap
import tomllib
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from trackfolio.constraints import Constraint
from trackfolio.costs import Cost
from trackfolio.objectives import Objective
from trackfolio.risks import Risk

from .test_architecture import exported

numpydoc = pytest.importorskip("numpydoc.validate", reason="numpydoc is among the tools of `make check`")
from numpydoc.docscrape import get_doc_object  # noqa: E402

SETTINGS = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["tool"]
CHECKS = SETTINGS["numpydoc_validation"]["checks"]
CONSTANTS = {"trackfolio.solvers.REGISTRY"}  # have a comment rather than a docstring
BASES = ("Constraint", "Cost", "Objective", "Risk")
OF_FORMULAS = ("constraints", "costs", "metrics", "objectives", "risks")
# What others measure or minimise has a source; these are defined by their formula alone, or by what they are given.
WITHOUT_SOURCE = {
    "constraints": {
        *("AbsoluteSum", "ActiveBounds", "Exposure", "GroupBounds", "GroupRatio", "HeldLimit"),
        *("Limit", "LinearConstraint", "MaxTrades", "MinReturn", "RiskLimit", "Rows"),
    },
    "costs": {"CustomCost", "ManagementFee"},
    "objectives": {"MaxReturn"},
}


class Name(NamedTuple):
    """A class, function, method or property, and the class that defines it."""

    full: str
    value: Any
    owner: type | None = None


def loaded(full: str) -> Any:
    """Object of a full name."""
    module, _, name = full.rpartition(".")
    return getattr(importlib.import_module(module), name)


NAMES = [Name(full, loaded(full)) for full in sorted(exported() - CONSTANTS)]
CLASSES = [name for name in NAMES if inspect.isclass(name.value)]


def members() -> list[Name]:
    """Public methods and properties of the public classes, each once, in the class that defines it.

    Those that classes inherit from elsewhere (scikit-learn, dict, Exception) have their documentation there, and
    scikit-learn generates `set_fit_request` and its like.
    """
    found: dict[Any, Name] = {}
    for _, cls, _ in CLASSES:
        for name in dir(cls):
            owner = next(c for c in cls.__mro__ if name in vars(c))
            value = getattr(cls, name)
            is_own = owner.__module__.startswith("trackfolio") and not re.fullmatch("_.*|set_.*_request", name)
            if is_own and (callable(value) or isinstance(value, property | cached_property)):
                found.setdefault((owner, name), Name(f"{cls.__module__}.{cls.__qualname__}.{name}", value, owner))
    return list(found.values())


MEMBERS = members()
METHODS = [name for name in MEMBERS if callable(name.value)]


def ids(names: list[Name]) -> Any:
    """Parameters of a test, by full name."""
    return pytest.mark.parametrize("name", [pytest.param(name, id=name.full) for name in names])


def parsed(value: Any) -> Any:
    """Docstring by sections."""
    return get_doc_object(value)


def faults(full: str) -> list[str]:
    """What numpydoc finds, but for the checks that `pyproject.toml` excludes."""
    assert "all" in CHECKS
    return [f"{code} {text}" for code, text in numpydoc.validate(full)["errors"] if code not in CHECKS]


@ids(NAMES)
def test_classes_and_functions_are_documented(name):
    wrong = faults(name.full)
    if inspect.isclass(name.value) and fields(name.value):
        # Nobody but the library makes these: their parameters are the attributes.
        wrong = [fault for fault in wrong if not fault.startswith("PR01")]
        sections = parsed(name.value)
        said = {part for key in ("Parameters", "Attributes") for entry in sections[key] for part in names_in(entry)}
        assert fields(name.value) <= said, f"not documented: {sorted(fields(name.value) - said)}"
    assert not wrong, "\n".join(wrong)


def fields(cls: type) -> set[str]:
    """Public fields of a dataclass or a named tuple."""
    names = [f.name for f in dataclasses.fields(cls)] if dataclasses.is_dataclass(cls) else getattr(cls, "_fields", ())
    return {name for name in names if not name.startswith("_")}


def names_in(entry: Any) -> list[str]:
    """Names of one entry of a section: "X, y : array-like" has two."""
    return [part.strip() for part in entry.name.split(",")]


@ids(MEMBERS)
def test_methods_are_documented(name):
    """A method has all sections, or one line that says what it returns, its parameters explained by its class.

    An example stands in the docstring of the class.
    """
    wrong = [fault for fault in faults(name.full) if not fault.startswith("EX01")]
    if name in METHODS and not parsed(name.value)["Parameters"]:
        unsaid = set(parameters(name.value)) - said_by_the_class(name)
        assert not unsaid, f"neither {name.full} nor its class says what {sorted(unsaid)} are"
        wrong = [fault for fault in wrong if not fault.startswith(("PR01", "RT01"))]
    assert not wrong, "\n".join(wrong)


def parameters(function: Any) -> list[str]:
    """Names of the parameters of a method."""
    return [name for name in inspect.signature(function).parameters if name != "self"]


def said_by_the_class(name: Name) -> set[str]:
    """Parameters that a method may leave to others: to its class by name, or to the method that it overrides."""
    assert name.owner is not None
    own = name.full.rpartition(".")[2]
    public = [c for c in name.owner.__mro__ if c.__module__.startswith("trackfolio")]
    above = [vars(c).get(own) for c in public[1:]]
    texts = [inspect.getdoc(value) or "" for value in (name.value, *public, *above)]
    said = set(re.findall(r"`+(\w+)`+", " ".join(texts)))
    for value in (name.owner, *filter(None, above)):
        said |= {part for entry in parsed(value)["Parameters"] for part in names_in(entry)}
    for call in re.findall(rf"`{own}\((.*?)\)", " ".join(texts)):
        said |= set(re.findall(r"\w+", call))
    return said


@ids([name for name in NAMES if name.full.split(".")[1] in OF_FORMULAS and name.full.split(".")[2] not in BASES])
def test_measures_terms_and_objectives_have_their_formula_and_its_source(name):
    text = inspect.getdoc(name.value)
    _, kind, own = name.full.split(".")
    assert re.search(r":math:`|\.\. math::|``.*[=<Σ].*``", text), "no formula"
    if own not in WITHOUT_SOURCE.get(kind, ()):
        assert parsed(name.value)["References"] or re.search(r"\(\d{4}\)", text), "no source: a section References"


@ids([name for name in NAMES if name.full.split(".")[1] in ("costs", "metrics", "objectives", "risks")])
def test_units_are_said(name):
    """A function says the unit of what it returns, a class that of its values."""
    returns = parsed(name.value)["Returns"]
    text = " ".join(returns[0].desc) if returns else inspect.getdoc(name.value)
    assert re.search(r"\b(unit|units|per period|share of)\b", text, re.IGNORECASE), "no unit"


@ids(NAMES)
def test_errors_are_documented(name):
    """What a class or function raises in its own code stands in a section Raises, of itself or of the method."""
    sources = [name.value]
    if inspect.isclass(name.value):
        sources = [c for c in name.value.__mro__ if c.__module__.startswith("trackfolio") and c.__name__ not in BASES]
        is_term = issubclass(name.value, Constraint | Cost | Objective | Risk) and name.full.split(".")[-1] not in BASES
        if is_term and inspect.signature(name.value).parameters:
            assert parsed(name.value)["Raises"], "a term with parameters says which of them are errors"
    docs = [name.value, *(m.value for m in METHODS if m.owner in sources)]
    said = {error.strip() for doc in docs for entry in parsed(doc)["Raises"] for error in entry.type.split(",")}
    unsaid = set().union(*(raised(source) for source in sources)) - said - {"NotImplementedError"}
    assert not unsaid, f"no section Raises has {sorted(unsaid)}"


@cache
def raised(value: Any) -> frozenset[str]:
    """Names of the errors that code raises."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(value)))
    calls = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)]
    return frozenset(call.func.id for call in calls if isinstance(call.func, ast.Name) and call.func.id[0].isupper())

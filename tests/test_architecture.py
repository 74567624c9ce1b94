"""The floors of the library, its public names and its lightness, read from the source itself."""

import ast
import graphlib
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType

import pytest

import trackfolio

ROOT = Path(__file__).parents[1]
API_PAGE = ROOT / "docs" / "api.rst"

# A module imports from its own floor or from lower ones; the package itself re-exports, on top.
FLOORS = """
0 exceptions _validation _terms _array_like _frequency _paths _quadratic _position _moments _functions _constraint
0 _diagnosis
0 _metric_input _power_sum _shape _products _holdings _universe _threads _running _version _interrupts _html _tooltips
1 risks datasets
2 metrics _weight_measures constraints costs objectives
3 portfolio _portfolio_html _portfolio_input _portfolio_summary comparison
3 _search_proof _held_portfolio shares
3 problem solution _reach _cone_form certificate
4 solvers
5 _base _holder _dinkelbach _expected_returns
6 tracking mean_risk baselines diagnosis
7 model_selection testing
8 display report cli
9 __init__ __main__
"""
TABLE = [line.split() for line in FLOORS.strip().splitlines()]
FLOOR_OF = {name: int(level) for level, *names in TABLE for name in names}

LOADED_WHEN_NEEDED = {"cvxpy", "matplotlib", "numba", "piqp", "clarabel"}

MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "trackfolio").rglob("*.py"))
}


def floor(module: str) -> int:
    """Floor of a module; a subpackage stands on one floor."""
    name = [*module.split("."), "__init__"][1]
    if name not in FLOOR_OF:
        pytest.fail(f"trackfolio.{name} has no floor: add it to FLOORS in {Path(__file__).name}")
    return FLOOR_OF[name]


def imports(module: str) -> Iterator[tuple[int, str]]:
    """Lines and names of the trackfolio modules that a module imports, anywhere in its file.

    Imports within functions and under `if TYPE_CHECKING:` count as well: both are knowledge of
    the other module. What a lower floor has to know of a higher one, it says by a Protocol.
    """
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            source = resolve_name("." * node.level + (node.module or ""), package)
            targets = [f"{source}.{alias.name}" for alias in node.names]
        else:
            continue
        for target in targets:
            while target and target not in MODULES:
                target = target.rpartition(".")[0]
            if target:
                yield node.lineno, target


@pytest.mark.parametrize("module", MODULES)
def test_imports_come_from_no_higher_floor(module):
    own = floor(module)
    climbs = [
        f"{MODULES[module].relative_to(ROOT)}:{line} (floor {own}) imports {target} (floor {floor(target)})"
        for line, target in imports(module)
        if floor(target) > own
    ]
    assert not climbs, "\n".join(climbs)


def test_imports_have_no_cycles():
    graph = {module: {target for _, target in imports(module)} for module in MODULES}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail("modules import one another: " + " <- ".join(error.args[1]))


@pytest.mark.parametrize("module", MODULES)
def test_no_module_is_longer_than_400_lines(module):
    lines = len(MODULES[module].read_text("utf-8").splitlines())
    assert lines <= 400, f"{MODULES[module].relative_to(ROOT)} has {lines} lines: split it"


def test_import_loads_no_solver_and_no_plotting():
    code = "import sys; from trackfolio import *; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = LOADED_WHEN_NEEDED.intersection(run.stdout.split())
    assert not loaded, f"`from trackfolio import *` imports {', '.join(sorted(loaded))}"


def test_the_package_and_the_command_line_load_nothing_before_it_is_needed():
    code = "import sys, trackfolio, trackfolio.cli; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"numpy", "pandas", "scipy", "sklearn"}.intersection(run.stdout.split()) == set()


def test_names_that_are_not_there_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'MinTrackingErorr'"):
        _ = trackfolio.MinTrackingErorr
    with pytest.raises(ImportError, match="cannot import name 'nothing'"):
        from trackfolio import nothing  # noqa: F401
    assert trackfolio.risks is importlib.import_module("trackfolio.risks")


def test_types_are_published():
    assert (ROOT / "trackfolio" / "py.typed").is_file()


def test_versions_agree():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert trackfolio.__version__ == project["version"]


def own_names(names: Iterable[str]) -> set[str]:
    """Those of the package's names that are public and not modules."""
    public = {name for name in names if not name.startswith("_")}
    return {name for name in public if not isinstance(getattr(trackfolio, name), ModuleType)}


def test_public_names_of_the_package_are_in_all():
    assert own_names(dir(trackfolio)) == own_names(trackfolio.__all__)


def exported() -> set[str]:
    """Full public names: those of the package, and those that a public module keeps to itself."""
    top = own_names(trackfolio.__all__)
    names = {f"trackfolio.{name}" for name in top}
    for module in MODULES:
        if re.fullmatch(r"trackfolio\.[a-z]\w*", module):
            own = importlib.import_module(module)
            names |= {f"{module}.{name}" for name in set(own.__all__) - top}
    return names


def documented() -> set[str]:
    """Full names of the entries of all autosummary tables on the API page."""
    names = set()
    module, in_table = "trackfolio", False
    for line in API_PAGE.read_text("utf-8").splitlines():
        if switch := re.match(r"\.\. (?:currentmodule|module|automodule):: *(\S+)", line):
            module = switch[1]
        if line and not line[0].isspace():
            in_table = line.startswith(".. autosummary::")
        elif in_table and (entry := re.fullmatch(r"\s+~?([A-Za-z_][\w.]*)\s*", line)):
            name = entry[1]
            names.add(name if name.startswith("trackfolio.") else f"{module}.{name}")
    return names


def test_public_names_are_documented_and_nothing_else_is():
    public, shown = exported(), documented()
    assert public == shown, (
        f"missing in {API_PAGE.name}: {sorted(public - shown)}; not public: {sorted(shown - public)}"
    )

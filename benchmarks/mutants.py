"""Mutants as mutmut makes them, read back from the code that it writes: where each is, and what it changes."""

import ast
import contextlib
import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mutmut.configuration import reset_config
from mutmut.mutation.file_mutation import mutate_file_contents
from mutmut.utils.format_utils import get_mutant_name

_MARK = "__mutmut_"
# Texts that these take are what an error calls a value.
_TELLERS = {"warn", "_undefined", "limit", "finite", "not_negative", "per_asset", "finite_per_asset", "require_active"}
_TELLERS |= {
    "require_benchmark_weights",
    "require_previous_weights",
    "require_expected_returns",
    "check_same_index",
    "named",
}


@dataclass(frozen=True)
class Mutant:
    """One change of a function."""

    name: str
    function: str
    removed: str
    added: str
    excluded: str | None

    @property
    def change(self) -> tuple[str, str, str]:
        """What tells it from other mutants of a file, and stays when lines above change."""
        return self.function, self.removed, self.added


def mutants_of(root: Path, file: str) -> list[Mutant]:
    """Mutants of a file of the package, in the order of the file; `root` has the settings for mutmut."""
    path = Path("trackfolio") / file
    with contextlib.chdir(root):
        reset_config()
        mutated = mutate_file_contents(str(path), path.read_text(encoding="utf-8"))
    found = dict(_functions(ast.parse(mutated.code)))
    return [
        _mutant(get_mutant_name(path, name), found[name.rpartition("_")[0] + "_orig"], found[name])
        for name in mutated.mutant_names
    ]


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in tree.body:
        for function in node.body if isinstance(node, ast.ClassDef) else [node]:
            if isinstance(function, ast.FunctionDef) and _MARK in function.name:
                yield function.name, function


def _mutant(name: str, original: ast.FunctionDef, changed: ast.FunctionDef) -> Mutant:
    function = original.name.partition(_MARK)[0].removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
    changed.name = original.name
    before, after = (ast.unparse(f).splitlines() for f in (original, changed))
    lines = [line for line in difflib.unified_diff(before, after, lineterm="", n=0) if line[:3] not in ("---", "+++")]
    removed, added = ("\n".join(line[1:].strip() for line in lines if line[0] == sign) for sign in "-+")
    return Mutant(name, function, removed, added, _why_excluded(original, changed))


def _why_excluded(original: ast.FunctionDef, changed: ast.FunctionDef) -> str | None:
    if original.name.partition(_MARK)[0].endswith("__repr__"):
        return "repr"
    for why, blank in (("text of a message", _BlankMessages()), ("type annotation", _BlankTypes())):
        if ast.dump(blank.visit(_copy(original))) == ast.dump(blank.visit(_copy(changed))):
            return why
    return None


def _copy(function: ast.FunctionDef) -> ast.AST:
    return ast.parse(ast.unparse(function))


class _BlankMessages(ast.NodeTransformer):
    """Constant texts (or None in their place) in messages are blank; what is put into them stays."""

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        for inner in ast.walk(node):
            if isinstance(inner, ast.Call | ast.JoinedStr):
                _blank(inner)
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if getattr(node.func, "attr", getattr(node.func, "id", None)) in _TELLERS:
            _blank(node)
        return self.generic_visit(node)


def _blank(node: ast.Call | ast.JoinedStr) -> None:
    for inner in ast.iter_child_nodes(node):
        for part in inner.values if isinstance(inner, ast.JoinedStr) else [inner]:
            if isinstance(part, ast.Constant) and (part.value is None or isinstance(part.value, str)):
                part.value = ""


class _BlankTypes(ast.NodeTransformer):
    """The type in `cast(type, value)` is blank; mutmut leaves other annotations alone."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id == "cast":
            node.args[0] = ast.Constant("")
        return self.generic_visit(node)

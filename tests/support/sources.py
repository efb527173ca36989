"""Owns the reading of our own source: modules, what each imports, how long its parts are."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

CHECKOUT = Path(__file__).resolve().parents[2]
APPLIANCE = CHECKOUT / "appliance"

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Import(NamedTuple):
    """One imported module: its dotted name, its line, and whether it waits for a function to be called."""

    name: str
    line: int
    is_late: bool


@dataclass(frozen=True)
class Module:
    """A source file of the appliance."""

    path: Path

    @property
    def name(self) -> str:
        """The path within appliance/ without its ending: `queue/client`."""
        return self.path.relative_to(APPLIANCE).with_suffix("").as_posix()

    @property
    def folder(self) -> str:
        """The station; empty for the files that lie in appliance/ itself."""
        return self.name.rpartition("/")[0]

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def sentence(self) -> str:
        """The first line of the docstring."""
        return (ast.get_docstring(self.tree) or "").partition("\n")[0]

    @property
    def has_code(self) -> bool:
        """Whether there is more than a docstring."""
        return len(self.tree.body) > 1

    @cache  # noqa: B019 - modules live as long as the tests
    def imports(self) -> tuple[Import, ...]:
        """Every imported module; of `from a import b` both a and a.b, since b may be one."""
        return tuple(self._imports())

    def _imports(self) -> Iterator[Import]:
        late = {inner for function in self.functions() for inner in ast.walk(function)}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (Import(alias.name, node.lineno, node in late) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = "." * node.level + (node.module or "")
                yield Import(base, node.lineno, node in late)
                yield from (Import(f"{base}.{alias.name}", node.lineno, node in late) for alias in node.names)

    def definitions(self) -> Iterator[Definition]:
        """Every function and class, nested ones too."""
        return (node for node in ast.walk(self.tree) if isinstance(node, Definition))

    def functions(self) -> Iterator[Function]:
        """Every function and method."""
        return (node for node in ast.walk(self.tree) if isinstance(node, Function))


def modules() -> list[Module]:
    """Every source file of the appliance, in order of name."""
    return [Module(path) for path in sorted(APPLIANCE.rglob("*.py"))]


def lines_of(function: Function) -> int:
    """How many lines a function has, its docstring and decorators not counted."""
    body = function.body
    documented = isinstance(body[0], ast.Expr) and isinstance(getattr(body[0].value, "value", None), str)
    docstring = (body[0].end_lineno or 0) - body[0].lineno + 1 if documented else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


def parameters_of(function: Function) -> int:
    """How many parameters a function has, self and cls not counted."""
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return len([argument for argument in named if argument.arg not in ("self", "cls")])

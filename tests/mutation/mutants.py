"""Small mistakes for a source file: which there are, what each is called, and the source with one of them.

A mutant is one changed operator, number, condition or a dropped statement. Knows nothing of tests; `mutate` runs them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Add: ast.Sub, ast.Sub: ast.Add,
    ast.Mult: ast.Div, ast.Div: ast.Mult, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


class Mutant(NamedTuple):
    """One mistake: its module, its name (as in the list of the equivalent ones), its line, and which place it is."""

    module: str
    name: str
    line: int
    index: int

    def source(self) -> str:
        """Returns the module's source with the mistake."""
        tree = ast.parse(path_of(self.module).read_text())
        _, node, how = list(places(tree))[self.index]
        change(node, how)
        return ast.unparse(ast.fix_missing_locations(tree))


def mutants(module: str) -> Iterator[Mutant]:
    """Yields all mutants of a module."""
    source = path_of(module).read_text()
    lines = source.splitlines()
    for index, (function, node, how) in enumerate(places(ast.parse(source))):
        line: int = node.lineno  # type: ignore[attr-defined]
        text = lines[line - 1].strip()
        what = ast.unparse(node.test if isinstance(node, (ast.If, ast.While, ast.IfExp)) else node)
        name = f"{module}.{function} {how} {what}" + ("" if what == text else f" | {text}")
        yield Mutant(module, name, line, index)


def path_of(module: str) -> Path:
    """Returns where a module is: `engine.cell` is `reactive_ws/engine/cell.py`."""
    return ROOT.joinpath("reactive_ws", *module.split(".")).with_suffix(".py")


def places(tree: ast.Module) -> Iterator[tuple[str, ast.AST, str]]:
    """Yields every node that can be changed: its function, itself, and how."""
    for name, outermost in statements(tree):
        for node in ast.walk(outermost):
            if isinstance(node, (ast.Compare, ast.BinOp, ast.BoolOp)):
                operator = node.ops[0] if isinstance(node, ast.Compare) else node.op
                if type(operator) in SWAPS:
                    yield name, node, "swap"
            elif isinstance(node, (ast.If, ast.While, ast.IfExp)):
                if not isinstance(node.test, ast.Constant):
                    yield name, node, "negate"
            elif isinstance(node, ast.Constant) and isinstance(node.value, (bool, int, float)):
                yield name, node, "constant"
            elif node is not outermost and (
                isinstance(node, ast.AugAssign)
                or (isinstance(node, ast.Expr) and not is_for_people(node))
                or (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute))
            ):
                yield name, node, "drop"


def statements(tree: ast.AST, path: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Yields the outermost functions with their qualified names, and what is assigned outside of them."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield from statements(node, f"{path}{node.name}.")
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if not is_without_a_rule(node):
                yield f"{path}{node.name}", node
        elif isinstance(node, ast.Assign):
            yield f"{path}{ast.unparse(node.targets[0])}", node
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            yield f"{path}{ast.unparse(node.target)}", node.value


def is_without_a_rule(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function is a repr, a declaration or abstract."""
    return (
        function.name == "__repr__"
        or any("overload" in ast.dump(mark) for mark in function.decorator_list)
        or any(
            isinstance(node, ast.Raise) and "NotImplemented" in ast.dump(node)
            for node in function.body
        )
    )


def is_for_people(node: ast.Expr) -> bool:
    """Whether a statement is a docstring, which no rule is about."""
    return isinstance(node.value, ast.Constant)


def change(node: ast.AST, how: str) -> None:
    """Changes a node in place."""
    if how == "swap" and isinstance(node, ast.Compare):
        node.ops[0] = SWAPS[type(node.ops[0])]()  # type: ignore[call-overload]
    elif how == "swap" and isinstance(node, (ast.BinOp, ast.BoolOp)):
        node.op = SWAPS[type(node.op)]()  # type: ignore[assignment]
    elif how == "negate" and isinstance(node, (ast.If, ast.While, ast.IfExp)):
        node.test = ast.UnaryOp(ast.Not(), node.test)
    elif how == "constant" and isinstance(node, ast.Constant):
        is_flag = isinstance(node.value, bool)
        node.value = not node.value if is_flag else node.value + 1  # type: ignore[operator]
    elif how == "drop":
        node.__class__ = ast.Pass
        node._fields = ()  # type: ignore[attr-defined]

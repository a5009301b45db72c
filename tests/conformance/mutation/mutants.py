"""Mutants of the rule modules: one operator, number or statement changed, in one function."""

import ast
import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType
from typing import NamedTuple

MODULES = (
    "stressproof.verify.instants",
    "stressproof.verify.probes",
    "stressproof.verify.subject",
    "stressproof.verify.differences",
    "stressproof.verify.lenient_decoder",
    *(
        f"stressproof.verify.stress.{name}"
        for name in (
            "document",
            "provenance",
            "bounds",
            "preflight",
            "timing",
            "figures",
            "physics",
            "objectives",
            "evaluation",
            "rows",
            "recomputation",
            "clocks",
            "coverage",
            "connections",
            "service",
            "rate_limits",
            "counters",
            "database",
            "sent",
            "shares",
            "load",
            "busy_users",
            "users",
            "flows",
            "executor",
            "endpoints",
        )
    ),
    *(
        f"stressproof.verify.failure.{name}"
        for name in ("document", "faults", "operations", "people", "scenarios", "testbed", "trials")
    ),
)
_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
}


class Mutant(NamedTuple):
    """One change of one function."""

    module: str
    function: str
    line: int
    change: str
    code: CodeType

    @property
    def name(self) -> str:
        """Stable as long as the function's text is: no line number in it."""
        return f"{self.module.removeprefix('stressproof.verify.')}:{self.function}: {self.change}"


def of_module(module: str) -> Iterator[Mutant]:
    """Yield every mutant of a module's functions."""
    path = importlib.import_module(module).__file__
    assert path is not None  # a module of ours has a file
    source = Path(path).read_text()
    count = sum(1 for _ in _places(ast.parse(source)))
    for number in range(count):
        tree = ast.parse(source)
        function, line, change = next(
            found for place, found in enumerate(_places(tree, number)) if place == number
        )
        code = compile(ast.fix_missing_locations(tree), path, "exec")
        inner = _function_code(code, function)
        if inner is not None:
            yield Mutant(module, function, line, change, inner)


def _function_code(code: CodeType, name: str) -> CodeType | None:
    for constant in code.co_consts:
        if isinstance(constant, CodeType) and constant.co_name == name:
            return constant
    return None


def _places(tree: ast.Module, apply: int = -1) -> Iterator[tuple[str, int, str]]:
    """Yield (function, line, change) for each place; the one numbered ``apply`` is changed."""
    number = 0
    for function in tree.body:
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in _judging(function):
            for change, do in _changes(node):
                if number == apply:
                    do()
                yield function.name, getattr(node, "lineno", 0), change
                number += 1


def _judging(node: ast.AST) -> Iterator[ast.AST]:
    """Walk what decides: words, paths, remedies and reasons for not comparing are for people."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Constant):
            vars(child)["around"] = node
        if isinstance(child, ast.JoinedStr) or _is_for_people(child):
            continue
        yield child
        name = ast.unparse(child.func) if isinstance(child, ast.Call) else ""
        if name == "judgement.check" and isinstance(child, ast.Call):
            yield child.args[0]  # the others say what was seen and expected
            yield from _judging(child.args[0])
        elif name not in {"judgement.fail", "judgement.inconclusive"}:
            yield from _judging(child)


def _is_for_people(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) in {"prose", "show", "show_instant"}
    if isinstance(node, ast.If):
        return all(_is_skip(each) for each in node.body) and not node.orelse
    return _is_skip(node)


def _is_skip(node: ast.AST) -> bool:
    """Whether a statement only says why nothing is compared."""
    return isinstance(node, ast.Expr) and ast.unparse(node).startswith("judgement.skip(")


def _changes(node: ast.AST) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield what can be changed about a node, in words and as an action."""
    if isinstance(node, ast.If):
        test = node.test
        yield (
            f"if {ast.unparse(test)}: negated",
            lambda: setattr(node, "test", ast.UnaryOp(ast.Not(), test)),
        )
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield (
            f"{ast.unparse(node)[:90]}: dropped",
            lambda: setattr(node, "value", ast.Constant(None)),
        )
    elif isinstance(node, ast.Constant) and type(node.value) in {int, float}:
        value = node.value
        around = ast.unparse(getattr(node, "around", node)).splitlines()[0][:90]
        yield f"{around}: {value} -> {value + 1}", lambda: setattr(node, "value", value + 1)
    elif isinstance(node, ast.expr):
        yield from _operator_changes(node)


def _operator_changes(node: ast.expr) -> Iterator[tuple[str, Callable[[], None]]]:
    before = ast.unparse(node)
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            other = _COMPARISONS.get(type(operator))
            if other is not None:
                yield (
                    f"{before}: {type(operator).__name__} -> {other.__name__}",
                    lambda place=place, other=other: node.ops.__setitem__(place, other()),
                )
    elif isinstance(node, ast.BoolOp):
        flipped = ast.Or if isinstance(node.op, ast.And) else ast.And
        yield f"{before}: {type(node.op).__name__} flipped", lambda: setattr(node, "op", flipped())
    elif isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        other = _ARITHMETIC[type(node.op)]
        yield (
            f"{before}: {type(node.op).__name__} -> {other.__name__}",
            lambda: setattr(node, "op", other()),
        )
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield f"{before}: not dropped", lambda: setattr(node, "op", ast.UAdd())

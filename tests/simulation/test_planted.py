"""The bugs that are planted are nowhere but here: what they take the place of stands, once."""

from __future__ import annotations

import ast
import dis
from inspect import getattr_static, getsource, isclass, isfunction, unwrap
from typing import TYPE_CHECKING, Any

import pytest

from tests.builders import ROOT
from tests.simulation import mutations, test_queues

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLANTED = [
    *(
        pytest.param(bug.owner, bug.attribute, bug.value, id=name)
        for name, bug in mutations.MUTATIONS.items()
    ),
    *(
        pytest.param(owner, attribute, value, id=f"{name}: {attribute}")
        for name, bugs in test_queues.PLANTED.items()
        for owner, attribute, value in bugs
    ),
]
SHIPPED = ("benchmarks", "cli", "docs", "examples", "functions", "lab", "layers", "publisher/src")
TOP = ROOT.parts
SHORTEST = 60
"""Characters of a body that nobody writes twice by chance."""


def comes_to(value: Any) -> Any:
    """Return a value; of a function what it does, whatever its arguments are called."""
    value = value.fget if isinstance(value, property) else unwrap(value)
    if not isfunction(value):
        return value
    steps = dis.get_instructions(value)
    return [(one.opname, one.arg if one.opcode in dis.haslocal else one.argval) for one in steps]


def defined_in(owner: Any, attribute: str) -> int:
    """Return how often a module, or the class that has it, defines or imports an attribute."""
    if isclass(owner):
        owner = next(each for each in owner.__mro__ if attribute in vars(each))
    (tree,) = ast.parse(getsource(owner)).body if isclass(owner) else [ast.parse(getsource(owner))]
    return list(names_in(tree)).count(attribute)


def names_in(tree: Any) -> Iterator[str]:
    for node in tree.body:
        match node:
            case ast.FunctionDef() | ast.ClassDef():
                yield node.name
            case ast.Assign():
                yield from (each.id for each in node.targets if isinstance(each, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.ImportFrom():
                yield from (alias.asname or alias.name for alias in node.names)
            case _:
                pass


def bodies(text: str) -> Iterator[str]:
    """Yield the body of each function of a module, without its docstring and comments."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            has_docstring = ast.get_docstring(node) is not None
            yield "\n".join(ast.unparse(each) for each in node.body[has_docstring:])


def shipped(pattern: str) -> list[Path]:
    """Return the files of a pattern; nothing that is built or installed beside them."""
    found = (path for folder in SHIPPED for path in (ROOT / folder).rglob(pattern))
    return [path for path in found if not any(one[0] == "." for one in path.parts[len(TOP) :])]


@pytest.mark.parametrize(("owner", "attribute", "value"), PLANTED)
def test_what_is_planted_is_not_what_the_tree_has(owner: Any, attribute: str, value: Any) -> None:
    assert comes_to(getattr_static(owner, attribute)) != comes_to(value)


@pytest.mark.parametrize(("owner", "attribute", "value"), PLANTED)
def test_what_a_bug_takes_the_place_of_stands_once(owner: Any, attribute: str, value: Any) -> None:
    del value
    assert defined_in(owner, attribute) == 1


def test_no_text_of_a_planted_bug_is_in_code_or_documents() -> None:
    planted = {
        body
        for module in (mutations, test_queues)
        for body in bodies(getsource(module))
        if len(body) >= SHORTEST
    }
    written = {body: path for path in shipped("*.py") for body in bodies(path.read_text("utf-8"))}
    documents = {path: path.read_text("utf-8") for path in (*shipped("*.md"), *ROOT.glob("*.md"))}

    assert len(planted) > 10
    assert {body: path for body, path in written.items() if body in planted} == {}
    assert [path for path, text in documents.items() if any(one in text for one in planted)] == []

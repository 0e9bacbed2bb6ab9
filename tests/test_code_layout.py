"""Rooms import one another in one direction only, as docs/architecture.md lists them."""

import ast
import re
from pathlib import Path

import pytest

import brainprop

PROJECT = Path(__file__).parents[1]
PACKAGE = PROJECT / "brainprop"
OUTSIDE = {"__init__", "__main__"}  # They look names up, or hand over to a command.


def rooms() -> dict[str, int]:
    """The row of each room in the table, counted from the top."""
    text = (PROJECT / "docs/architecture.md").read_text()
    rows = re.findall(r"^\| `(\w+)(?:\.py|/)` \|", text, re.MULTILINE)
    return {name: row for row, name in enumerate(rows)}


def files() -> dict[str, list[Path]]:
    """The Python files of each room."""
    alone = {path.stem: [path] for path in PACKAGE.glob("*.py") if path.stem not in OUTSIDE}
    return alone | {
        path.parent.name: [*path.parent.glob("*.py")] for path in PACKAGE.glob("*/__init__.py")
    }


def imported(path: Path) -> set[str]:
    """The rooms that a file imports from."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "brainprop":
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("brainprop."):
            names.add(node.module.split(".")[1])
    return names


def test_the_table_lists_every_room():
    assert rooms().keys() == files().keys()


@pytest.mark.parametrize("room", sorted(files()))
def test_no_room_imports_upward(room):
    rows = rooms()
    used = set().union(*(imported(path) for path in files()[room])) & rows.keys() - {room}
    assert {other for other in used if rows[other] < rows[room]} == set()


def test_public_names_are_the_same_for_python_and_for_type_checkers():
    imports = {
        alias.name: node.module
        for node in ast.walk(ast.parse((PACKAGE / "__init__.py").read_text()))
        if isinstance(node, ast.ImportFrom) and node.module.startswith("brainprop.")
        for alias in node.names
    }
    homes = {name: f"brainprop.{home}" for name, home in brainprop._HOMES.items()}
    assert imports == homes
    assert sorted(brainprop.__all__) == sorted(homes)
    for name in homes:
        assert getattr(brainprop, name).__name__ == name

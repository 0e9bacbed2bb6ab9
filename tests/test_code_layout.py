"""Packages import one another in one direction only, as docs/architecture.md lists them."""

import ast
import re
from pathlib import Path

import pytest

import brainprop

PROJECT = Path(__file__).parents[1]
PACKAGE = PROJECT / "brainprop"
OUTSIDE = {"__init__", "__main__"}  # They look names up, or hand over to a command.


def packages() -> dict[str, int]:
    """The row of each package in the table, counted from the top. Some are single modules."""
    text = (PROJECT / "docs/architecture.md").read_text()
    rows = re.findall(r"^\| `(\w+)(?:\.py|/)` \|", text, re.MULTILINE)
    return {name: row for row, name in enumerate(rows)}


def files() -> dict[str, list[Path]]:
    """The Python files of each package."""
    alone = {path.stem: [path] for path in PACKAGE.glob("*.py") if path.stem not in OUTSIDE}
    return alone | {
        path.parent.name: [*path.parent.glob("*.py")] for path in PACKAGE.glob("*/__init__.py")
    }


def imported(path: Path) -> set[str]:
    """The packages that a file imports from."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "brainprop":
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("brainprop."):
            names.add(node.module.split(".")[1])
    return names


def test_the_table_lists_every_package():
    assert packages().keys() == files().keys()


@pytest.mark.parametrize("package", sorted(files()))
def test_no_package_imports_upward(package):
    rows = packages()
    used = set().union(*(imported(path) for path in files()[package])) & rows.keys() - {package}
    assert {other for other in used if rows[other] < rows[package]} == set()


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

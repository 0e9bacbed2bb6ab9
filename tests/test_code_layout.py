"""The modules import one another in one direction only, as docs/architecture.md lists them."""

import ast
import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
PACKAGE = PROJECT / "brainprop"
OUTSIDE = {"__init__", "__main__"}  # They look names up, or hand over to the command line.


def layers() -> dict[str, int]:
    """The row of each module in the table, counted from the top."""
    text = (PROJECT / "docs/architecture.md").read_text()
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \|", text, re.MULTILINE)
    return {name: row for row, names in enumerate(rows) for name in re.findall(r"`(\w+)`", names)}


def modules() -> dict[str, list[Path]]:
    """The package's modules by name, and those of its packages together."""
    found = {path.stem: [path] for path in PACKAGE.glob("*.py") if path.stem not in OUTSIDE}
    return found | {
        path.parent.name: [*path.parent.glob("*.py")] for path in PACKAGE.glob("*/__init__.py")
    }


def imported(path: Path) -> set[str]:
    """The modules that a file imports, by their name in the package."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "brainprop":
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("brainprop."):
            names.add(node.module.split(".")[1])
    return names


def test_the_table_lists_every_module():
    assert layers().keys() == modules().keys()


@pytest.mark.parametrize("name", sorted(modules()))
def test_no_module_imports_upward(name):
    rows = layers()
    used = set().union(*(imported(path) for path in modules()[name])) & rows.keys() - {name}
    assert {other for other in used if rows[other] < rows[name]} == set()

"""What README and docs show works: commands, links, programs; and they show all of it."""

import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import keras
import pytest

import brainprop
from brainprop import cli
from brainprop.options import experiment_of
from brainprop.reproduce import command as reproduce

PROJECT = Path(__file__).parents[1]
PAGES = [*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md"), *PROJECT.glob("weights/*.md")]
PARSERS = {"main.py": cli._parser, "brainprop.reproduce": reproduce._parser}


def commands() -> list[tuple[str, ...]]:
    """The words after `python` of every command, placeholders left out."""
    found = set()
    for page in PAGES:
        for line in re.findall(
            r"(?:^ {4}|`|^|^srun )(?:\S*/)?python ([^`\n]+)", page.read_text(), re.M
        ):
            words = [word for word in shlex.split(line, comments=True) if word != "$@"]
            if words[0] in ("main.py", "tinyimagenet.py", "-m") and "DATASET" not in words:
                found.add(tuple(words))
    return sorted(found)


def blocks(page: Path) -> list[str]:
    """The Python code on a page."""
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.S)


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_the_programs_take_the_commands_in_the_docs(words, monkeypatch):
    monkeypatch.chdir(PROJECT)
    program, arguments = (words[:2], words[2:]) if words[0] == "-m" else (words[:1], words[1:])
    if program[-1] in PARSERS:
        ids = [word.replace("$SLURM_ARRAY_TASK_ID", "1") for word in arguments]
        given = PARSERS[program[-1]]().parse_args(ids)
        if program == ("main.py",) and not given.config:  # The file is there after a run.
            experiment_of(given)
    else:
        options = [word for word in arguments if word.startswith("-")]
        assert [option for option in options if option not in help_of(*program)] == []


@cache
def help_of(*program: str) -> str:
    result = subprocess.run(
        [sys.executable, *program, "--help"], capture_output=True, text=True, cwd=PROJECT
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_commands_are_found_in_each_place():
    found = {" ".join(words) for words in commands()}
    assert "main.py CIFAR10 deep BrainProp -s" in found  # README, indented
    assert "-m brainprop.reproduce --dry-run" in found  # docs, with a comment behind it
    assert any("SLURM_ARRAY_TASK_ID" in words for words in found)  # docs, in a script


def test_the_program_in_the_readme_runs(tmp_path, monkeypatch):
    """On a few images."""
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(1)
    (program,) = blocks(PROJECT / "README.md")
    for whole, part in {
        "epochs=5": "epochs=2, max_train_samples=256, max_eval_samples=100",
        'load_data("MNIST")': 'load_data("MNIST", None, 640, 100)',
        "batch_size=128, epochs=20": "batch_size=8, epochs=6",
    }.items():
        assert whole in program
        program = program.replace(whole, part)
    names: dict = {}
    exec(program, names)
    assert names["run"].epochs == 2 and (tmp_path / "own.h5").exists()
    assert names["model"].history.history["accuracy"][-1] > 0.3  # Chance is 0.1.


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_lead_to_files_and_headings(page):
    for target, heading in re.findall(r"\]\((?!http)([^)#\s]*)#?([^)\s]*)\)", page.read_text()):
        path = page.parent / target if target else page
        assert path.exists(), target
        assert not heading or heading in headings(path)


def headings(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    found = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in found}


def test_the_readme_is_short():
    assert len((PROJECT / "README.md").read_bytes()) <= 9 * 1024


def test_every_option_is_explained():
    page = (PROJECT / "docs/options.md").read_text()
    names = {name for action in cli._parser()._actions for name in action.option_strings}
    names = {name for name in names if not re.match("-[a-z]|--no-|--help", name)}
    assert [name for name in sorted(names) if not re.search(f"{name}[ `]", page)] == []


def test_every_public_name_is_in_the_api():
    page = (PROJECT / "docs/api.md").read_text().splitlines()
    wanted = [f"::: brainprop.{home}.{name}" for name, home in brainprop._HOMES.items()]
    assert [line for line in wanted if line not in page] == []

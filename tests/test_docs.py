"""The programs take the commands in README and docs."""

import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import keras
import pytest

from brainprop import cli
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


@cache
def help_of(*program: str) -> str:
    result = subprocess.run(
        [sys.executable, *program, "--help"], capture_output=True, text=True, cwd=PROJECT
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_the_programs_take_the_commands_in_the_docs(words):
    program, arguments = (words[:2], words[2:]) if words[0] == "-m" else (words[:1], words[1:])
    if program == ("-m", "examples.digits"):
        assert not arguments  # It takes none; test_examples.py runs it.
        return
    told = help_of(*program)
    for option in (word for word in arguments if word.startswith("-")):
        assert re.search(rf"(?<![\w-]){re.escape(option)}\b", told), option
    parser = PARSERS.get(program[-1])
    if parser and "--help" not in arguments:
        seeds = [word.replace("$SLURM_ARRAY_TASK_ID", "1") for word in arguments]
        given = parser().parse_args(seeds)
        if program == ("main.py",):
            cli.experiment_of(given)


def test_commands_are_found_in_each_place():
    found = {" ".join(words) for words in commands()}
    assert "main.py CIFAR10 deep BrainProp -s" in found  # README, indented
    assert "-m brainprop.reproduce --dry-run" in found  # docs, with a comment behind it
    assert any("SLURM_ARRAY_TASK_ID" in words for words in found)  # docs, in a script


def test_the_programs_in_the_readme_run(tmp_path, monkeypatch):
    """On a few images."""
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(1)
    names = {}
    for program in blocks(PROJECT / "README.md"):
        program = program.replace('load_data("MNIST")', 'load_data("MNIST", None, 1280, 256)')
        program = program.replace("batch_size=128, epochs=10", "batch_size=16, epochs=10")
        few = "epochs=2, max_train_samples=1280, max_eval_samples=256"
        exec(program.replace("epochs=20", few), names)
    assert (tmp_path / "weights.h5").exists() and names["run"].epochs == 2
    accuracy = names["model"].history.history["accuracy"]  # Of a network of one's own.
    assert accuracy[-1] > 0.5

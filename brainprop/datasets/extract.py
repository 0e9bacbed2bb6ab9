"""Extracting tiny-imagenet-200.zip, resumable at any moment.

Each file is written under a temporary name and renamed once it is complete. `wnids.txt` comes last:
without it the loader knows that the folder is unfinished.
"""

import contextlib
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from brainprop.common.arguments import ArgumentParser
from brainprop.common.commands import SUCCESS, run_command
from brainprop.common.files import remove_stale, temporary_path, writing
from brainprop.common.reading import check_regular, reading
from brainprop.datasets.tiny_imagenet import FOLDER, SOURCE, prefix_of

_LAST = f"{FOLDER}/wnids.txt"


def extract(zip_path: Path, directory: Path) -> int:
    """Extracts the zip, or what is left of it after an interruption.

    Args:
        zip_path: tiny-imagenet-200.zip.
        directory: The folder in which to make its folder.

    Returns:
        How many files were written: 0 if all were there.

    Raises:
        BrainPropError: If the zip is missing or damaged, or a file cannot be written. No file is
            ever left half-written.
    """
    with contextlib.ExitStack() as stack:
        with reading(zip_path, SOURCE.remedy):
            check_regular(zip_path)
            archive = stack.enter_context(zipfile.ZipFile(zip_path))
            files = _files(archive)
        with writing(directory / FOLDER, "set that right and run it again to resume"):
            missing = [member for member in files if not _is_complete(member, directory)]
            if missing:
                _write(archive, missing, directory)
    return len(missing)


def _files(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Lists the data set's files, named as they will be in the folder."""
    prefix = prefix_of(archive)
    files = [
        member
        for member in archive.infolist()
        if member.filename.startswith(prefix) and not member.is_dir()
    ]
    for member in files:
        name = member.filename.removeprefix(prefix)
        if {"..", ""} & {*name.replace("\\", "/").split("/")}:
            raise ValueError(f"member {name!r} would not be inside {FOLDER}")
        member.filename = f"{FOLDER}/{name}"
    files.sort(key=lambda member: member.filename == _LAST)
    if not files or files[-1].filename != _LAST:
        raise ValueError(f"it holds no {_LAST}")
    return files


def _is_complete(member: zipfile.ZipInfo, directory: Path) -> bool:
    path = directory / member.filename
    return path.is_file() and path.stat().st_size == member.file_size


def _write(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], directory: Path) -> None:
    """Writes the members one by one."""
    folder = directory / FOLDER
    folder.mkdir(exist_ok=True)
    remove_stale(folder)
    partial = temporary_path(folder)  # Of this process alone.
    total = sum(member.file_size for member in members)
    # Without a terminal, disable=None shows no bar.
    with tqdm(total=total, desc="Extracting", unit="B", unit_scale=True, disable=None) as progress:
        try:
            for member in members:
                with reading(f"{archive.filename}: {member.filename!r}", SOURCE.remedy):
                    content = archive.read(member)  # It checks the CRC too.
                path = directory / member.filename
                path.parent.mkdir(parents=True, exist_ok=True)
                partial.write_bytes(content)
                os.replace(partial, path)
                progress.update(len(content))
        finally:
            partial.unlink(missing_ok=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line of `tinyimagenet.py`.

    Args:
        arguments: Defaults to those of the process.

    Returns:
        The exit code: 0 success, 1 stdout is closed, 2 bad input or a file that cannot be written,
        128 + n ended by signal n.
    """
    parser = ArgumentParser(
        prog="tinyimagenet.py",
        description=f"Extracts {SOURCE.file_name} of the current directory into it. Run it again "
        "after an interruption: it writes only what is missing.",
        epilog=f"The zip is at {SOURCE.url} (237 MB).",
    )

    def work() -> int:
        parser.parse_args(arguments)
        written = extract(Path(SOURCE.file_name), Path())
        print(f"{FOLDER}: " + (f"extracted {written} files" if written else "already complete"))
        return SUCCESS

    return run_command(work, parser, farewell=f"{parser.prog}: interrupted: run it again to resume")

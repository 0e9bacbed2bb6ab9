"""Extracting tiny-imagenet-200.zip, resumable at any moment.

Each file is moved to its place once it is complete. `wnids.txt` comes last: without it the loader
knows that the folder is unfinished.
"""

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from brainprop.common.commands import SUCCESS, ArgumentParser, run_command
from brainprop.common.files import temporary_folder, writing
from brainprop.common.reading import check_regular, reading
from brainprop.datasets.tiny_imagenet import FOLDER, SOURCE, WNIDS, members_of


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
    folder = directory / FOLDER
    with reading(zip_path, SOURCE.remedy):
        check_regular(zip_path)
        with (
            zipfile.ZipFile(zip_path) as archive,
            writing(folder, "set that right and run it again to resume"),
        ):
            members = members_of(archive)
            missing = [name for name in members if not _is_complete(folder / name, members[name])]
            missing.sort(key=lambda name: name == WNIDS)
            if missing:
                _write(archive, {name: members[name] for name in missing}, folder)
    return len(missing)


def _is_complete(path: Path, member: zipfile.ZipInfo) -> bool:
    return path.is_file() and path.stat().st_size == member.file_size


def _write(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], folder: Path) -> None:
    """Writes members to their names in the folder, one by one."""
    folder.mkdir(exist_ok=True)
    # Without a terminal, disable=None shows no bar.
    progress = tqdm(members.items(), desc="Extracting", unit="file", disable=None)
    with temporary_folder(folder) as temporary, progress:
        for name, member in progress:
            member.filename = name
            whole = archive.extract(member, temporary)  # It checks the CRC, and stays in there.
            place = folder / os.path.relpath(whole, temporary)
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(whole, place)


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

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
    """Extracts the zip into the folder `tiny-imagenet-200` of a directory.

    After an interruption, it extracts only what is missing.

    Returns:
        The number of files written: 0 if all were there.

    Raises:
        BrainPropError: If the zip is missing or damaged, or a file cannot be written.
    """
    folder = directory / FOLDER
    with reading(zip_path, SOURCE.remedy):
        check_regular(zip_path)
        with (
            zipfile.ZipFile(zip_path) as archive,
            writing(folder, "correct that and run it again to resume"),
        ):
            missing = {
                name: member
                for name, member in members_of(archive).items()
                if not _is_complete(folder / name, member)
            }
            if missing:
                _write(archive, missing, folder)
    return len(missing)


def _is_complete(path: Path, member: zipfile.ZipInfo) -> bool:
    return path.is_file() and path.stat().st_size == member.file_size


def _write(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], folder: Path) -> None:
    """Writes members to their names in the folder, one by one."""
    names = sorted(members, key=lambda name: name == WNIDS)  # It comes last.
    folder.mkdir(exist_ok=True)
    with (
        temporary_folder(folder) as temporary,
        tqdm(names, "Extracting", unit="file", disable=None) as bar,  # Only on a terminal.
    ):
        for name in bar:
            members[name].filename = name
            whole = archive.extract(members[name], temporary)  # It checks the CRC.
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
        description=f"Extracts {SOURCE.file_name} in the current directory. Run it again after an "
        "interruption: it writes only what is missing.",
        epilog=f"The zip is at {SOURCE.url} (237 MB).",
    )

    def work() -> int:
        parser.parse_args(arguments)
        written = extract(Path(SOURCE.file_name), Path())
        print(f"{FOLDER}: " + (f"extracted {written} files" if written else "already complete"))
        return SUCCESS

    return run_command(work, parser, farewell=f"{parser.prog}: interrupted: run it again to resume")

"""Extracting tiny-imagenet-200.zip: safely, and resumable at any moment.

Each file is written under a passing name and renamed once it is complete, so that whatever has its
final name need not be written again. `wnids.txt` comes last: without it the loader knows that the
folder is unfinished.
"""

import contextlib
import os
import shutil
import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from brainprop.common.arguments import ArgumentParser
from brainprop.common.commands import SUCCESS, run_command
from brainprop.common.errors import BrainPropError
from brainprop.common.files import passing_path, remove_stale, writing
from brainprop.common.reading import open_zip, reading
from brainprop.common.streams import prepare_streams
from brainprop.datasets.tiny_imagenet import FOLDER, MAX_TEXT_BYTES, MAX_ZIP_BYTES, SOURCE

MAX_MEMBERS = 200_000  # the real one has about 120,000
MAX_RATIO = 20  # JPEG hardly shrinks any further
DISK_BLOCK = 4096  # a small file takes a whole one

_RESUME = "set that right and run it again to resume"
_LAST = f"{FOLDER}/wnids.txt"


def extract(zip_path: Path, directory: Path) -> int:
    """Extracts the zip, or what is left of it after an interruption.

    Args:
        zip_path: tiny-imagenet-200.zip.
        directory: Where its folder shall be.

    Returns:
        How many files were written: 0 if all were there.

    Raises:
        BrainPropError: If the zip is missing, damaged or unsafe, or the disk full. No file is ever
            left half-written.
    """
    with contextlib.ExitStack() as stack:
        with reading(zip_path, SOURCE.remedy):
            archive = stack.enter_context(open_zip(zip_path, MAX_ZIP_BYTES))
            members = _checked_members(archive, zip_path)
        with writing(directory / FOLDER, _RESUME):
            missing = [member for member in members if not _is_complete(member, directory)]
        # the loader needs wnids.txt, so a folder that has it shall have everything
        missing.sort(key=lambda member: member.filename == _LAST)
        if missing:
            _check_space(missing, directory)
            _write(archive, missing, directory)
        return len(missing)


def _checked_members(archive: zipfile.ZipFile, zip_path: Path) -> list[zipfile.ZipInfo]:
    """Lists the files to write, once all are known to be safe."""
    members = archive.infolist()
    names = {member.filename for member in members}
    for member in members:
        problem = _problem(member)
        if problem:
            raise ValueError(f"member {ascii(member.filename)} {problem}")
    total = sum(member.file_size for member in members)
    if len(names) < len(members) or len(members) > MAX_MEMBERS:
        raise ValueError("it holds a name twice, or too many of them")
    if total > MAX_RATIO * zip_path.stat().st_size:
        raise ValueError(f"it would unpack to {total} bytes, more than such images can")
    if _LAST not in names:
        raise ValueError(f"it holds no {_LAST}")
    return [member for member in members if not member.is_dir()]


def _problem(member: zipfile.ZipInfo) -> str | None:
    """Tells what is unsafe about a member, if anything is."""
    folder, *others = member.filename.removesuffix("/").split("/")
    inside = folder == FOLDER and (others or member.is_dir())
    if not inside or {"", ".", ".."} & set(others) or "\\" in member.filename:
        return f"would not land inside {FOLDER}/"
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a special file"
    if member.file_size > MAX_TEXT_BYTES:
        return f"would unpack to {member.file_size} bytes, more than it may"
    return None


def _is_complete(member: zipfile.ZipInfo, directory: Path) -> bool:
    path = directory / member.filename
    return path.is_file() and path.stat().st_size == member.file_size


def _check_space(members: list[zipfile.ZipInfo], directory: Path) -> None:
    needed = sum(member.file_size + DISK_BLOCK for member in members)
    free = shutil.disk_usage(directory).free
    if needed > free:
        raise BrainPropError(
            f"{directory.absolute()} has {free / 2**20:.0f} MiB left on its disk, and "
            f"{needed / 2**20:.0f} MiB are needed: make room and run it again"
        )


def _write(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], directory: Path) -> None:
    """Writes the members one by one, each first under a passing name of this process alone."""
    folder = directory / FOLDER
    partial = passing_path(folder)
    total = sum(member.file_size for member in members)
    with (
        writing(folder, _RESUME),
        tqdm(total=total, desc="Extracting", unit="B", unit_scale=True) as progress,
    ):
        remove_stale(folder)
        try:
            for member in members:
                with reading(f"{archive.filename}: {member.filename!r}", SOURCE.remedy):
                    content = archive.read(member)  # checks its CRC too
                path = directory / member.filename
                path.parent.mkdir(parents=True, exist_ok=True)
                partial.write_bytes(content)
                os.replace(partial, path)
                progress.update(len(content))
        finally:
            partial.unlink(missing_ok=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Is the command line of `tinyimagenet.py`.

    Args:
        arguments: Those of the command line by default.

    Returns:
        The exit code: 0 success, 1 nobody reads stdout, 2 bad input or a file that cannot be
        written, 128 + n ended by signal n.
    """
    prepare_streams()
    parser = ArgumentParser(
        prog="tinyimagenet.py",
        description=f"Extracts {SOURCE.file_name} of the current directory into it. Run it again "
        "after an interruption: it writes only what is missing.",
        epilog=f"The zip is at {SOURCE.url} (237 MB).",
    )
    parser.parse_args(arguments)

    def work() -> int:
        written = extract(Path(SOURCE.file_name), Path())
        print(f"{FOLDER}: " + (f"extracted {written} files" if written else "already complete"))
        return SUCCESS

    return run_command(work, parser, farewell=f"{parser.prog}: interrupted: run it again to resume")

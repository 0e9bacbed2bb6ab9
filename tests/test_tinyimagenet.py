"""tinyimagenet.py: extracts, resumes, and refuses what is damaged or unsafe."""

import os
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from official_layouts import write_tiny_imagenet, zip_of

from brainprop.datasets import extract, tiny_imagenet

SCRIPT = Path(__file__).resolve().parents[1] / "tinyimagenet.py"
NAME = "tiny-imagenet-200.zip"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current directory, with a small zip in it."""
    zip_of(write_tiny_imagenet(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != NAME
    }


def expected(folder: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(folder / NAME) as archive:
        return {m.filename: archive.read(m) for m in archive.infolist() if not m.is_dir()}


def refusal(capsys) -> str:
    """The one line on stderr that it must end with, the progress bar aside."""
    assert extract.main([]) == 2
    output = capsys.readouterr()
    *bar, line = output.err.strip("\n").splitlines()
    assert line.startswith("tinyimagenet.py: error: ") and line.isprintable()
    assert output.out == "" and all("Extracting" in part or not part for part in bar)
    return line


def test_script_extracts_and_then_says_that_it_is_complete(folder):
    first, second = (
        subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True) for _ in range(2)
    )
    assert (first.returncode, second.returncode) == (0, 0)
    assert "extracted 18 files" in first.stdout and first.stderr == ""
    assert second.stdout == "tiny-imagenet-200: already complete\n" and second.stderr == ""
    assert contents(folder) == expected(folder)
    assert len(tiny_imagenet.load(folder, classes=3)[0][0]) == 6


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full disk to print to")
def test_a_stdout_that_is_full_is_told_in_one_line(folder):
    with open("/dev/full", "w") as full:
        run = subprocess.run([sys.executable, SCRIPT], stdout=full, stderr=-1, text=True)
    assert run.returncode == 2
    assert "what this prints cannot be written (No space left" in run.stderr.splitlines()[-1]
    assert contents(folder) == expected(folder)


def test_a_closed_stderr_has_no_progress_bar(folder):
    line = shlex.join([sys.executable, str(SCRIPT)])
    run = subprocess.run(f"{line} 2>&-", shell=True, capture_output=True, text=True)
    assert run.returncode == 0 and "extracted 18 files" in run.stdout
    assert contents(folder) == expected(folder)


def test_script_helps_without_tensorflow():
    run = subprocess.run(
        [sys.executable, "-X", "importtime", SCRIPT, "--help"], capture_output=True, text=True
    )
    assert run.returncode == 0 and tiny_imagenet.SOURCE.url in run.stdout
    assert "tensorflow" not in run.stderr and "keras" not in run.stderr


def test_unknown_argument_is_refused():
    run = subprocess.run([sys.executable, SCRIPT, "--x"], capture_output=True, text=True)
    assert run.returncode == 2 and "tinyimagenet.py: error: " in run.stderr


def test_missing_zip_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    line = refusal(capsys)
    assert f"{NAME} is missing: download it" in line and tiny_imagenet.SOURCE.url in line
    assert not list(tmp_path.iterdir())


def test_what_is_complete_is_not_written_again(folder, capsys):
    extract.main([])
    kept = folder / "tiny-imagenet-200/train/n01/images/n01_0.JPEG"
    before = kept.stat()
    (folder / "tiny-imagenet-200/val/images/val_1.JPEG").write_bytes(b"half of it")
    (folder / "tiny-imagenet-200/val/images/val_2.JPEG").unlink()
    left = folder / "tiny-imagenet-200/.0.brainprop.partial"
    left.write_bytes(b"left by a killed process")
    os.utime(left, (0, 0))
    assert extract.main([]) == 0
    assert "extracted 2 files" in capsys.readouterr().out
    assert kept.stat() == before and contents(folder) == expected(folder)


def test_two_at_once_do_not_mix_their_files(folder, monkeypatch):
    """The other one extracts everything between any two steps of this one."""
    replace = os.replace

    def other_first(*arguments):
        monkeypatch.setattr(os, "replace", replace)
        assert extract.main([]) == 0
        monkeypatch.setattr(os, "replace", other_first)
        replace(*arguments)

    monkeypatch.setattr(os, "replace", other_first)
    assert extract.main([]) == 0
    assert contents(folder) == expected(folder)


@pytest.mark.parametrize("at", range(1, 17, 3))
def test_interrupted_extraction_is_resumed(folder, monkeypatch, capsys, at):
    replace, moves = os.replace, []

    def interrupted(*arguments):
        moves.append(arguments)
        if len(moves) == at:
            raise KeyboardInterrupt
        replace(*arguments)

    monkeypatch.setattr(os, "replace", interrupted)
    assert extract.main([]) == 130
    assert "run it again to resume" in capsys.readouterr().err.splitlines()[-1]
    partial = contents(folder)
    assert len(partial) == at - 1 and partial.items() <= expected(folder).items()
    assert "tiny-imagenet-200/wnids.txt" not in partial  # so the loader knows
    monkeypatch.setattr(os, "replace", replace)
    assert extract.main([]) == 0
    assert f"extracted {19 - at} files" in capsys.readouterr().out
    assert contents(folder) == expected(folder)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_script_ended_by_a_signal_exits_with_its_code(folder, number):
    slow = (
        "import sys, time; from brainprop.datasets import extract\n"
        "extract._write = lambda *_: (print('ready', flush=True), time.sleep(60))\n"
        "sys.exit(extract.main([]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", slow],
        env={**os.environ, "PYTHONPATH": str(SCRIPT.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert errors == "tinyimagenet.py: interrupted: run it again to resume\n"


def test_truncated_zip_is_refused(folder, capsys):
    content = (folder / NAME).read_bytes()
    for tenths in range(10):
        (folder / NAME).write_bytes(content[: len(content) * tenths // 10])
        assert "download it again" in refusal(capsys)
        assert contents(folder) == {}


def test_member_of_a_wrong_checksum_is_named(folder, capsys):
    content = (folder / NAME).read_bytes()
    with zipfile.ZipFile(folder / NAME) as archive:
        whole = expected(folder)
        member = archive.getinfo("tiny-imagenet-200/train/n02/images/n02_1.JPEG")
    middle = member.header_offset + member.compress_size // 2
    (folder / NAME).write_bytes(
        content[:middle] + bytes([content[middle] ^ 16]) + content[middle + 1 :]
    )
    assert "train/n02/images/n02_1.JPEG" in refusal(capsys)
    assert contents(folder).items() <= whole.items()
    assert member.filename not in contents(folder)


def add(folder: Path, name: str, content: bytes = b"x", mode: int = 0) -> None:
    with zipfile.ZipFile(folder / NAME, "a") as archive:
        member = zipfile.ZipInfo("placeholder")
        member.filename, member.external_attr = name, mode << 16
        archive.writestr(member, content)


def test_members_outside_the_folder_are_left_out(folder):
    before = expected(folder)
    for name in (
        "../escaped", "/tmp/escaped", "C:/escaped", "elsewhere/escaped", "tiny-imagenet-200",
        "escaped", "..", "__MACOSX/tiny-imagenet-200/._train",
    ):  # fmt: skip
        add(folder, name)
    assert extract.main([]) == 0
    assert contents(folder) == before and not (folder.parent / "escaped").exists()


def test_members_that_would_leave_the_folder_stay_in_it(folder):
    outside = {*folder.parent.iterdir()}
    for name in ("../../escaped", "train/../../../escaped", "//tmp/escaped", "..\\escaped"):
        add(folder, f"tiny-imagenet-200/{name}")
    assert extract.main([]) == 0
    assert {path.name for path in folder.iterdir()} == {"tiny-imagenet-200", NAME}
    assert {*folder.parent.iterdir()} == outside and not Path("/tmp/escaped").exists()


def test_a_link_becomes_a_file(folder):
    add(folder, "tiny-imagenet-200/link", b"/etc/passwd", stat.S_IFLNK | 0o777)
    assert extract.main([]) == 0
    link = folder / "tiny-imagenet-200/link"
    assert not link.is_symlink() and link.read_bytes() == b"/etc/passwd"


@pytest.mark.parametrize("prefix", ["", "data/", "data/tiny-imagenet-200/"])
def test_zips_packed_in_another_place_are_extracted_and_read(folder, prefix):
    before = expected(folder)
    with zipfile.ZipFile(folder / NAME, "w") as archive:
        for name, content in before.items():
            archive.writestr(prefix + name.removeprefix("tiny-imagenet-200/"), content)
    assert len(tiny_imagenet.load(folder, classes=3)[0][0]) == 6
    (folder / "tiny-imagenet-200.cache").unlink()
    assert extract.main([]) == 0
    assert contents(folder) == before


def test_zip_of_something_else_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / NAME
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny-imagenet-200/readme.txt", "text")
    assert "holds no tiny-imagenet-200/wnids.txt" in refusal(capsys)
    path.unlink()
    for make, hint in ((path.mkdir, "is a folder"), (lambda: os.mkfifo(path), "is a pipe")):
        make()
        assert hint in refusal(capsys)
        path.rmdir() if path.is_dir() else path.unlink()


def test_disk_that_fills_up_leaves_nothing_half_written(folder, monkeypatch, capsys):
    copy, copied = shutil.copyfileobj, []

    def fill(source, target):
        copied.append(source)
        if len(copied) == 5:
            target.write(source.read(10))
            raise OSError(28, "No space left on device")
        copy(source, target)

    monkeypatch.setattr(shutil, "copyfileobj", fill)
    assert "No space left on device" in refusal(capsys)
    assert len(contents(folder)) == 4 and contents(folder).items() <= expected(folder).items()


def test_a_folder_that_one_may_not_look_into_is_refused(folder, capsys, monkeypatch):
    is_file = Path.is_file

    def refuse(path):
        if path.name == "wnids.txt":
            raise PermissionError(13, "Permission denied")
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", refuse)
    assert "Permission denied" in refusal(capsys)


def test_file_in_the_way_is_refused(folder, capsys):
    (folder / "tiny-imagenet-200").write_text("in the way")
    assert "cannot be written" in refusal(capsys)

"""`cityseg pairs`: statuses, and what is reported."""

import shlex
from pathlib import Path

import pytest
from city import encode, street, write
from made_pairs import write_pairs

from cityseg.cli.main import main


def test_everything_unpacked_ends_with_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs, data = write_pairs(tmp_path / "pairs", train=[1], val=[1]), tmp_path / "data"
    assert main(["pairs", str(pairs), "--data", str(data)]) == 0
    out = capsys.readouterr().out
    assert f"{data}: 2 pairs, 2 unpacked, 0 already there, 0 skipped; 0 other files" in out
    assert "Official names: none; frames keep their numbers." in out
    assert "squeezed to half their width" in out
    assert main(["pairs", str(pairs), "--data", str(data)]) == 0
    assert "0 unpacked, 2 already there" in capsys.readouterr().out
    assert main(["convert", str(data)]) == 0


def test_a_skipped_pair_ends_with_2_and_nothing_done_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs, data = write_pairs(tmp_path / "pairs", train=[1]), tmp_path / "data"
    broken = write(pairs / "train" / "2.jpg", b"no picture")
    assert main(["pairs", str(pairs), "--data", str(data), "--unsure", "void"]) == 2
    captured = capsys.readouterr()
    assert "2 pairs, 1 unpacked, 0 already there, 1 skipped" in captured.out
    assert "     1 damaged" in captured.out
    assert f"Skipped: {broken} is damaged" in captured.err
    (pairs / "train" / "1.jpg").unlink()
    assert main(["pairs", str(pairs), "--data", str(tmp_path / "other")]) == 1


def test_a_folder_without_pairs_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pairs", str(tmp_path), "--data", str(tmp_path / "data")]) == 1
    assert capsys.readouterr().err.startswith(f"cityseg: {tmp_path} has no pairs (train/1.jpg")


def test_other_commands_name_the_command_for_pairs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = write_pairs(tmp_path / "my pairs", train=[1], val=[1])
    write(pairs / "train" / "0.jpg", b"damaged")
    assert main(["convert", str(pairs)]) == 1
    message = capsys.readouterr().err.strip()
    assert f"{pairs} holds 3 pairs of a picture and its colour map, such as train/0" in message
    command = shlex.split(message.rpartition("recover their labels with ")[2])
    assert command[:3] == ["python", "-m", "cityseg"]
    assert main(command[3:]) == 2
    assert main(["convert", f"{pairs}_dataset"]) == 0


def test_numbered_pictures_are_not_taken_for_pairs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "train" / "1.png", encode(street()))
    assert main(["convert", str(tmp_path)]) == 1
    assert "pairs" not in capsys.readouterr().err

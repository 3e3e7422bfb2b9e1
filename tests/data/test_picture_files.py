"""Which files are found by the names of files, folders and patterns, and what is left out."""

import os
from collections import Counter
from pathlib import Path

import pytest
from city import write

from cityseg.data.picture_files import describe_left_out, find_pictures


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.png", "a.JPG", "c.tiff", "notes.txt", "drive.mp4", ".hidden.png", "deep/d.bmp"):
        write(tmp_path / "street" / name, b"")
    return tmp_path / "street"


def found(*names: object, **options: object) -> list[str]:
    return [path.name for path in find_pictures(map(str, names), **options).paths]


def test_a_folder_means_its_pictures_by_name(folder: Path) -> None:
    pictures = find_pictures([str(folder)])
    assert pictures.paths == [folder / name for name in ("a.JPG", "b.png", "c.tiff")]
    assert pictures.problems == []
    assert pictures.left_out == {folder: Counter({".txt": 1, ".mp4": 1, "folders": 1})}


def test_folders_in_a_folder_are_read_where_wanted(folder: Path) -> None:
    assert found(folder, recursive=True) == ["a.JPG", "b.png", "c.tiff", "d.bmp"]


def test_files_and_folders_keep_their_order(folder: Path) -> None:
    assert found(folder / "c.tiff", folder / "deep", folder / "a.JPG") == [
        "c.tiff",
        "d.bmp",
        "a.JPG",
    ]


def test_a_file_that_is_named_is_taken_whatever_its_ending(folder: Path) -> None:
    assert found(folder / "notes.txt", folder / "missing.png") == ["notes.txt", "missing.png"]


def test_a_pattern_means_the_files_that_match(folder: Path) -> None:
    assert found(folder / "*.[pt]*") == ["b.png", "c.tiff", "notes.txt"]
    assert found(folder / "**" / "*.bmp") == ["d.bmp"]


def test_a_name_that_looks_like_a_pattern_is_a_file_where_there_is_one(tmp_path: Path) -> None:
    write(tmp_path / "a[1].png", b"")
    write(tmp_path / "a1.png", b"")
    assert found(tmp_path / "a[1].png") == ["a[1].png"]


@pytest.mark.parametrize(
    ("name", "reason", "detail"),
    [
        ("https://example.org/a.png", "address", "download the picture and name its file"),
        ("{folder}/*.webp", "no_match", "No file matches {folder}/*.webp: check the pattern"),
        ("{folder}/../empty", "no_pictures", "{folder}/../empty has no pictures: it is empty"),
        (
            "{folder}/../deep",
            "no_pictures",
            "has no pictures: it has 1 folder; --recursive reads its folders",
        ),
    ],
)
def test_a_name_without_a_picture_is_a_problem(
    folder: Path, name: str, reason: str, detail: str
) -> None:
    (folder.parent / "empty").mkdir()
    write(folder.parent / "deep" / "er" / "a.png", b"")
    pictures = find_pictures([name.format(folder=folder), str(folder / "b.png")])
    assert [path.name for path in pictures.paths] == ["b.png"]
    (problem,) = pictures.problems
    assert problem.reason == reason
    assert detail.format(folder=folder) in problem.detail


def test_links_to_folders_are_followed_and_circles_end(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other disk"
    write(other / "e.png", b"")
    (folder / "linked").symlink_to(other)
    (folder / "circle").symlink_to(folder)
    assert found(folder, recursive=True) == ["a.JPG", "b.png", "c.tiff", "d.bmp", "e.png"]
    (tmp_path / "link").symlink_to(folder)
    assert found(tmp_path / "link") == ["a.JPG", "b.png", "c.tiff"]


def test_results_of_an_earlier_call_are_no_input(folder: Path) -> None:
    write(folder / "predictions" / "overlay" / "a.png", b"")
    names = found(folder, recursive=True, without=[folder / "predictions"])
    assert names == ["a.JPG", "b.png", "c.tiff", "d.bmp"]


def test_names_that_are_not_utf_8_are_found(tmp_path: Path) -> None:
    write(tmp_path / os.fsdecode(b"caf\xe9.png"), b"")
    assert found(tmp_path) == [os.fsdecode(b"caf\xe9.png")]


def test_what_is_left_out_is_described_by_number() -> None:
    left_out = Counter({".txt": 12, "folders": 3, ".mp4": 1})
    assert describe_left_out(left_out) == "12 .txt, 3 folders, 1 .mp4"
    of_one = Counter({"folders": 1, "files without an ending": 1})
    assert describe_left_out(of_one) == "1 folder, 1 file without an ending"

"""Messages about folders in which no frames, or only halves, are found; the files are empty."""

import re
import subprocess
from pathlib import Path

import city
import pytest

from cityseg.data import find_frames, missing_half_message, missing_splits_message
from cityseg.data.diagnosis import named_inside, what_is_there
from cityseg.errors import DatasetError

STEM = "aachen_000000_000019"
IMAGE = f"leftImg8bit/train/aachen/{STEM}_leftImg8bit.png"
LABEL_IDS = f"gtFine/train/aachen/{STEM}_gtFine_labelIds.png"


def make(root: Path, *files: str) -> Path:
    for file in files:
        city.write(root / file)
    return root


def refusal(root: Path) -> str:
    with pytest.raises(DatasetError) as refused:
        find_frames(root)
    return str(refused.value)


def test_files_with_another_ending_are_counted(tmp_path: Path) -> None:
    names = [f"GOPR0475_frame_{number:06}_rgb_anon.png" for number in range(61)]
    make(tmp_path, *(f"leftImg8bit/train/GOPR0475/{name}" for name in names))
    message = refusal(tmp_path)
    assert "61 files end in _rgb_anon.png; wanted _leftImg8bit.png" in message
    assert "or the folders of acdc: rgb_anon/<city>/<split>/<city>" in message
    assert "leftImg8bit/train/GOPR0475/GOPR0475_frame_0000" in message


def test_plain_names_are_counted_by_suffix(tmp_path: Path) -> None:
    message = refusal(make(tmp_path, "pictures/a.jpg", "pictures/b.jpg", "package.json"))
    assert "2 files end in .jpg; wanted _leftImg8bit.png" in message
    assert "json" not in message


def test_images_outside_the_folders_are_named_with_the_folders_wanted(tmp_path: Path) -> None:
    message = refusal(make(tmp_path, f"leftImg8bit/aachen/{STEM}_leftImg8bit.png"))
    assert (
        "1 file ends in _leftImg8bit.png, but not in folders leftImg8bit/<split>/<city>" in message
    )


def test_an_empty_folder_is_called_so(tmp_path: Path) -> None:
    assert "No picture was found there" in refusal(tmp_path)


def test_a_packed_zip_is_named(tmp_path: Path) -> None:
    message = refusal(make(tmp_path, "leftImg8bit_trainvaltest.zip"))
    assert "leftImg8bit_trainvaltest.zip is still packed" in message


@pytest.mark.parametrize("top", ["leftImg8bit", "gtFine"])
def test_a_top_named_itself_is_said_with_its_parent(tmp_path: Path, top: str) -> None:
    make(tmp_path, IMAGE, LABEL_IDS)
    assert refusal(tmp_path / top) == f"You named {top} itself: name its parent, {tmp_path}"


@pytest.mark.parametrize("below", ["train", "train/aachen"])
def test_a_folder_in_a_top_is_said_with_the_right_one(tmp_path: Path, below: str) -> None:
    make(tmp_path, IMAGE)
    assert refusal(tmp_path / "leftImg8bit" / below) == (
        f"You named leftImg8bit/{below}: name the folder above it, {tmp_path}"
    )


def test_a_relative_name_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make(tmp_path, IMAGE) / "leftImg8bit")
    assert refusal(Path()) == f"You named leftImg8bit itself: name its parent, {tmp_path}"


@pytest.mark.parametrize("root", ["/", "/data", "/gtFine/elsewhere"])
def test_other_folders_are_not_called_inside(root: str) -> None:
    assert named_inside(Path(root)) == ""


def test_a_split_in_several_folders_comes_with_the_command_that_links_one(tmp_path: Path) -> None:
    root = tmp_path / "my data"
    images, labels = IMAGE.replace("train", "val"), LABEL_IDS.replace("train", "val")
    second = [f"{folder}/{file}" for folder in ("two", "three") for file in (images, labels)]
    make(root, f"one/{IMAGE}", f"one/{LABEL_IDS}", *second)
    assert [frame.split for frame in find_frames(root)] == ["train"]
    message = missing_splits_message(root, ["val"])
    assert "(there are frames in train)" in message
    assert "val lies in a second folder, three/leftImg8bit/val" in message
    command = message.rpartition("other splits with ")[2]
    subprocess.run(["/bin/sh", "-c", command], check=True)
    train, val = find_frames(root)
    assert val.image
    assert val.label_ids
    assert (train.split, val.split) == ("train", "val")


def test_a_split_that_lies_nowhere_is_not_sought_in_names(tmp_path: Path) -> None:
    assert missing_splits_message(make(tmp_path, IMAGE), ["val"]) == " (there are frames in train)"


def test_images_without_annotations_are_said_with_what_lies_there(tmp_path: Path) -> None:
    make(tmp_path, IMAGE, f"gtFine/train/aachen/{STEM}_gt_labelIds.png")
    message = missing_half_message(tmp_path, find_frames(tmp_path))
    assert "None of the 1 images" in message
    assert "1 file ends in _gt_labelIds.png; wanted _gtFine_labelIds.png" in message


def test_annotations_without_images_are_said_with_what_lies_there(tmp_path: Path) -> None:
    (tmp_path / "leftImg8bit/train").mkdir(parents=True)
    make(tmp_path, LABEL_IDS, f"leftImg8bit/train/aachen/{STEM}.bmp")
    message = missing_half_message(tmp_path, find_frames(tmp_path))
    assert "None of the 1 annotations" in message
    assert "1 file ends in .bmp; wanted _leftImg8bit.png" in message


def test_whole_frames_need_no_message(tmp_path: Path) -> None:
    make(tmp_path, IMAGE, LABEL_IDS)
    assert missing_half_message(tmp_path, find_frames(tmp_path)) == ""


def test_the_look_around_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, *(f"folder{number}/{number}.jpg" for number in range(30)))
    monkeypatch.setattr("cityseg.data.diagnosis._MAX_ENTRIES", 40)
    found = re.search(r"(\d+) files end in .jpg", what_is_there(tmp_path))
    assert found
    assert int(found[1]) == 10

"""Messages about folders in which no frames, or not all, are found; the files are empty.

Also tests: data/unread.
"""

import re
import subprocess
from pathlib import Path

import pytest
from named_files import IMAGE, LABEL_IDS, STEM, make

from cityseg.data import find_frames, folder_warnings, missing_splits_message
from cityseg.data.diagnosis import named_inside, what_is_there
from cityseg.errors import DatasetError


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


def test_a_dataset_too_deep_is_found(tmp_path: Path) -> None:
    message = refusal(make(tmp_path, f"a/b/c/d/{IMAGE}"))
    assert (
        f"leftImg8bit lies deeper: name the folder that holds it, {tmp_path / 'a/b/c/d'}" in message
    )


def test_annotations_alone_are_called_so(tmp_path: Path) -> None:
    message = refusal(make(tmp_path, LABEL_IDS))
    assert "1 file ends in _gtFine_labelIds.png, but there are no images: import left" in message


def test_numbers_in_endings_are_one(tmp_path: Path) -> None:
    names = (f"x/{STEM}_leftImg8bit_foggy_beta_{beta}.png" for beta in ("0.005", "0.01", "0.02"))
    message = refusal(make(tmp_path, *names))
    assert "3 files end in _leftImg8bit_foggy_beta_N.png" in message


def test_images_that_annotations_would_make_a_layout_are_named(tmp_path: Path) -> None:
    message = refusal(make(tmp_path, "training/image_2/000000_10.png"))
    assert "If these are images of kitti, annotations are missing: <split>/semantic." in message
    assert "1 file ends in .png; wanted _leftImg8bit.png" in message


@pytest.mark.parametrize("archive", ["a.tar.gz", "down/loads/b.RAR", "c.7z"])
def test_other_archives_are_named(tmp_path: Path, archive: str) -> None:
    message = refusal(make(tmp_path, archive))
    assert f"{archive} is still packed: unpack it with another program" in message


def test_a_packed_zip_is_named(tmp_path: Path) -> None:
    message = refusal(make(tmp_path, "leftImg8bit_trainvaltest.zip"))
    assert "leftImg8bit_trainvaltest.zip is still packed" in message
    command = f"import {tmp_path}/leftImg8bit_trainvaltest.zip --data {tmp_path}"
    assert f"(python -m cityseg {command})" in message


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


@pytest.mark.parametrize(
    ("file", "named", "layout"),
    [
        ("rgb_anon/fog/train/G/G_1_rgb_anon.png", "rgb_anon/fog", "acdc"),
        (
            "leftImg8bit_foggy/train/ulm/x_leftImg8bit_foggy_beta_0.02.png",
            "leftImg8bit_foggy",
            "foggy",
        ),
        ("training/image_2/000000_10.png", "training", "kitti"),
    ],
)
def test_a_folder_in_another_layout_is_said_with_the_right_one(
    tmp_path: Path, file: str, named: str, layout: str
) -> None:
    make(tmp_path, file)
    assert refusal(tmp_path / named) == (
        f"You named {named} of {layout}: name the folder above it, {tmp_path}"
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
    (message,) = folder_warnings(tmp_path, find_frames(tmp_path))
    assert "The only image in" in message
    assert "1 file ends in _gt_labelIds.png; wanted _gtFine_labelIds.png" in message


def test_annotations_without_images_are_said_with_what_lies_there(tmp_path: Path) -> None:
    (tmp_path / "leftImg8bit/train").mkdir(parents=True)
    make(tmp_path, LABEL_IDS, f"leftImg8bit/train/aachen/{STEM}.bmp")
    (message,) = folder_warnings(tmp_path, find_frames(tmp_path))
    assert "The only annotation in" in message
    assert "1 file ends in .bmp; wanted _leftImg8bit.png" in message


def warnings(root: Path) -> list[str]:
    return folder_warnings(root, find_frames(root))


def test_the_folders_of_missing_annotations_are_named(tmp_path: Path) -> None:
    (message,) = warnings(make(tmp_path, IMAGE))
    assert message == (
        f"The only image in {tmp_path} has no annotation: it is looked for in gtFine/<split>/<city>"
    )
    (message,) = warnings(make(tmp_path / "acdc", "rgb_anon/fog/train/G/G_1_rgb_anon.png"))
    assert message.endswith("looked for in gt/<city>/<split>/<city>")


def test_a_split_of_halves_is_named_but_for_test(tmp_path: Path) -> None:
    others = (IMAGE.replace("train", split) for split in ("val", "test"))
    (message,) = warnings(make(tmp_path, IMAGE, LABEL_IDS, *others))
    assert message == (
        "The only image of val has no annotation: it is looked for in gtFine/val/<city>"
    )
    make(tmp_path, IMAGE.replace("train", "val").replace("000019", "000020"))
    (message,) = warnings(tmp_path)
    assert message.startswith("None of the 2 images of val has an annotation: it")


def test_annotations_with_the_names_of_images_are_named(tmp_path: Path) -> None:
    make(tmp_path, IMAGE, IMAGE.replace("leftImg8bit/", "gtFine/", 1))
    (message,) = warnings(tmp_path)
    assert (
        "1 file ends in _leftImg8bit.png; wanted _gtFine_labelIds.png (the first is gt" in message
    )


@pytest.mark.parametrize("place", ["gtFine/val", "gtFine/train/ulm", "leftImg8bit/val"])
def test_links_that_lead_nowhere_are_named(tmp_path: Path, place: str) -> None:
    make(tmp_path, IMAGE, LABEL_IDS)
    (tmp_path / place).symlink_to("gone")
    assert warnings(tmp_path) == [
        f"{place} is a link to gone, which cannot be reached: mend the link, or remove it"
    ]


def test_folders_with_files_of_the_same_names_are_named(tmp_path: Path) -> None:
    second = IMAGE.replace("train", "training")
    make(tmp_path, IMAGE, LABEL_IDS, second, second.replace("000019", "000020"))
    assert warnings(tmp_path)[-1] == (
        f"leftImg8bit/train and leftImg8bit/training have files of the same names, such as "
        f"{Path(IMAGE).name}: of these, those in leftImg8bit/train are read"
    )
    (tmp_path / second).unlink()
    assert not any("same names" in each for each in warnings(tmp_path))
    (tmp_path / "leftImg8bit" / "Train").symlink_to("train")
    assert not any("same names" in each for each in warnings(tmp_path))


def test_splits_that_are_not_read_are_named(tmp_path: Path) -> None:
    val = IMAGE.replace("train", "val")
    make(tmp_path, IMAGE, LABEL_IDS, f"two/{val}", f"three/{val}", f"four/{IMAGE}")
    first, second = warnings(tmp_path)
    assert first == (
        "train lies also in a second folder, four/leftImg8bit/train, which is not read: to use it "
        f"instead, name the folder {tmp_path}/four"
    )
    command = f"ln -s {tmp_path}/three/leftImg8bit/val {tmp_path}/leftImg8bit/"
    assert second == (
        "val lies in a second folder, three/leftImg8bit/val: link it beside the other splits with "
        f"{command}"
    )


def test_second_annotations_cannot_be_named_alone(tmp_path: Path) -> None:
    make(tmp_path, IMAGE, LABEL_IDS, f"sure/{LABEL_IDS}")
    (message,) = warnings(tmp_path)
    assert message.endswith(
        "sure/gtFine/train, which is not read: to use it instead, put it in the place of the first"
    )


def test_a_split_that_is_read_elsewhere_is_not_sought_in_empty_folders(tmp_path: Path) -> None:
    val = (IMAGE.replace("train", "val"), LABEL_IDS.replace("train", "val"))
    make(tmp_path, IMAGE, LABEL_IDS, *(f"two/{each}" for each in val))
    (tmp_path / "leftImg8bit" / "val" / "aachen").mkdir(parents=True)
    assert warnings(tmp_path) == []


def test_images_of_another_layout_beside_are_named(tmp_path: Path) -> None:
    foggy = f"leftImg8bit_foggy/train/aachen/{STEM}_leftImg8bit_foggy_beta_0.02.png"
    make(tmp_path, IMAGE, LABEL_IDS, foggy)
    assert warnings(tmp_path) == ["leftImg8bit_foggy is not read: name it with --layout foggy"]


def test_only_a_few_folders_are_listed(tmp_path: Path) -> None:
    make(tmp_path, IMAGE, LABEL_IDS)
    for number in range(9):
        (tmp_path / "gtFine" / "train" / f"city{number}").symlink_to("gone")
    *listed, last = warnings(tmp_path)
    assert (len(listed), last) == (4, "And 5 more of that kind")


def test_whole_frames_need_no_message(tmp_path: Path) -> None:
    make(tmp_path, IMAGE, LABEL_IDS)
    assert folder_warnings(tmp_path, find_frames(tmp_path)) == []


def test_the_look_around_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, *(f"folder{number}/{number}.jpg" for number in range(30)))
    monkeypatch.setattr("cityseg.data.diagnosis._MAX_ENTRIES", 40)
    found = re.search(r"(\d+) files end in .jpg", what_is_there(tmp_path))
    assert found
    assert int(found[1]) == 10

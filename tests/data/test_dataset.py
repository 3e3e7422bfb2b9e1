"""Folders in the layouts that people have; the files are empty, as only names count."""

import itertools
import os
import socket
from collections import Counter
from pathlib import Path

import child
import city
import pytest

from cityseg.data.dataset import SPLITS, find_frames
from cityseg.data.frame import Frame
from cityseg.errors import DatasetError

STEM = "aachen_000000_000019"
FIND = """
import sys
from pathlib import Path
from cityseg.data.dataset import find_frames
from cityseg.errors import DatasetError
try:
    print(len(find_frames(Path(sys.argv[1]))))
except DatasetError as error:
    print(error)
"""


@pytest.fixture
def root(tmp_path):
    """A Cityscapes folder with one image."""
    return add_image(tmp_path)


def add_image(root, stem=STEM, split="train", suffix=".png"):
    city.write(city.image_path(root, stem, split, suffix))
    return root


def add_annotation(root, stem=STEM, split="train", kind="labelIds.png"):
    city.write(city.annotation_path(root, stem, split, kind))
    return root


def stems(frames):
    return [frame.stem for frame in frames]


@pytest.mark.parametrize("split", SPLITS)
def test_a_frame_of_a_split_is_found_with_all_its_files(tmp_path, split):
    image = city.write(city.image_path(tmp_path, STEM, split))
    kinds = ("labelIds.png", "instanceIds.png", "polygons.json", "color.png")
    files = [city.write(city.annotation_path(tmp_path, STEM, split, kind)) for kind in kinds]
    assert find_frames(tmp_path) == [Frame(split, "aachen", STEM, image, *files[:3])]


def test_only_the_chosen_splits_are_listed(tmp_path):
    for split in SPLITS:
        add_image(tmp_path, split=split)
    assert [frame.split for frame in find_frames(tmp_path, ["test", "train"])] == ["train", "test"]


def test_a_known_split_without_a_folder_has_no_frames(root):
    assert find_frames(root, ["val"]) == []


def test_folders_as_the_kaggle_zips_unpack_them_are_found(tmp_path):
    add_image(tmp_path / "leftImg8bit_trainvaltest")
    add_annotation(tmp_path / "gtFine_trainvaltest")
    (frame,) = find_frames(tmp_path)
    assert frame.image == city.image_path(tmp_path / "leftImg8bit_trainvaltest", STEM)
    assert frame.label_ids == city.annotation_path(tmp_path / "gtFine_trainvaltest", STEM)


def test_one_side_may_lie_deeper_than_the_other(tmp_path):
    add_image(tmp_path)
    add_annotation(tmp_path / "gtFine_trainvaltest")
    (frame,) = find_frames(tmp_path)
    assert None not in (frame.image, frame.label_ids)


def test_a_folder_of_that_name_without_splits_hides_no_deeper_one(tmp_path):
    (tmp_path / "leftImg8bit").mkdir()
    add_image(tmp_path / "leftImg8bit_trainvaltest")
    assert stems(find_frames(tmp_path)) == [STEM]


def test_folders_in_the_root_are_preferred_to_deeper_ones(tmp_path):
    add_image(tmp_path)
    add_image(tmp_path / "a_copy")
    (frame,) = find_frames(tmp_path)
    assert frame.image == city.image_path(tmp_path, STEM)


def test_images_and_annotations_are_paired_by_stem(tmp_path):
    numbers = ("aachen_000000_000019", "aachen_000000_000020", "aachen_000001_000019")
    for stem in numbers:
        add_annotation(add_image(tmp_path, stem), stem)
    assert [
        (frame.image.name, frame.label_ids.name) for frame in find_frames(tmp_path, ["train"])
    ] == [(f"{stem}_leftImg8bit.png", f"{stem}_gtFine_labelIds.png") for stem in numbers]


def test_equal_stems_in_different_splits_are_different_frames(tmp_path):
    add_annotation(add_image(tmp_path, split="train"), split="val")
    train, val = find_frames(tmp_path)
    assert (train.label_ids, val.image) == (None, None)


@pytest.mark.parametrize(
    "suffix", [".png", ".jpg", ".jpeg", ".webp", ".PNG", ".JPG", ".JPEG", ".WEBP"]
)
def test_an_image_may_have_the_suffix(tmp_path, suffix):
    (frame,) = find_frames(add_image(tmp_path, suffix=suffix))
    assert frame.image.suffix == suffix


@pytest.mark.parametrize("suffix", [".gif", ".png.txt", "", ".json"])
def test_a_file_with_another_suffix_is_no_image(tmp_path, suffix):
    add_image(add_image(tmp_path, "aachen_000009_000019"), suffix=suffix)
    assert stems(find_frames(tmp_path)) == ["aachen_000009_000019"]


@pytest.mark.parametrize(
    ("better", "worse"), list(itertools.combinations([".png", ".jpg", ".jpeg", ".webp"], 2))
)
@pytest.mark.parametrize("change", [str.lower, str.upper])
def test_of_several_images_the_better_suffix_is_taken(tmp_path, better, worse, change):
    add_image(tmp_path, suffix=change(worse))
    (frame,) = find_frames(add_image(tmp_path, suffix=better))
    assert frame.image.suffix == better


def test_a_frame_may_have_only_polygons(root):
    (frame,) = find_frames(add_annotation(root, kind="polygons.json"))
    assert frame.label_ids is None
    assert frame.polygons == city.annotation_path(root, STEM, kind="polygons.json")


def test_an_image_without_annotation_is_a_frame(root):
    (frame,) = find_frames(root)
    assert (frame.label_ids, frame.polygons) == (None, None)


def test_an_annotation_without_image_is_a_frame(root):
    without = find_frames(add_annotation(root, "aachen_000009_000019"))[1]
    assert (without.stem, without.image) == ("aachen_000009_000019", None)


def test_instance_ids_alone_are_no_frame(root):
    add_annotation(root, "aachen_000009_000019", kind="instanceIds.png")
    assert stems(find_frames(root)) == [STEM]


def test_frames_are_sorted_by_split_city_and_stem(tmp_path):
    names = [
        (split, f"{place}_{number:06}_000019")
        for split in SPLITS
        for place in ("aachen", "bochum", "ulm")
        for number in (0, 1, 10)
    ]
    for split, stem in reversed(names):
        add_image(tmp_path, stem, split)
    for split, stem in names[::2]:
        add_annotation(tmp_path, stem, split)
    assert [(frame.split, frame.stem) for frame in find_frames(tmp_path)] == names


def test_a_link_back_up_causes_no_loop(root):
    before = find_frames(root)
    (root / "up").symlink_to(root)
    (root / "leftImg8bit" / "train" / "up").symlink_to("..")
    (root / "leftImg8bit" / "train" / "aachen" / "up").symlink_to("..")
    assert find_frames(root) == before


def test_a_link_to_a_folder_is_followed(tmp_path):
    add_image(tmp_path / "elsewhere")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "leftImg8bit").symlink_to(tmp_path / "elsewhere" / "leftImg8bit")
    assert stems(find_frames(tmp_path / "root")) == [STEM]


def test_a_link_to_a_file_is_a_file(root):
    link = city.image_path(root, "aachen_000009_000019")
    link.symlink_to(city.image_path(root, STEM))
    assert stems(find_frames(root)) == [STEM, "aachen_000009_000019"]


@pytest.mark.parametrize("place", ["", "leftImg8bit/train", "leftImg8bit/train/aachen"])
def test_a_link_to_itself_is_ignored(root, place):
    (root / place / "x_leftImg8bit.png").symlink_to("x_leftImg8bit.png")
    assert stems(find_frames(root)) == [STEM]


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as unix_socket:
        unix_socket.bind(str(path))


@pytest.mark.parametrize(
    "make",
    [os.mkfifo, make_socket, Path.mkdir, lambda path: path.symlink_to("nowhere")],
    ids=["FIFO", "socket", "folder", "dangling link"],
)
def test_what_is_no_file_is_no_frame(root, make, monkeypatch):
    path = city.image_path(root, "aachen_000009_000019")
    monkeypatch.chdir(path.parent)  # a socket's whole path may be too long
    make(Path(path.name))
    assert path.name in os.listdir()
    assert stems(find_frames(root)) == [STEM]


@pytest.mark.parametrize("name", [f"._{STEM}_leftImg8bit.png", ".x_gtFine_labelIds.png"])
def test_a_hidden_file_is_ignored(root, name):
    city.write(root / "leftImg8bit" / "train" / "aachen" / name)
    assert stems(find_frames(root)) == [STEM]


def test_a_hidden_folder_is_ignored(root):
    city.write(root / "leftImg8bit" / "train" / ".trash" / f"{STEM}_leftImg8bit.png")
    assert len(find_frames(root)) == 1


def test_a_file_among_the_cities_is_ignored(root):
    city.write(root / "leftImg8bit" / "train" / "license.txt")
    assert stems(find_frames(root)) == [STEM]


def test_names_that_are_not_utf_8_lead_to_their_files(tmp_path):
    stem = os.fsdecode(b"z\xfcrich_000000_000019")
    (frame,) = find_frames(add_annotation(add_image(tmp_path, stem), stem))
    assert os.fsencode(frame.name) == b"train/z\xfcrich/z\xfcrich_000000_000019"
    assert frame.image.is_file()
    assert frame.label_ids.is_file()


# Errors


def test_an_unknown_split_is_refused_with_the_known_ones(root):
    with pytest.raises(
        DatasetError,
        match=r"There is no split 'training': choose from train, train_extra, val, test",
    ):
        find_frames(root, ["train", "training"])


def test_a_missing_root_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(
        DatasetError, match=r"There is no folder .*/nowhere: name .*cityseg sample \S*/nowhere\)$"
    ):
        find_frames(tmp_path / "nowhere")


def test_a_file_as_root_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(DatasetError, match=r"file.zip is a file: name the folder"):
        find_frames(city.write(tmp_path / "file.zip"))


def test_a_folder_without_images_is_refused_with_how_to_get_images(tmp_path):
    with pytest.raises(DatasetError, match=r"has no leftImg8bit/train.* unpack") as error:
        find_frames(add_annotation(tmp_path / "my city"))
    folder = f"'{tmp_path}/my city'"  # as a shell reads it
    assert f"(python -m cityseg import ZIP ZIP --data {folder})" in str(error.value)
    assert f"(python -m cityseg sample {folder})" in str(error.value)


def test_a_root_that_links_to_itself_is_refused_with_what_to_do(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(DatasetError, match=r"loop cannot be read .*: name the folder"):
        find_frames(tmp_path / "loop")


@pytest.mark.parametrize("closed", ["", "leftImg8bit/train", "leftImg8bit/train/aachen"])
def test_a_closed_folder_is_refused_with_its_name(root, closed):
    (root / closed).chmod(0)
    message = child.output_obeying_permissions(FIND, root)
    (root / closed).chmod(0o700)
    assert f"The folder {root / closed} cannot be read (Permission denied)" in message


def test_a_closed_folder_beside_the_dataset_does_no_harm(root):
    (root / "lost+found").mkdir(mode=0)
    assert child.output_obeying_permissions(FIND, root) == "1\n"
    (root / "lost+found").chmod(0o700)


def test_the_5000_frames_of_the_whole_dataset_are_found(tmp_path):
    counts = {"train": 2975, "val": 500, "test": 1525}
    for split, count in counts.items():
        make_split(tmp_path, split, count)
    frames = find_frames(tmp_path)
    files = [(f.image, f.label_ids, f.instance_ids, f.polygons) for f in frames]
    assert Counter(frame.split for frame in frames) == counts
    assert None not in itertools.chain(*files)


def make_split(root, split, count):
    """Files of `count` frames in 18 cities, with all four annotations each.

    All are one empty file: links are made six times as fast as files.
    """
    empty = city.write(root / f"empty_{split}")
    cities = [f"city{number}" for number in range(18)]
    for place, kind in itertools.product(cities, ("leftImg8bit", "gtFine")):
        (root / kind / split / place).mkdir(parents=True)
    for number in range(count):
        place = cities[number % 18]
        stem = f"{split}/{place}/{place}_{number:06}_000019"
        os.link(empty, f"{root}/leftImg8bit/{stem}_leftImg8bit.png")
        for kind in ("labelIds.png", "instanceIds.png", "polygons.json", "color.png"):
            os.link(empty, f"{root}/gtFine/{stem}_gtFine_{kind}")


def test_all_genuine_frames_have_image_and_label_ids(genuine):
    frames = find_frames(genuine)
    assert frames
    assert [frame.name for frame in frames if not (frame.image and frame.label_ids)] == []

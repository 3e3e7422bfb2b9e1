"""Datasets in each layout, made as the public documentation describes it; the files are empty.

Also tests: data/locating, data/pairing.
"""

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from named_files import IMAGE, LABEL_IDS, STEM, make

from cityseg.data import Frame, find_frames, watched_folders
from cityseg.data.layouts import (
    LAYOUT_VARIABLE,
    LAYOUTS,
    SPLITS,
    file_named,
    layout_named,
    subfolders,
)
from cityseg.data.pairing import FrameFiles
from cityseg.errors import DatasetError


def named(root: Path, frame: Frame) -> tuple[str | None, ...]:
    """Name, image, annotation below `root`, and hint of a frame."""
    paths = (frame.image, frame.label_ids or frame.polygons)
    below = [path and path.relative_to(root).as_posix() for path in paths]
    return (frame.name, *below, frame.encoding_hint)


# --- splits in several folders ---------------------------------------------------------------


VAL_IMAGE, VAL_LABEL_IDS = (path.replace("train", "val") for path in (IMAGE, LABEL_IDS))


@pytest.mark.parametrize(
    "files",
    [
        (f"one/{IMAGE}", f"one/{LABEL_IDS}", f"two/{VAL_IMAGE}", f"two/{VAL_LABEL_IDS}"),
        (IMAGE, LABEL_IDS, f"two/{VAL_IMAGE}", f"two/{VAL_LABEL_IDS}"),
        (f"one/{IMAGE}", f"two/{VAL_IMAGE}", LABEL_IDS, VAL_LABEL_IDS),
        (IMAGE, VAL_IMAGE, f"one/{LABEL_IDS}", f"two/{VAL_LABEL_IDS}"),
    ],
)
def test_a_split_in_a_second_folder_is_read(tmp_path: Path, files: tuple[str, ...]) -> None:
    make(tmp_path, *files)
    found = [path for frame in find_frames(tmp_path) for path in (frame.image, frame.label_ids)]
    assert set(found) == {tmp_path / file for file in files}
    folders = {path.parent for path in found if path}
    assert folders <= set(watched_folders(tmp_path))


def test_empty_folders_of_a_split_hide_no_second_one(tmp_path: Path) -> None:
    make(tmp_path, IMAGE, f"two/{VAL_IMAGE}")
    (tmp_path / "leftImg8bit" / "val" / "aachen").mkdir(parents=True)
    assert [frame.split for frame in find_frames(tmp_path)] == ["train", "val"]


def test_another_dataset_beside_is_not_mixed_in(tmp_path: Path) -> None:
    other = IMAGE.replace("000000", "111111")
    make(tmp_path, f"one/{IMAGE}", f"two/{other}", f"two/{other.replace('train', 'val')}")
    assert [frame.split for frame in find_frames(tmp_path)] == ["train"]


# --- layouts ---------------------------------------------------------------------------------

#: Layout -> (name, image, annotation, hint) of each frame, in order.
FRAMES: dict[str, list[tuple[str | None, ...]]] = {
    "gtCoarse": [
        (
            f"train/aachen/{STEM}",
            IMAGE,
            f"gtCoarse/train/aachen/{STEM}_gtCoarse_labelIds.png",
            None,
        ),
        (
            "train_extra/augsburg/augsburg_000000_000000",
            "leftImg8bit/train_extra/augsburg/augsburg_000000_000000_leftImg8bit.png",
            "gtCoarse/train_extra/augsburg/augsburg_000000_000000_gtCoarse_polygons.json",
            None,
        ),
    ],
    "foggy": [
        (
            f"train/aachen/{STEM}_foggy_beta_{beta}",
            f"leftImg8bit_foggy/train/aachen/{STEM}_leftImg8bit_foggy_beta_{beta}.png",
            LABEL_IDS,
            None,
        )
        for beta in ("0.005", "0.01", "0.02")
    ],
    "rain": [
        (
            f"train/aachen/{STEM}_rain_alpha_0.01_beta_0.005_dropsize_0.01_pattern_{pattern}",
            f"leftImg8bit_rain/train/aachen/{STEM}_leftImg8bit_rain_alpha_0.01_beta_0.005_dropsize"
            f"_0.01_pattern_{pattern}.png",
            LABEL_IDS,
            None,
        )
        for pattern in (1, 2)
    ],
    "acdc": [
        (
            "train/fog_GOPR0475/GOPR0475_frame_000041",
            "rgb_anon/fog/train/GOPR0475/GOPR0475_frame_000041_rgb_anon.png",
            "gt/fog/train/GOPR0475/GOPR0475_frame_000041_gt_labelIds.png",
            None,
        ),
        (
            "val/night_GOPR0376/GOPR0376_frame_000159",
            "rgb_anon/night/val/GOPR0376/GOPR0376_frame_000159_rgb_anon.png",
            "gt/night/val/GOPR0376/GOPR0376_frame_000159_gt_labelTrainIds.png",
            "trainids",
        ),
        (
            "test/rain_GP010400/GP010400_frame_000001",
            "rgb_anon/rain/test/GP010400/GP010400_frame_000001_rgb_anon.png",
            None,
            None,
        ),
    ],
    "kitti": [
        (
            "train/all/000000_10",
            "training/image_2/000000_10.png",
            "training/semantic/000000_10.png",
            None,
        ),
        ("test/all/000000_10", "testing/image_2/000000_10.png", None, None),
    ],
    "bdd100k": [
        (
            "train/all/0004a4c0-d4dff0ad",
            "images/10k/train/0004a4c0-d4dff0ad.jpg",
            "labels/sem_seg/masks/train/0004a4c0-d4dff0ad.png",
            "trainids",
        ),
        ("test/all/ac517380", "images/10k/test/ac517380.jpg", None, None),
    ],
    "gta5": [
        (
            f"train/all/0000{number}",
            f"images/0000{number}.png",
            f"labels/0000{number}.png",
            "palette",
        )
        for number in (1, 2)
    ],
}


def make_layout(root: Path, name: str) -> Path:
    return make(root, *(file for frame in FRAMES[name] for file in frame[1:3] if file))


@pytest.mark.parametrize("name", FRAMES)
def test_a_layout_is_recognised_by_its_folders(tmp_path: Path, name: str) -> None:
    make_layout(tmp_path, name)
    assert [named(tmp_path, frame) for frame in find_frames(tmp_path)] == FRAMES[name]


@pytest.mark.parametrize("name", FRAMES)
def test_a_layout_one_level_deeper_is_recognised(tmp_path: Path, name: str) -> None:
    make_layout(tmp_path / "unpacked", name)
    assert [named(tmp_path / "unpacked", f) for f in find_frames(tmp_path)] == FRAMES[name]


@pytest.mark.parametrize("name", FRAMES)
def test_a_named_layout_is_preferred_to_the_official_one(tmp_path: Path, name: str) -> None:
    make_layout(make(tmp_path, IMAGE, LABEL_IDS), name)
    assert [named(tmp_path, f) for f in find_frames(tmp_path, layout=name)] == FRAMES[name]


def test_the_official_layout_is_preferred_to_others(tmp_path: Path) -> None:
    for name in FRAMES.keys() - {"gtCoarse"}:
        make_layout(tmp_path, name)
    make(tmp_path, IMAGE)
    assert [frame.stem for frame in find_frames(tmp_path)] == [STEM]


def test_the_environment_names_the_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_layout(make(tmp_path, IMAGE, LABEL_IDS), "foggy")
    monkeypatch.setenv(LAYOUT_VARIABLE, "Foggy")
    assert len(find_frames(tmp_path)) == len(FRAMES["foggy"])


def test_a_layout_that_the_dataset_has_not_is_refused(tmp_path: Path) -> None:
    message = r"has no folder rgb_anon/<city>/<split>/<city>, as the layout acdc has it: "
    with pytest.raises(DatasetError, match=message + r"name another folder or layout\. No picture"):
        find_frames(tmp_path, layout="acdc")
    with pytest.raises(
        DatasetError, match=message + "its folders are those of cityscapes, so leav"
    ):
        find_frames(make(tmp_path, IMAGE), layout="acdc")


def test_an_unknown_layout_is_refused_with_the_known_ones() -> None:
    with pytest.raises(DatasetError, match=r"no layout 'coco': choose from cityscapes, gtCoarse, "):
        layout_named("coco")


def test_every_layout_has_a_name_and_a_source_of_its_own() -> None:
    assert len({layout.name.casefold() for layout in LAYOUTS}) == len(LAYOUTS)
    assert all(layout.source.startswith("https://") and layout.title for layout in LAYOUTS)


def test_pictures_without_labels_are_no_gta5(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"has no leftImg8bit/train"):
        find_frames(make(tmp_path, "images/00001.png", "other/labels/00001.png"))


def test_reference_images_of_acdc_are_no_frames(tmp_path: Path) -> None:
    make_layout(tmp_path, "acdc")
    make(tmp_path, "rgb_anon/fog/train_ref/GOPR0475/GOPR0475_frame_000041_rgb_ref_anon.png")
    assert [named(tmp_path, frame) for frame in find_frames(tmp_path)] == FRAMES["acdc"]


def test_shared_annotations_without_a_foggy_image_are_no_frames(tmp_path: Path) -> None:
    make_layout(make(tmp_path, LABEL_IDS.replace("train", "val")), "foggy")
    assert [named(tmp_path, frame) for frame in find_frames(tmp_path)] == FRAMES["foggy"]


def test_foggy_images_among_the_clear_ones_are_frames(tmp_path: Path) -> None:
    make(tmp_path, IMAGE, LABEL_IDS, IMAGE.replace(".png", "_foggy_beta_0.02.png"))
    clear, foggy = find_frames(tmp_path)
    assert (clear.stem, foggy.stem) == (STEM, f"{STEM}_foggy_beta_0.02")
    assert clear.label_ids == foggy.label_ids == tmp_path / LABEL_IDS


def test_coarse_annotations_serve_splits_without_fine_ones(tmp_path: Path) -> None:
    make_layout(make(tmp_path, LABEL_IDS), "gtCoarse")
    train, extra = find_frames(tmp_path)
    assert train.label_ids == tmp_path / LABEL_IDS
    assert extra.polygons
    assert "gtCoarse" in extra.polygons.parts


# --- annotations of another kind -------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "hint"), [("labelTrainIds.png", "trainids"), ("color.png", "colors")]
)
def test_other_annotations_are_taken_with_a_hint_where_label_ids_are_missing(
    tmp_path: Path, kind: str, hint: str
) -> None:
    (frame,) = find_frames(make(tmp_path, IMAGE, LABEL_IDS.replace("labelIds.png", kind)))
    assert frame.label_ids
    assert (frame.label_ids.name, frame.encoding_hint) == (f"{STEM}_gtFine_{kind}", hint)


def test_label_ids_are_preferred_to_other_annotations(tmp_path: Path) -> None:
    kinds = ("labelIds", "labelTrainIds", "color")
    make(tmp_path, IMAGE, *(LABEL_IDS.replace("labelIds", kind) for kind in kinds))
    (frame,) = find_frames(tmp_path)
    assert (frame.label_ids, frame.encoding_hint) == (tmp_path / LABEL_IDS, None)


def test_train_ids_are_preferred_to_colors_and_polygons_to_both(tmp_path: Path) -> None:
    kinds = ("labelTrainIds", "color")
    make(tmp_path, IMAGE, *(LABEL_IDS.replace("labelIds", kind) for kind in kinds))
    (frame,) = find_frames(tmp_path)
    assert frame.encoding_hint == "trainids"
    make(tmp_path, LABEL_IDS.replace("labelIds.png", "polygons.json"))
    (frame,) = find_frames(tmp_path)
    assert frame.polygons
    assert (frame.label_ids, frame.encoding_hint) == (None, None)


# --- one step beside the official layout -----------------------------------------------------


@pytest.mark.parametrize(
    ("image", "annotation"),
    [
        (IMAGE, LABEL_IDS.replace("gtFine/", "gtfine/")),
        (IMAGE.replace("leftImg8bit/", "LeftImg8Bit/"), LABEL_IDS.replace("train/", "Train/")),
        (IMAGE.replace(".png", ".PNG"), LABEL_IDS.replace("_labelIds.png", "_labelids.PNG")),
        (IMAGE.replace("_left", "_Left"), LABEL_IDS.replace("_gtFine_", "_gtfine_")),
        (IMAGE.replace("aachen/", ""), LABEL_IDS.replace("aachen/", "")),
        (IMAGE.replace("aachen/", ""), LABEL_IDS),
        (IMAGE, LABEL_IDS.replace("aachen/", "")),
        (IMAGE.replace("train/", "train/train/"), LABEL_IDS),
        (f"a/b/{IMAGE}", f"a/b/{LABEL_IDS}"),
        (f"leftImg8bit_trainvaltest/{IMAGE}", f"gtFine_trainvaltest/{LABEL_IDS}"),
        (f"leftImg8bit/{IMAGE}", f"gtFine/{LABEL_IDS}"),
        (IMAGE, LABEL_IDS.replace("/aachen/", "/Aachen/")),
        (IMAGE, LABEL_IDS.replace("/aachen_", "/AACHEN_")),
        (IMAGE.replace("train", "Training"), LABEL_IDS),
    ],
)
def test_a_dataset_one_step_beside_the_layout_is_read(
    tmp_path: Path, image: str, annotation: str
) -> None:
    make(tmp_path, image, annotation)
    (frame,) = find_frames(tmp_path)
    assert (frame.image, frame.label_ids) == (tmp_path / image, tmp_path / annotation)


def test_zips_unpacked_into_folders_of_their_own_are_read_together(tmp_path: Path) -> None:
    fine = (f"leftImg8bit_trainvaltest/{IMAGE}", f"gtFine_trainvaltest/{LABEL_IDS}")
    extra = IMAGE.replace("train", "train_extra")
    coarse = LABEL_IDS.replace("train", "train_extra").replace("gtFine", "gtCoarse")
    make(tmp_path, *fine, f"leftImg8bit_trainextra/{extra}", f"gtCoarse/{coarse}")
    first, second = find_frames(tmp_path)
    assert (first.image, first.label_ids) == tuple(tmp_path / file for file in fine)
    assert second.image == tmp_path / "leftImg8bit_trainextra" / extra
    assert second.label_ids == tmp_path / "gtCoarse" / coarse


def test_a_split_unpacked_beside_the_others_is_read(tmp_path: Path) -> None:
    val = IMAGE.replace("train", "val"), LABEL_IDS.replace("train", "val")
    make(tmp_path, IMAGE, LABEL_IDS, f"leftImg8bit_val/{val[0]}", f"gtFine_val/{val[1]}")
    _, frame = find_frames(tmp_path)
    assert frame.image == tmp_path / "leftImg8bit_val" / val[0]
    assert frame.label_ids == tmp_path / "gtFine_val" / val[1]


@pytest.mark.parametrize("first", ["png", "PNG"])
def test_of_files_that_differ_only_in_case_the_first_by_name_is_taken(
    tmp_path: Path, first: str
) -> None:
    files = FrameFiles("aachen")
    for suffix in (first, first.swapcase()):
        file = file_named(f"{STEM}_leftImg8bit.{suffix}", LAYOUTS[0].images)
        assert file
        files.add(file)
    assert [file.path.name for file in files.files.values()] == [f"{STEM}_leftImg8bit.PNG"]


def test_names_that_differ_in_case_are_paired_only_if_there_are_two(tmp_path: Path) -> None:
    make(tmp_path, IMAGE, *(LABEL_IDS.replace("/aachen/", f"/{c}/") for c in ("Aachen", "AACHEN")))
    frames = find_frames(tmp_path)
    assert len(frames) == 3
    assert not any(frame.image and frame.label_ids for frame in frames)


def test_splits_above_images_and_labels_are_no_gta5_of_one_split(tmp_path: Path) -> None:
    for split in ("train", "val"):
        make(tmp_path / split, "images/00001.png", "labels/00001.png")
    with pytest.raises(DatasetError, match=r"has no leftImg8bit/train"):
        find_frames(tmp_path)


def test_train_ids_beside_the_labels_of_gta5_are_no_frames(tmp_path: Path) -> None:
    make_layout(tmp_path, "gta5")
    make(tmp_path, "labels/00001_labelTrainIds.png")
    assert [named(tmp_path, frame) for frame in find_frames(tmp_path)] == FRAMES["gta5"]
    (tmp_path / "labels/00001.png").unlink()
    assert find_frames(tmp_path)[0].encoding_hint == "trainids"


def test_kitti_split_by_hand_is_read(tmp_path: Path) -> None:
    for split in ("train", "val"):
        make(tmp_path / split, "image_2/000000_10.png", "semantic/000000_10.png")
    assert [frame.name for frame in find_frames(tmp_path)] == [
        "train/all/000000_10",
        "val/all/000000_10",
    ]


def test_flat_folders_have_the_city_all(tmp_path: Path) -> None:
    (frame,) = find_frames(make(tmp_path, IMAGE.replace("aachen/", "")))
    assert frame.mask(Path()) == Path(f"train/all/{STEM}_mask.png")


def test_annotations_beside_the_named_folder_of_images_are_read(tmp_path: Path) -> None:
    make(tmp_path, f"leftImg8bit_trainvaltest/{IMAGE}", f"gtFine_trainvaltest/{LABEL_IDS}")
    (frame,) = find_frames(tmp_path / "leftImg8bit_trainvaltest")
    assert frame.label_ids == tmp_path / "gtFine_trainvaltest" / LABEL_IDS


@pytest.mark.parametrize("linked", ["gtFine", "gtFine/train", "gtFine/train/aachen", LABEL_IDS])
def test_links_at_every_level_are_followed(tmp_path: Path, linked: str) -> None:
    root, elsewhere = make(tmp_path / "root", IMAGE), make(tmp_path / "elsewhere", LABEL_IDS)
    (root / linked).parent.mkdir(parents=True, exist_ok=True)
    (root / linked).symlink_to(elsewhere / linked)
    (frame,) = find_frames(root)
    assert frame.label_ids == root / LABEL_IDS


def test_composed_and_decomposed_names_are_paired(tmp_path: Path) -> None:
    image, annotation = (file.replace("aachen", "zürich") for file in (IMAGE, LABEL_IDS))
    make(tmp_path, unicodedata.normalize("NFD", image), unicodedata.normalize("NFC", annotation))
    (frame,) = find_frames(tmp_path)
    assert frame.image
    assert frame.image.is_file()
    assert frame.label_ids
    assert frame.label_ids.is_file()


def test_equal_stems_in_two_cities_are_paired_by_folder(tmp_path: Path) -> None:
    for place in ("aachen", "ulm"):
        make(tmp_path, *(f.replace("/aachen/", f"/{place}/") for f in (IMAGE, LABEL_IDS)))
    pairs = [(f.city, f.image, f.label_ids) for f in find_frames(tmp_path)]
    assert [city for city, _, _ in pairs] == ["aachen", "ulm"]
    assert all(image and label_ids for _, image, label_ids in pairs)


# --- what the app watches --------------------------------------------------------------------


def test_all_folders_above_files_are_watched(tmp_path: Path) -> None:
    make(tmp_path, IMAGE, LABEL_IDS)
    folders = {tmp_path, *(tmp_path / f for f in ("leftImg8bit/train/aachen", "gtFine/train"))}
    assert folders <= set(watched_folders(tmp_path))


def test_a_folder_without_dataset_has_none_to_watch(tmp_path: Path) -> None:
    assert watched_folders(tmp_path) == watched_folders(tmp_path / "nowhere") == []


# --- any tree --------------------------------------------------------------------------------

PARTS = st.sampled_from(
    [
        *("leftImg8bit", "gtFine", "gtfine", "gtCoarse", "leftImg8bit_foggy", "train", "VAL"),
        *("train_extra", "aachen", "images", "labels", "10k", "rgb_anon", "gt", "fog", "training"),
        *("image_2", "semantic", ".hidden", "zu\u0308rich", os.fsdecode(b"z\xfcrich"), "a\nb"),
    ]
)
FILES = st.sampled_from(
    [
        *("_leftImg8bit.png", "_leftImg8bit_foggy_beta_0.02.png", "_gtFine_labelIds.png", "a.png"),
        *("_gtFine_polygons.json", "x_gtFine_color.PNG", "_gtFine_instanceIds.png", "b.JPG"),
        *("._x_leftImg8bit.png", "x_rgb_anon.png", "x_gt_labelIds.png", "loop", "dangling.png"),
    ]
)
PATHS = st.lists(st.tuples(st.lists(PARTS, max_size=5), FILES), max_size=12)


def plant(root: Path, path: Path, number: int) -> None:
    """Make the file `path`, or a link for some names; what is in the way stays."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.name == "loop":
            path.symlink_to(root)
        elif path.name == "dangling.png":
            path.symlink_to("nowhere")
        else:
            path.write_bytes(bytes(number))
    except OSError:
        return


@settings(max_examples=60, deadline=None)
@given(paths=PATHS, split=st.sampled_from(SPLITS))
def test_any_tree_gives_frames_or_a_dataset_error(
    tmp_path_factory: pytest.TempPathFactory, paths: list[tuple[list[str], str]], split: str
) -> None:
    root = tmp_path_factory.mktemp("tree")
    for number, (parts, name) in enumerate(paths):
        plant(root, root.joinpath(*parts, name), number)
    watched_folders(root)
    for splits in (SPLITS, [split]):
        try:
            frames = find_frames(root, splits)
        except DatasetError as error:
            assert str(root) in str(error)  # noqa: PT017 - most trees are no dataset
            continue
        assert len({frame.name for frame in frames}) == len(frames)
        assert {frame.split for frame in frames} <= set(splits)


def test_a_huge_tree_is_not_walked_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        for below in range(40):
            (tmp_path / str(number) / str(below)).mkdir(parents=True)
    listed = []

    def counting(folder: Path) -> list[str]:
        listed.append(folder)
        return subfolders(folder)

    monkeypatch.setattr("cityseg.data.locating.subfolders", counting)
    with pytest.raises(DatasetError):
        find_frames(tmp_path)
    assert 1000 <= len(listed) <= 1001

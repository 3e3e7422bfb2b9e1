"""The sample city, checked against the official layout and tools and for looking like a street.

Also tests: sample/scene/*.
"""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import child
import cv2
import numpy as np
import old_pillow
import pytest
from cityscapesscripts.helpers.annotation import Annotation
from cityscapesscripts.preparation.json2instanceImg import createInstanceImage
from cityscapesscripts.preparation.json2labelImg import createLabelImage
from PIL import Image

from cityseg.arrays import Uint8Array
from cityseg.data import png
from cityseg.data.annotations import read_label_ids
from cityseg.data.dataset import find_frames
from cityseg.data.frame import Frame
from cityseg.errors import CitysegError, DatasetError
from cityseg.labels import CLASS_NAMES, LABEL_OF_NAME, TRAIN_ID_OF_LABEL_ID
from cityseg.sample.dataset import MARKER, draw_maps, make_sample, paint_frame
from cityseg.sample.scene import Polygon

SIZE_HW = (128, 256)
FRAMES = {"train": 8, "val": 2, "test": 2}


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sample") / "city"
    make_sample(root, frames=FRAMES, size_hw=SIZE_HW)
    return root


@pytest.fixture(scope="module")
def annotated(city: Path) -> list[Frame]:
    return find_frames(city, ["train", "val"])


def label_ids(frame: Frame) -> Uint8Array:
    assert frame.label_ids is not None
    return read_label_ids(frame.label_ids)


def picture(frame: Frame) -> Uint8Array:
    assert frame.image is not None
    return np.array(Image.open(frame.image))


def beside(frame: Frame, ending: str) -> Path:
    """The file of a frame's annotation that has this ending."""
    assert frame.label_ids is not None
    return frame.label_ids.with_name(frame.label_ids.name.replace("labelIds.png", ending))


def bytes_below(root: Path) -> dict[str, bytes]:
    files = [path for path in root.rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


# --- the official tools as oracle ------------------------------------------------------------


@pytest.fixture(scope="module", params=[(64, 128), (97, 211), (256, 512)], ids=str)
def judged(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[Frame, Annotation]]:
    """Frames of three sizes, one odd, and their polygons as the official tools read them."""
    root = tmp_path_factory.mktemp("judged")
    make_sample(root, frames={"train": 4, "test": 1}, size_hw=request.param, seed=5)
    pairs = []
    for frame in find_frames(root):
        annotation = Annotation()
        annotation.fromJsonFile(str(frame.polygons))
        pairs.append((frame, annotation))
    return pairs


def test_label_ids_are_what_the_official_tool_draws(
    judged: list[tuple[Frame, Annotation]],
) -> None:
    for frame, annotation in judged:
        with old_pillow.drawing():
            official = np.array(createLabelImage(annotation, "ids"))
        drawn = np.array(Image.open(beside(frame, "labelIds.png")))
        np.testing.assert_array_equal(drawn, official)


def test_instance_ids_are_what_the_official_tool_draws(
    judged: list[tuple[Frame, Annotation]],
) -> None:
    for frame, annotation in judged:
        with old_pillow.drawing():
            official = np.array(createInstanceImage(annotation, "ids"))
        drawn = np.array(Image.open(beside(frame, "instanceIds.png")))
        np.testing.assert_array_equal(drawn, official)


def test_colors_are_what_the_official_tool_draws(
    judged: list[tuple[Frame, Annotation]],
) -> None:
    for frame, annotation in judged:
        drawn = Image.open(beside(frame, "color.png"))
        with old_pillow.drawing():
            official = createLabelImage(annotation, "color")
        assert drawn.mode == official.mode
        np.testing.assert_array_equal(np.array(drawn), np.array(official))


def test_label_ids_are_what_their_polygons_draw(city: Path) -> None:
    for frame in find_frames(city)[::3]:
        assert frame.polygons is not None
        np.testing.assert_array_equal(label_ids(frame), read_label_ids(frame.polygons))


def test_plates_groups_and_instances_are_drawn_by_the_official_rules() -> None:
    square = [(2, 2), (20, 2), (20, 20), (2, 20)]
    right = [(12, 4), (30, 4), (30, 12), (12, 12)]
    polygons = [
        Polygon("road", [(0, 0), (39, 0), (39, 30), (0, 30)]),
        Polygon("car", square),
        Polygon("license plate", right),
        Polygon("cargroup", [(24, 14), (38, 14), (31, 27)]),
        Polygon("person", [(5, 5), (9, 5), (7, 18)]),
        Polygon("car", [(15, 15), (27, 18), (16, 28)]),
        Polygon("polegroup", [(35, 0), (35, 12), (35, 12)]),
    ]
    maps = draw_maps(polygons, (30, 40))
    annotation = Annotation()
    objects = [{"label": label, "polygon": outline} for label, outline in polygons]
    text = json.dumps({"imgHeight": 30, "imgWidth": 40, "objects": objects})
    annotation.fromJsonText(text)
    with old_pillow.drawing():
        np.testing.assert_array_equal(maps.label_ids, createLabelImage(annotation, "ids"))
        np.testing.assert_array_equal(maps.instance_ids, createInstanceImage(annotation, "ids"))
        np.testing.assert_array_equal(maps.color, createLabelImage(annotation, "color"))
    assert set(np.unique(maps.instance_ids)) == {7, 18, 26, 24000, 26000, 26001}


# --- the layout --------------------------------------------------------------------------------


def test_every_frame_is_found_with_all_its_files(city: Path) -> None:
    frames = find_frames(city)
    assert Counter(frame.split for frame in frames) == FRAMES
    for frame in frames:
        assert None not in (frame.image, frame.label_ids, frame.instance_ids, frame.polygons)
        assert beside(frame, "color.png").is_file()


def test_names_are_those_of_the_dataset(city: Path) -> None:
    for frame in find_frames(city):
        name, sequence, number = frame.stem.split("_")
        assert name == frame.city
        assert name.isascii()
        assert name.islower()
        assert name.isalpha()
        assert (len(sequence), number) == (6, "000019")


def test_no_city_is_in_two_splits(city: Path) -> None:
    splits_of_city: dict[str, set[str]] = {}
    for frame in find_frames(city):
        splits_of_city.setdefault(frame.city, set()).add(frame.split)
    assert len(splits_of_city) >= 6
    assert all(len(splits) == 1 for splits in splits_of_city.values())


def test_files_have_the_official_depths(annotated: list[Frame]) -> None:
    frame = annotated[0]
    assert frame.image is not None
    expected = {
        frame.image: (8, png.RGB),
        beside(frame, "labelIds.png"): (8, png.GREY),
        beside(frame, "instanceIds.png"): (16, png.GREY),
        beside(frame, "color.png"): (8, png.RGBA),
    }
    for path, kind in expected.items():
        header = png.read_header(path.read_bytes())
        assert header is not None
        assert (header.bit_depth, header.color_type) == kind
        assert (header.height, header.width) == SIZE_HW


def test_every_annotation_is_accepted_like_a_genuine_one(city: Path) -> None:
    for frame in find_frames(city):
        assert label_ids(frame).shape == SIZE_HW  # read_label_ids refuses what looks wrong


def test_the_test_split_is_void_and_its_pictures_are_not(city: Path) -> None:
    void = {LABEL_OF_NAME[n].id for n in ("ego vehicle", "rectification border", "out of roi")}
    for frame in find_frames(city, ["test"]):
        assert set(np.unique(label_ids(frame))) <= void
        assert picture(frame).std() > 20


def test_every_polygon_is_seen_and_in_the_picture(annotated: list[Frame]) -> None:
    for frame in annotated:
        assert frame.polygons is not None
        annotation = json.loads(frame.polygons.read_bytes())
        assert (annotation["imgHeight"], annotation["imgWidth"]) == SIZE_HW
        for thing in annotation["objects"]:
            points = np.array(thing["polygon"])
            assert points.dtype.kind == "i"
            assert len(points) >= 3
            assert (points >= 0).all()
            height, width = SIZE_HW
            assert (points <= (width - 1, height)).all()  # the row of the last y is not drawn
        instances = Counter(thing["label"] for thing in annotation["objects"])
        shown = np.unique(np.array(Image.open(beside(frame, "instanceIds.png"))))
        assert np.count_nonzero(shown // 1000 == LABEL_OF_NAME["car"].id) == instances["car"]


# --- the content -------------------------------------------------------------------------------


def test_eight_frames_have_all_19_classes(annotated: list[Frame]) -> None:
    train = [frame for frame in annotated if frame.split == "train"]
    found = np.unique(np.concatenate([TRAIN_ID_OF_LABEL_ID[label_ids(f)].ravel() for f in train]))
    assert set(range(len(CLASS_NAMES))) <= set(found.tolist())


def test_class_shares_are_those_of_streets(annotated: list[Frame]) -> None:
    pixels = np.zeros(256)
    for frame in annotated:
        pixels += np.bincount(TRAIN_ID_OF_LABEL_ID[label_ids(frame)].ravel(), minlength=256)
    share = dict(zip(CLASS_NAMES, pixels / pixels.sum(), strict=False))
    assert max(share, key=lambda name: share[name]) == "road"
    assert 0.2 < share["road"] < 0.45
    assert 0.1 < share["building"] < 0.35
    assert 0.06 < share["vegetation"] < 0.25
    assert 0.03 < share["car"] < 0.15
    common = ("road", "building", "vegetation", "car", "sidewalk", "sky")
    assert max(share[name] for name in CLASS_NAMES if name not in common) < 0.04
    assert sum(share.values()) > 0.85  # the rest is void


def test_picture_edges_lie_where_labels_change(annotated: list[Frame]) -> None:
    for frame in annotated:
        inner = np.s_[8:-24, 8:-8]
        grey = cv2.cvtColor(picture(frame), cv2.COLOR_RGB2GRAY).astype(np.float32)
        steep = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
        labels = label_ids(frame)
        changes = (labels != np.roll(labels, 1, 0)) | (labels != np.roll(labels, 1, 1))
        there = steep[inner][changes[inner]].mean()
        elsewhere = steep[inner][np.roll(changes, (5, 9), (0, 1))[inner]].mean()
        assert there > 1.45 * elsewhere


def test_a_class_has_no_color_of_its_own(annotated: list[Frame]) -> None:
    means = [picture(f)[label_ids(f) == LABEL_OF_NAME["building"].id].mean(0) for f in annotated]
    assert np.std(means, axis=0).min() > 8
    for frame in annotated:
        assert picture(frame)[label_ids(frame) == LABEL_OF_NAME["car"].id].std() > 15


def test_the_scene_is_the_same_at_every_size(city: Path, tmp_path: Path) -> None:
    make_sample(tmp_path, frames={"train": 2}, size_hw=(256, 512))
    small = {frame.stem: label_ids(frame) for frame in find_frames(city)}
    for frame in find_frames(tmp_path):
        assert np.mean(label_ids(frame)[::2, ::2] == small[frame.stem]) > 0.93


# --- a second call -----------------------------------------------------------------------------


def test_a_frame_does_not_depend_on_how_many_there_are(city: Path, tmp_path: Path) -> None:
    make_sample(tmp_path, frames={"train": 2, "val": 1}, size_hw=SIZE_HW)
    few, many = bytes_below(tmp_path), bytes_below(city)
    assert len(few) == 3 * 5 + 1
    assert few.items() <= many.items()


def test_another_seed_is_another_city(city: Path, tmp_path: Path) -> None:
    make_sample(tmp_path, frames={"train": 1}, size_hw=SIZE_HW, seed=1)
    (other,) = find_frames(tmp_path)
    (same_name,) = [frame for frame in find_frames(city) if frame.name == other.name]
    assert np.mean(label_ids(other) != label_ids(same_name)) > 0.1


def test_a_sample_grows_and_keeps_what_it_has(tmp_path: Path) -> None:
    make_sample(tmp_path, frames={"train": 1}, size_hw=(32, 64))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")}
    make_sample(tmp_path, frames={"train": 2, "val": 1}, size_hw=(32, 64))
    assert len(find_frames(tmp_path)) == 3
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_missing_and_empty_files_are_written_again(tmp_path: Path) -> None:
    make_sample(tmp_path, frames={"train": 1}, size_hw=(32, 64))
    whole = bytes_below(tmp_path)
    (frame,) = find_frames(tmp_path)
    assert frame.image is not None
    frame.image.unlink()
    beside(frame, "color.png").write_bytes(b"")
    make_sample(tmp_path, frames={"train": 1}, size_hw=(32, 64))
    assert bytes_below(tmp_path) == whole


def test_an_interrupted_run_is_completed(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"

    def interrupt(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    make_sample(whole, frames={"train": 3}, size_hw=(32, 64))
    with pytest.raises(KeyboardInterrupt):
        make_sample(broken, frames={"train": 3}, size_hw=(32, 64), progress=interrupt)
    assert len(find_frames(broken)) == 2
    make_sample(broken, frames={"train": 3}, size_hw=(32, 64))
    assert bytes_below(broken) == bytes_below(whole)


def test_progress_counts_every_frame(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    make_sample(
        tmp_path,
        frames={"val": 1, "train": 2},
        size_hw=(32, 64),
        progress=lambda done, total: calls.append((done, total)),
    )
    assert calls == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("size_hw", [(32, 64), (33, 65), (32, 2048), (1024, 64), (1024, 2048)])
def test_every_size_is_honoured(tmp_path: Path, size_hw: tuple[int, int]) -> None:
    make_sample(tmp_path, frames={"train": 1}, size_hw=size_hw)
    (frame,) = find_frames(tmp_path)
    assert picture(frame).shape == (*size_hw, 3)
    assert label_ids(frame).shape == size_hw


# --- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frames", "size_hw", "seed", "message"),
    [
        ({"train": 1}, (31, 64), 0, r"^The height is 31 pixels: give 32 to 1024"),
        ({"train": 1}, (1025, 2048), 0, r"height is 1025 pixels"),
        ({"train": 1}, (32, 63), 0, r"^The width is 63 pixels: give 64 to 2048"),
        ({"train": 1}, (1024, 2049), 0, r"width is 2049 pixels"),
        ({"train": -1}, (32, 64), 0, r"^The number of train frames is -1: give 0 or more"),
        ({"train": 0}, (32, 64), 0, r"^The sample would have no frames: give at least one split 1"),
        ({"dev": 1}, (32, 64), 0, r"There is no split 'dev'"),
        ({"train": 1}, (32, 64), -3, r"^The seed is -3: give 0 or more"),
    ],
)
def test_numbers_out_of_bounds_are_refused(
    tmp_path: Path, frames: Mapping[str, int], size_hw: tuple[int, int], seed: int, message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        make_sample(tmp_path / "city", frames=frames, size_hw=size_hw, seed=seed)
    assert not (tmp_path / "city").exists()


def occupy_with_a_file(root: Path) -> None:
    root.write_text("mine")


def occupy_below_a_file(root: Path) -> None:
    root.parent.write_text("mine")


def occupy_with_images(root: Path) -> None:
    (root / "leftImg8bit" / "train").mkdir(parents=True)


def occupy_with_annotations(root: Path) -> None:
    (root / "gtFine").mkdir(parents=True)


def occupy_with_another_seed(root: Path) -> None:
    make_sample(root, frames={"train": 1}, size_hw=(32, 64), seed=8)


def occupy_with_another_size(root: Path) -> None:
    make_sample(root, frames={"train": 1}, size_hw=(48, 96))


def occupy_with_a_damaged_marker(root: Path) -> None:
    root.mkdir(parents=True)
    (root / MARKER).write_text("{")


@pytest.mark.parametrize(
    ("occupy", "message"),
    [
        (
            occupy_with_a_file,
            r"^Cannot write to .*city: Not a directory at .*city; choose another folder",
        ),
        (
            occupy_below_a_file,
            r"^Cannot write to .*city: Not a directory at .*some; choose another folder",
        ),
        (
            occupy_with_images,
            r"city has a folder leftImg8bit that is no sample: name another folder",
        ),
        (occupy_with_annotations, r"city has a folder gtFine that is no sample"),
        (occupy_with_another_seed, r"seed 8 .*, not .* seed 0 .*: name another folder, or remove"),
        (occupy_with_another_size, r"holds a sample with 48×96 pixels.* not 32×64 pixels"),
        (occupy_with_a_damaged_marker, r"sample.json is damaged: remove its folder"),
    ],
)
def test_existing_files_are_not_touched(
    tmp_path: Path, occupy: Callable[[Path], None], message: str
) -> None:
    root = tmp_path / "some" / "city"
    if occupy is not occupy_below_a_file:
        root.parent.mkdir()
    occupy(root)
    before = bytes_below(tmp_path)
    with pytest.raises(CitysegError, match=message):
        make_sample(root, frames={"train": 1}, size_hw=(32, 64))
    assert bytes_below(tmp_path) == before


MAKE_OR_PRINT_ERROR = """
import sys
from pathlib import Path
from cityseg.errors import CitysegError
from cityseg.sample import dataset
def refuse(*arguments):
    raise AssertionError("painted before the folder was checked")
dataset.render = refuse
try:
    dataset.make_sample(Path(sys.argv[1]), frames={"train": int(sys.argv[2])}, size_hw=(32, 64))
    print("complete")
except CitysegError as error:
    print(error)
"""


@pytest.mark.parametrize("closed", ["", "leftImg8bit/train/lindhafen", "gtFine/train/torbruck"])
def test_a_folder_without_permission_is_an_error_before_anything_is_painted(
    tmp_path: Path, closed: str
) -> None:
    make_sample(tmp_path, frames={"train": 2}, size_hw=(32, 64))
    if not closed:
        (tmp_path / MARKER).unlink()
        shutil.rmtree(tmp_path / "leftImg8bit")
        shutil.rmtree(tmp_path / "gtFine")
    (tmp_path / closed).chmod(0o500)
    message = child.output_obeying_permissions(MAKE_OR_PRINT_ERROR, tmp_path, 6)
    (tmp_path / closed).chmod(0o700)
    assert message.startswith(f"Cannot write to {tmp_path / closed}: Permission denied")


def test_a_complete_sample_needs_no_permission(tmp_path: Path) -> None:
    make_sample(tmp_path, frames={"train": 1}, size_hw=(32, 64))
    folders = [tmp_path, *filter(Path.is_dir, tmp_path.rglob("*"))]
    for folder in folders:
        folder.chmod(0o500)
    message = child.output_obeying_permissions(MAKE_OR_PRINT_ERROR, tmp_path, 1)
    for folder in folders:
        folder.chmod(0o700)
    assert message == "complete\n"


def test_a_frame_without_files_is_the_one_that_a_sample_has(city: Path) -> None:
    frame = find_frames(city, ["val"])[0]
    found = paint_frame("val", 0, SIZE_HW)
    assert np.array_equal(found[0], picture(frame))
    assert np.array_equal(found[1], label_ids(frame))


def test_a_frame_of_no_split_is_refused() -> None:
    with pytest.raises(DatasetError, match="no split 'dev'"):
        paint_frame("dev", 0)

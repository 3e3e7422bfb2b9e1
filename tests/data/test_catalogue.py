"""The catalogue of frames small enough to count by eye."""

import gc
from pathlib import Path

import child
import city
import numpy as np
import pytest

from cityseg.data.catalogue import IGNORED_LABEL_IDS, Catalogue, load_catalogue
from cityseg.data.dataset import find_frames
from cityseg.data.masks import convert
from cityseg.data.pixel_table import PixelRow, update_pixel_table
from cityseg.data.report import FrameOutcome, Report
from cityseg.labels import MAP_LABELS

ROAD, CAR = 0, 13  # train ids


def halves(left: int, right: int) -> np.ndarray:
    """(64, 64) of two labels."""
    label_ids = np.full((64, 64), left, np.uint8)
    label_ids[:, 32:] = right
    return label_ids


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Frames that are half road and half car, all road, a quarter ego vehicle, and one broken."""
    folder = tmp_path / "data"
    city.write_frame(folder, "a_0_0", label_ids=halves(city.ROAD, city.CAR))
    city.write_frame(folder, "a_1_0", label_ids=halves(city.ROAD, city.ROAD))
    quarter = halves(city.ROAD, city.ROAD)
    quarter[:16] = city.EGO_VEHICLE
    city.write_frame(folder, "b_0_0", "val", label_ids=quarter)
    city.write_frame(folder, "b_1_0", "val").write_bytes(b"broken")
    return folder


def catalogue_of(root: Path) -> Catalogue:
    return load_catalogue(find_frames(root), root / "masks")


@pytest.fixture
def catalogue(root: Path) -> Catalogue:
    """The four frames, converted."""
    convert(root)
    return catalogue_of(root)


def test_rows_are_in_the_order_of_the_frames(catalogue: Catalogue) -> None:
    assert [frame.stem for frame in catalogue.frames] == ["a_0_0", "a_1_0", "b_0_0", "b_1_0"]
    assert catalogue.pixels[:, city.CAR].tolist() == [2048, 0, 0, 0]


def test_sizes_are_pixels_of_the_frame(catalogue: Catalogue) -> None:
    assert catalogue.size.tolist() == [4096, 4096, 4096, 0]


def test_class_shares_are_of_all_the_frames_pixels(catalogue: Catalogue) -> None:
    assert catalogue.class_shares.shape == (4, 19)
    assert catalogue.class_shares[:3, [ROAD, CAR]].tolist() == [[0.5, 0.5], [1, 0], [0.75, 0]]


def test_shares_of_a_frame_that_was_not_counted_are_undefined(catalogue: Catalogue) -> None:
    assert catalogue.counted.tolist() == [True, True, True, False]
    assert np.isnan(catalogue.class_shares[3]).all()
    assert np.isnan(catalogue.ignored_share[3])


def test_present_classes_have_a_pixel_at_least(catalogue: Catalogue) -> None:
    assert catalogue.present[:, CAR].tolist() == [True, False, False, False]


def test_the_ignored_share_is_what_became_255(catalogue: Catalogue) -> None:
    assert catalogue.ignored_share[:3].tolist() == [0, 0, 0.25]


def test_the_ignored_label_ids_are_those_that_are_not_evaluated() -> None:
    expected = [label.id for label in MAP_LABELS if label.ignore_in_eval]
    assert IGNORED_LABEL_IDS.tolist() == expected


def test_frequencies_of_a_split_count_pixels_and_images(catalogue: Catalogue) -> None:
    train = catalogue.frequencies("train")
    assert train.frames == 2
    assert (train.pixels[city.ROAD], train.images[city.ROAD]) == (6144, 2)
    assert (train.pixels[city.CAR], train.images[city.CAR]) == (2048, 1)


def test_frequencies_of_all_splits_exclude_frames_that_were_not_counted(
    catalogue: Catalogue,
) -> None:
    every = catalogue.frequencies()
    assert (every.frames, int(every.pixels.sum())) == (3, 3 * 4096)


def test_frequencies_of_all_splits_exclude_blank_frames_of_test(root: Path) -> None:
    city.write_frame(root, "t_0_0", "test", label_ids=city.street() * 0)
    convert(root)
    catalogue = catalogue_of(root)
    assert catalogue.frequencies("test").frames == 1
    assert catalogue.frequencies().pixels[0] == 0


def test_frequencies_of_a_split_without_frames_are_zero(catalogue: Catalogue) -> None:
    assert catalogue.frequencies("test").frames == 0
    assert not catalogue.frequencies("test").pixels.any()


def test_a_skipped_frame_has_its_reason_and_detail(catalogue: Catalogue) -> None:
    assert catalogue.reasons == (None, None, None, "corrupt_file")
    assert "b_1_0_gtFine_labelIds.png is no PNG" in (catalogue.details[3] or "")


def test_after_a_conversion_every_frame_is_converted_or_skipped(catalogue: Catalogue) -> None:
    assert catalogue.converted.tolist() == [True, True, True, False]
    assert not catalogue.unseen.any()


def test_before_a_conversion_nothing_is_counted_and_nothing_is_wrong(root: Path) -> None:
    catalogue = catalogue_of(root)
    assert catalogue.unseen.all()
    assert not catalogue.counted.any()
    assert catalogue.reasons == (None,) * 4


def test_a_dataset_without_frames_has_empty_arrays(tmp_path: Path) -> None:
    catalogue = load_catalogue([], tmp_path)
    assert catalogue.class_shares.shape == (0, 19)
    assert catalogue.frequencies().frames == 0


def test_a_frame_that_appeared_since_is_unseen(root: Path) -> None:
    convert(root)
    city.write_frame(root, "a_2_0")
    catalogue = catalogue_of(root)
    assert [frame.stem for frame in np.array(catalogue.frames)[catalogue.unseen]] == ["a_2_0"]


def test_a_frame_whose_mask_was_removed_is_unseen_and_not_counted(root: Path) -> None:
    convert(root)
    catalogue = catalogue_of(root)
    catalogue.frames[0].mask(root / "masks").unlink()
    again = catalogue_of(root)
    assert (again.converted[0], again.unseen[0], again.counted[0]) == (False, True, False)


def test_a_conversion_of_one_split_leaves_the_frames_of_the_others_as_they_were(
    root: Path,
) -> None:
    convert(root)
    convert(root, splits=["train"])
    assert catalogue_of(root).counted.tolist() == [True, True, True, False]


def named_frames(root: Path, count: int) -> Path:
    """A dataset of empty files, whose conversion has warned of each frame."""
    stems = [f"a_000000_{number:06}" for number in range(count)]
    for stem in stems:
        for path in (city.image_path(root, stem), city.annotation_path(root, stem)):
            city.write(path, b"")
        city.write(root / "masks" / "train" / "a" / f"{stem}_mask.png", b"")
    names = [f"train/a/{stem}" for stem in stems]
    row = PixelRow("stamp", np.arange(34, dtype=np.int64))
    update_pixel_table(root / "masks", dict.fromkeys(names, row), lambda name: False)
    outcomes = [FrameOutcome(name, "converted", warnings=("odd_places",)) for name in names]
    Report(outcomes).write(root / "masks")
    return root


def collections_in_catalogue_of(root: Path) -> int:
    """How often garbage is collected where it is after every few objects."""
    begun: list[str] = []

    def watch(phase: str, info: dict[str, int]) -> None:
        begun.append(phase)

    thresholds = gc.get_threshold()
    gc.collect()
    gc.callbacks.append(watch)
    gc.set_threshold(30, 1, 1)
    try:
        found = catalogue_of(root)
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(watch)
    assert found.counted.all()
    assert set(found.warnings) == {("odd_places",)}
    return begun.count("start")


def test_objects_of_many_frames_cause_no_collection(tmp_path: Path) -> None:
    few, many = (
        collections_in_catalogue_of(named_frames(tmp_path / f"{count}", count))
        for count in (2, 400)
    )
    # Without a pause there is one for every ten frames, each over all objects of the process.
    assert many <= few + 5


def test_importing_the_catalogue_loads_no_torch_and_no_streamlit() -> None:
    heavy = "{'torch', 'streamlit', 'plotly', 'pandas'}"
    printed = child.output(
        f"import sys, cityseg.data.catalogue\nprint({heavy} & sys.modules.keys())"
    )
    assert printed == "set()\n"

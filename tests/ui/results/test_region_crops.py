"""Crops of regions: the right part of each picture, with the right pixels outlined."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from city import decode
from made_evidence import make_evidence

from cityseg.arrays import Uint8Array
from cityseg.data import LABEL_IDS, find_frames
from cityseg.errors import ImageError
from cityseg.evaluation import BOTH, Evidence, Region, RegionQuery, find_regions, picture_paths
from cityseg.labels import IGNORE
from cityseg.ui.results import region_crops
from cityseg.ui.results.region_crops import (
    Source,
    crop_addresses,
    find_region,
    make_crop,
    viewer_place,
    window_around,
)

ROAD, CAR = 0, 13
STEM = "ulm_000000_000001"
#: The outline of a crop: see `region_crops`.
LINES = (253, 254)


def maps() -> tuple[Uint8Array, Uint8Array]:
    """Two cars in the truth, of which half of the first is predicted, and an ignored part."""
    truth = np.full((48, 96), ROAD, np.uint8)
    truth[8:24, 10:30] = truth[30:40, 60:80] = CAR
    truth[:, 90:] = IGNORE
    predicted = np.full((48, 96), ROAD, np.uint8)
    predicted[8:24, 10:20] = CAR
    return truth, predicted


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    folder = tmp_path_factory.mktemp("crops")
    return make_evidence(folder / "evidence", folder / "data", {STEM: maps()})


@pytest.fixture
def source(evidence: Evidence) -> Source:
    (frame,) = find_frames(Path(evidence.about.data), ["val"])
    return Source(frame, LABEL_IDS, picture_paths(evidence.folder, frame.name)[0])


def regions(evidence: Evidence, side: str) -> list[Region]:
    return find_regions(evidence.folder, RegionQuery(side, CAR)).first


def test_a_window_has_the_region_in_its_middle_and_stays_in_the_picture() -> None:
    region = Region("", "truth", CAR, 100, 200, 120, 260, 1, 0, 0, 0, 0, 1)
    window = window_around(region, (1024, 2048))
    assert window.right - window.left == 171  # a twelfth of the frame
    assert abs((window.left + window.right) / 2 - 230) < 1
    corner = window_around(region._replace(top=0, bottom=20, left=2000, right=2048), (1024, 2048))
    assert (corner.top, corner.right) == (0, 2048)
    assert corner.bottom - corner.top == 128
    whole = window_around(region._replace(top=0, bottom=48, left=0, right=96), (48, 96))
    assert whole == (0, 0, 48, 96)


def test_a_crop_of_a_squeezed_frame_has_the_proportions_of_any_other() -> None:
    region = Region("", "truth", CAR, 100, 100, 120, 110, 1, 0, 0, 0, 0, 1)
    window = window_around(region, (256, 256), pixel_aspect=2)
    assert window == (90, 91, 130, 118)  # twice as high as the region: 54 x 40 as it is shown
    assert viewer_place(region, (256, 256), 2).aspect == pytest.approx(4 / 3, abs=0.02)
    whole = region._replace(top=0, bottom=256, left=0, right=256)
    assert viewer_place(whole, (256, 256), 2).aspect == 2


def test_the_viewer_opens_at_the_window(source: Source, evidence: Evidence) -> None:
    region = regions(evidence, "truth")[0]
    assert source.size_hw() == (48, 96)
    window = window_around(region, (48, 96))
    assert window == (0, 0, 32, 43)
    place = viewer_place(region, (48, 96))
    assert place.address == {"frame": f"val/ulm/{STEM}", "view": "21.5,16,1.50"}


@pytest.mark.parametrize("side", ["truth", "prediction", BOTH])
def test_labels_are_exact_and_the_region_is_outlined(
    source: Source, evidence: Evidence, side: str
) -> None:
    truth, predicted = maps()
    if side == BOTH:  # the half of the first car that is missed
        first = regions(evidence, "truth")[0]
        region = first._replace(side=BOTH, left=20, pixels=160, other=ROAD)
    else:
        region = regions(evidence, side)[0]
    window = window_around(region, (48, 96))
    for pane, label_map in (("Truth", truth), ("Prediction", predicted)):
        shown = decode(make_crop(pane, region, source).content)
        rows = np.arange(shown.shape[0]) * (window.bottom - window.top) // shown.shape[0]
        columns = np.arange(shown.shape[1]) * (window.right - window.left) // shown.shape[1]
        expected = window.of(label_map)[rows][:, columns]
        is_line = np.isin(shown, LINES)
        assert (shown[~is_line] == expected[~is_line]).all()
        across = np.flatnonzero(is_line.any(axis=0)) * (window.right - window.left)
        left, right = across[[0, -1]] / shown.shape[1] + window.left
        assert abs(left - region.left) < 1
        assert abs(right - region.right) < 1


def test_a_photo_is_a_jpeg_of_the_same_size(source: Source, evidence: Evidence) -> None:
    region = regions(evidence, "truth")[0]
    photo = make_crop("Photo", region, source)
    assert photo.media_type == "image/jpeg"
    labels = decode(make_crop("Truth", region, source).content)
    assert decode(photo.content).shape == (*labels.shape, 3)


def test_pixels_that_are_not_square_are_shown_as_they_are(
    source: Source, evidence: Evidence
) -> None:
    region = regions(evidence, "truth")[0]
    for pixel_aspect in (1.0, 2.0):
        squeezed = Source(source.frame, LABEL_IDS, source.prediction, pixel_aspect)
        height, width = decode(make_crop("Truth", region, squeezed).content).shape
        window = window_around(region, (48, 96), pixel_aspect)
        shown = (window.right - window.left) * pixel_aspect / (window.bottom - window.top)
        assert width / height == pytest.approx(shown, rel=0.01)
        assert viewer_place(region, (48, 96), pixel_aspect).aspect == pytest.approx(shown)


def test_the_region_is_the_component_of_its_size(evidence: Evidence) -> None:
    region = regions(evidence, "truth")[0]._replace(pixels=3)
    label_map = np.array([[CAR, ROAD, CAR], [CAR, ROAD, CAR], [ROAD, ROAD, CAR]], np.uint8)
    assert find_region(label_map, region).tolist() == [[False, False, True]] * 3
    without = np.full((2, 2), ROAD, np.uint8)
    assert find_region(without, region).all()


def test_without_a_kept_prediction_there_are_two_crops(source: Source, evidence: Evidence) -> None:
    region = regions(evidence, "prediction")[0]
    assert list(crop_addresses(region, source)) == ["Photo", "Truth", "Prediction"]
    missing = Source(source.frame, LABEL_IDS, source.prediction.with_name("missing.png"))
    assert list(crop_addresses(region, missing)) == ["Photo", "Truth"]
    shown = decode(make_crop("Truth", region, missing).content)
    assert np.isin(shown, LINES).any()  # its box


def test_nothing_is_decoded_before_a_crop_is_asked_for(
    source: Source, evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(region_crops, "decode_frame")
    monkeypatch.delattr(region_crops, "read_bytes")
    assert len(crop_addresses(regions(evidence, "truth")[0], source)) == 3


def test_a_frame_without_a_photo_says_so(source: Source, evidence: Evidence) -> None:
    frame = replace(source.frame, image=None)
    with pytest.raises(ImageError, match="has no photo"):
        crop_addresses(regions(evidence, "truth")[0], Source(frame, LABEL_IDS, source.prediction))

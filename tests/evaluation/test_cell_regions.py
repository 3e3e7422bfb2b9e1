"""Regions of a cell of the confusion, found again from annotations and kept predictions."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from made_evidence import make_evidence

from cityseg.arrays import Uint8Array
from cityseg.errors import ImageError
from cityseg.evaluation import cell_regions
from cityseg.evaluation.cell_regions import BOTH, find_cell_regions
from cityseg.evaluation.evidence_files import Evidence, picture_paths
from cityseg.labels import IGNORE

ROAD, SIDEWALK, CAR = 0, 1, 13
STEMS = ("ulm_000000_000001", "ulm_000000_000002", "ulm_000000_000003")


def road(*boxes: tuple[int, int, int, int], value: int = CAR) -> Uint8Array:
    """A map of road with boxes, each from its top, left, bottom and right."""
    label_map = np.full((16, 32), ROAD, np.uint8)
    for top, left, bottom, right in boxes:
        label_map[top:bottom, left:right] = value
    return label_map


#: The first frame misses two cars, the second one; the third none.
CARS = [road((2, 2, 6, 8), (10, 20, 12, 30)), road((4, 4, 9, 12)), road((0, 0, 4, 4))]
MAPS = {
    STEMS[0]: (CARS[0], road()),
    STEMS[1]: (CARS[1], road((4, 4, 9, 6))),
    STEMS[2]: (CARS[2], CARS[2]),
}


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    folder = tmp_path_factory.mktemp("cells")
    return make_evidence(folder / "evidence", folder / "data", MAPS)


def truth_of(name: str) -> Uint8Array:
    return MAPS[name.rpartition("/")[2]][0]


ALL = np.arange(3)


def test_they_are_the_connected_pixels_of_both_classes(evidence: Evidence) -> None:
    found = find_cell_regions(evidence, ALL, CAR, ROAD, truth_of)
    assert [
        (region.frame[-1], region.pixels, region.top, region.left, region.bottom, region.right)
        for region in found.regions.first
    ] == [("2", 30, 4, 6, 9, 12), ("1", 24, 2, 2, 6, 8), ("1", 20, 10, 20, 12, 30)]
    assert (found.regions.number, found.regions.counted) == (3, 74)
    assert (found.frames, found.pixels, found.all_pixels) == (2, 74, 74)
    first = found.regions.first[0]
    assert (first.side, first.train_id, first.other) == (BOTH, CAR, ROAD)
    assert first.confidence == pytest.approx(128 / 255)


def test_their_pixels_are_those_of_the_confusion(evidence: Evidence) -> None:
    for truth, predicted in ((CAR, ROAD), (ROAD, ROAD), (CAR, CAR)):
        found = find_cell_regions(evidence, ALL, truth, predicted, truth_of)
        cell = evidence.class_confusions[:, truth, predicted].sum()
        assert found.regions.counted == found.all_pixels == cell
    assert not find_cell_regions(evidence, ALL, CAR, SIDEWALK, truth_of).frames


def test_only_the_frames_with_the_most_pixels_are_looked_at(
    evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cell_regions, "MOST_FRAMES", 1)
    found = find_cell_regions(evidence, ALL, CAR, ROAD, truth_of)
    assert {region.frame[-1] for region in found.regions.first} == {"1"}
    assert (found.frames, found.pixels, found.all_pixels) == (1, 44, 74)
    assert find_cell_regions(evidence, ALL[1:], CAR, ROAD, truth_of).all_pixels == 30


def test_size_and_confidence_are_conditions(evidence: Evidence) -> None:
    large = find_cell_regions(evidence, ALL, CAR, ROAD, truth_of, least_pixels=24)
    assert [region.pixels for region in large.regions.first] == [30, 24]
    sure = find_cell_regions(evidence, ALL, CAR, ROAD, truth_of, confidence=(0.6, 1.0))
    assert not sure.regions.first
    few = find_cell_regions(evidence, ALL, CAR, ROAD, truth_of, most=1)
    assert (len(few.regions.first), few.regions.number) == (1, 3)


def test_a_frame_that_cannot_be_read_is_named_and_the_others_are_shown(
    evidence: Evidence,
) -> None:
    def read(name: str) -> Uint8Array:
        if name.endswith("2"):
            raise ImageError(f"{name} is damaged")
        return truth_of(name)

    found = find_cell_regions(evidence, ALL, CAR, ROAD, read)
    assert [region.pixels for region in found.regions.first] == [24, 20]
    assert found.problems == [f"val/ulm/{STEMS[1]} is damaged"]


def test_pixels_that_only_the_exact_prediction_has_are_in_no_region(evidence: Evidence) -> None:
    found = find_cell_regions(evidence, ALL, CAR, ROAD, lambda name: road())
    assert (found.regions.number, found.frames, found.problems) == (0, 2, [])


def test_a_coarse_prediction_is_enlarged_by_repeating_pixels(tmp_path: Path) -> None:
    """The truth is twice the size of the kept pictures."""
    large = {STEMS[0]: MAPS[STEMS[0]], STEMS[1]: MAPS[STEMS[1]]}
    evidence = make_evidence(tmp_path / "evidence", tmp_path / "data", large)

    def read(name: str) -> Uint8Array:
        truth = cv2.resize(truth_of(name), (64, 32), interpolation=cv2.INTER_NEAREST)
        truth[:, :8] = IGNORE
        return truth

    found = find_cell_regions(evidence, np.arange(2), CAR, ROAD, read)
    assert [region.pixels for region in found.regions.first] == [120, 80, 64]
    picture_paths(evidence.folder, evidence.store.names[0])[0].write_bytes(b"damaged")
    assert len(find_cell_regions(evidence, np.arange(2), CAR, ROAD, read).problems) == 1

"""The frames of a selection, and their order."""

from pathlib import Path
from typing import Any

import city
import numpy as np
import pytest

from cityseg.data.catalogue import Catalogue, load_catalogue
from cityseg.data.dataset import find_frames
from cityseg.data.frame import Frame
from cityseg.data.masks import convert
from cityseg.data.selection import IGNORED, UNSEEN, Selection, problems_of
from cityseg.labels import LABEL_OF_NAME, NUM_LABEL_IDS

ROAD, CAR, VOID = LABEL_OF_NAME["road"].id, LABEL_OF_NAME["car"].id, 0
#: (split, city, stem, pixels by label or None where not counted, reason it was skipped for)
FRAMES: tuple[tuple[str, str, str, dict[int, int] | None, str | None], ...] = (
    ("train", "aachen", "aachen_0", {ROAD: 60, CAR: 20, VOID: 20}, None),
    ("train", "bremen", "bremen_0", {ROAD: 100}, None),
    ("train", "bremen", "bremen_1", None, "truncated_file"),
    ("val", "köln", "KÖLN_0", {ROAD: 50, CAR: 50}, None),
    ("val", "köln", "köln_1", None, None),
)


@pytest.fixture
def catalogue() -> Catalogue:
    pixels = np.zeros((len(FRAMES), NUM_LABEL_IDS), np.int64)
    for row, (*_, counts, _) in zip(pixels, FRAMES, strict=True):
        for label, count in (counts or {}).items():
            row[label] = count
    counted = np.array([counts is not None for *_, counts, _ in FRAMES])
    reasons = tuple(reason for *_, reason in FRAMES)
    frames = [Frame(split, city, stem) for split, city, stem, *_ in FRAMES]
    return Catalogue(frames, pixels, counted, counted, reasons, reasons, ((),) * len(frames))


@pytest.mark.parametrize(
    ("wanted", "positions"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"descending": True}, [4, 3, 2, 1, 0]),
        ({"splits": ("val",)}, [3, 4]),
        ({"cities": ("bremen", "aachen")}, [0, 1, 2]),
        ({"text": " köln_"}, [3, 4]),
        ({"text": "nowhere"}, []),
        ({"label": "car"}, [0, 3]),
        ({"label": "car", "share": (0.2, 0.3)}, [0]),
        ({"label": "car", "share": (0.21, 1.0)}, [3]),
        ({"label": IGNORED}, [0]),
        ({"problems": ("truncated_file",)}, [2]),
        ({"problems": (UNSEEN, "truncated_file")}, [2, 4]),
        ({"order": "car"}, [1, 0, 3, 2, 4]),
        ({"order": "car", "descending": True}, [3, 0, 1, 2, 4]),
        ({"order": IGNORED, "descending": True}, [0, 1, 3, 2, 4]),
        ({"splits": ("train",), "label": "road", "order": "road"}, [0, 1]),
    ],
)
def test_a_selection_has_just_these_frames(
    catalogue: Catalogue, wanted: dict[str, Any], positions: list[int]
) -> None:
    assert Selection(**wanted).positions_in(catalogue).tolist() == positions


def test_nothing_can_be_chosen_of_no_frames() -> None:
    no_pixels = np.zeros((0, NUM_LABEL_IDS), np.int64)
    nothing = Catalogue([], no_pixels, np.zeros(0, bool), np.zeros(0, bool), (), (), ())
    assert Selection(label="car", problems=(UNSEEN,), order="car").positions_in(nothing).size == 0


def test_frames_are_chosen_by_their_warnings(tmp_path: Path) -> None:
    city.write_frame(tmp_path, "ulm_0_0")
    city.write_frame(tmp_path, "ulm_1_0", label_ids=city.street()[::-1])
    convert(tmp_path)
    catalogue = load_catalogue(find_frames(tmp_path), tmp_path / "masks")
    assert problems_of(catalogue) == [(), ("odd_places",)]
    assert Selection(problems=("odd_places", "no_class")).positions_in(catalogue).tolist() == [1]

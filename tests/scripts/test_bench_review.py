"""Planted errors, and the figures of a queue that finds them: on maps that can be checked by eye.

Mirrors no module: it tests scripts/planting.py and scripts/bench_review.py.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import city
import numpy as np
import pytest

from cityseg.data import read_label_ids
from cityseg.labels import TRAIN_ID_OF_LABEL_ID

ROAD, CAR, BICYCLE, SKY, EGO = city.ROAD, city.CAR, city.BICYCLE, city.SKY, city.EGO_VEHICLE
NAME = "ulm_000000_000000"


@pytest.fixture
def planting(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "scripts")
    return __import__("planting")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Ten frames with a car and a bicycle close together on the road, below the sky."""
    label_ids = np.full((64, 128), ROAD, np.uint8)
    label_ids[:24] = SKY
    label_ids[30:50, 20:50] = CAR
    label_ids[30:50, 52:70] = BICYCLE
    label_ids[60:] = EGO
    for number in range(10):
        stem = f"{NAME[:-1]}{number}"
        city.write(city.image_path(tmp_path / "city", stem, "val"), city.encode(label_ids))
        city.write(city.annotation_path(tmp_path / "city", stem, "val"), city.encode(label_ids))
    return tmp_path / "city"


@pytest.mark.parametrize("kind", ["swapped", "missing", "merged", "shifted", "area"])
def test_errors_lie_where_they_are_said_to_and_the_rest_stays(
    kind: str, root: Path, tmp_path: Path, planting: Any
) -> None:
    errors, objects = planting.plant(root, tmp_path / "copy", "val", 0.1, 0, [kind])
    assert objects == 40
    assert [error.kind for error in errors] == [kind] * 4
    for error in errors:
        stem = error.frame.rpartition("/")[2]
        before, after = (
            read_label_ids(city.annotation_path(place, stem, "val"))
            for place in (root, tmp_path / "copy")
        )
        assert np.array_equal(before != after, error.mask)
        assert np.count_nonzero(error.mask) >= planting.LEAST_PIXELS
        assert (after[60:] == EGO).all()
        new = {*TRAIN_ID_OF_LABEL_ID[after[error.mask]].tolist()}
        old = {*TRAIN_ID_OF_LABEL_ID[before[error.mask]].tolist()}
        if kind in ("swapped", "area"):
            assert (new, old) == ({error.label}, {error.truth})
        if kind in ("swapped", "missing", "merged"):
            assert error.truth not in TRAIN_ID_OF_LABEL_ID[after[29:51]][before[29:51] != ROAD]
        if kind == "missing":
            assert error.truth not in new
        if kind == "merged":
            assert {error.truth, error.label} == {13, 18}
        if kind == "shifted":
            assert error.truth in new


def test_errors_repeat_by_their_seed_and_lie_apart(
    root: Path, tmp_path: Path, planting: Any
) -> None:
    def planted(out: str, seed: int) -> list[tuple[Any, ...]]:
        errors, _ = planting.plant(root, tmp_path / out, "val", 0.5, seed)
        masks = [(error.frame, error.mask) for error in errors]
        for frame in {name for name, _ in masks}:
            assert sum(mask.astype(int) for name, mask in masks if name == frame).max() == 1
        return [(*error[:4], int(error.mask.sum())) for error in errors]

    assert planted("one", 0) == planted("two", 0)
    assert planted("three", 1) != planted("one", 0)


def test_a_region_finds_the_error_on_which_half_of_it_lies(planting: Any) -> None:
    truth = np.zeros((10, 20), np.uint8)
    truth[:, 16:] = 255
    masks = np.zeros((2, 10, 20), np.bool_)
    masks[0, :, :4] = masks[1, :, 14:16] = True
    planted = [planting.Planted("val/a/a", "swapped", 13, 14, mask) for mask in masks]

    def found(left: int, width: int, frame: str = "val/a/a") -> int:
        region = (frame, 2, left, np.ones((3, width), np.bool_))
        return planting.errors_found([region], planted, lambda name: truth)[0]

    assert (found(0, 8), found(0, 9), found(6, 4)) == (0, -1, -1)
    assert found(14, 6) == 1  # the rest of it is ignored
    assert found(17, 2) == -1
    assert found(0, 4, "val/a/b") == -1


@pytest.mark.soak
def test_figures_of_a_queue(root: Path, script: Callable[..., tuple[str, str]]) -> None:
    out, _ = script("bench_review", "--data", root, "--no-cleanlab", "--share", 0.1)
    assert "errors in 40 objects" in out
    assert "10 frames of evidence ranked in" in out
    assert "precision@50" in out
    assert "in random order 0.0" in out

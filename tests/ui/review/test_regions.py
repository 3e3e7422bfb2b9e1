"""The pixels of findings, from the maps of a frame and of a network's evidence."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import city
import numpy as np
import pytest

from cityseg.data import reading_of
from cityseg.data.dataset import find_frames
from cityseg.errors import CitysegError
from cityseg.evaluation import ABOUT, picture_paths
from cityseg.labels import IGNORE, LABEL_OF_NAME
from cityseg.review import Finding
from cityseg.ui.review import regions
from cityseg.ui.review.regions import Sources, digest_of, outline

FRAME = "val/town/town_000000_000000"
TUNNEL = LABEL_OF_NAME["tunnel"].id


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    label_ids = np.full((16, 32), city.ROAD, np.uint8)
    label_ids[2:6, 3:9] = TUNNEL
    label_ids[2, 3] = city.CAR
    label_ids[6:8, 3:9] = city.EGO_VEHICLE  # ignored too, and no part of the tunnel
    city.write_frame(tmp_path / "city", "town_000000_000000", "val", label_ids=label_ids)
    frames = {frame.name: frame for frame in find_frames(tmp_path / "city")}
    reading = reading_of(list(frames.values()), tmp_path / "city" / "masks")
    return Sources(tmp_path / "city", frames, reading, tmp_path / "runs")


def test_a_label_outside_of_the_classes_is_a_region_of_its_own(sources: Sources) -> None:
    region = sources.region(
        Finding(FRAME, "island", 1.0, (2, 3, 6, 9), 23, label="tunnel", train_id=IGNORE)
    )
    assert (region.top, region.bottom, region.pixels) == (2, 6, 23)
    picture = city.decode(outline(region).content)
    assert picture.shape == (4, 6)
    assert (picture[0, 0], picture[0, 1]) == (0, 255)


def test_a_whole_frame_is_one_even_if_nothing_of_it_can_be_read(sources: Sources) -> None:
    unreadable = Finding(FRAME, "unreadable", 1.0, (0, 0, 0, 0), 0)
    assert sources.region(unreadable).size_hw == (16, 32)
    frame = sources.frames[FRAME]
    assert frame.label_ids
    assert frame.image
    frame.label_ids.write_bytes(b"")
    assert sources.region(unreadable).size_hw == (16, 32)
    frame.image.write_bytes(b"")
    assert sources.region(unreadable).size_hw == (1, 1)
    with pytest.raises(CitysegError):
        sources.region(replace(unreadable, label="car"))


def test_a_region_of_a_prediction_is_found_in_the_evidence_of_its_run(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    predicted = Finding(
        FRAME, "island", 1.0, (8, 16, 12, 24), 32, "prediction", "road", 13, "", "car", run="fold-1"
    )
    folder = sources.runs / "fold-1" / "evidence" / "val-1"
    coarse = np.zeros((8, 16), np.uint8)
    coarse[4:6, 8:12] = 13
    city.write(picture_paths(folder, FRAME)[0], city.encode(coarse))
    assert sources.evidence_of(predicted) is None  # without its description it is none
    about = SimpleNamespace(is_done=True, is_of=lambda data: data == sources.data)
    monkeypatch.setattr(regions, "find_evidence", lambda place, split: [(folder, about)])
    assert replace(sources, data=sources.runs).evidence_of(predicted) is None
    assert sources.evidence_of(replace(predicted, run="../fold-1")) is None
    assert sources.evidence_of(predicted) == folder
    assert not (folder / ABOUT).exists()
    region = sources.region(predicted)
    assert (region.top, region.left, region.pixels) == (8, 16, 32)
    assert picture_paths(folder, FRAME)[0] in sources.files_of(predicted)


def test_a_digest_follows_the_file(sources: Sources) -> None:
    frame = sources.frames[FRAME]
    before = digest_of(frame)
    assert frame.label_ids
    frame.label_ids.write_bytes(frame.label_ids.read_bytes() + b"more")
    assert digest_of(frame) != before
    frame.label_ids.unlink()
    assert digest_of(frame) == ""


def test_evidence_outside_of_the_runs_is_found_where_the_audit_read_it(
    sources: Sources, tmp_path: Path
) -> None:
    folder = tmp_path / "elsewhere" / "val-1"
    predicted = Finding(
        *(FRAME, "no_counterpart", 1.0, (8, 16, 12, 24), 32, "prediction", "road", 13, "car"),
        predicted="car",
        run="weights.safetensors",
        evidence=str(folder),
    )
    unasked = Finding(FRAME, "island", 1.0, (2, 3, 6, 9), 23, label="tunnel")
    assert sources.evidence_of_all([unasked, predicted]) == [None, None]
    (problem,) = sources.missing_predictions([unasked, predicted, predicted])
    assert problem.startswith("The evidence of weights.safetensors is not where it was")
    folder.mkdir(parents=True)
    (problem,) = sources.missing_predictions([predicted])
    assert problem.startswith(f"The evidence in {folder} has no pictures")
    coarse = np.zeros((8, 16), np.uint8)
    coarse[4:6, 8:12] = 13
    city.write(picture_paths(folder, FRAME)[0], city.encode(coarse))
    assert sources.evidence_of_all([unasked, predicted]) == [None, folder]
    assert sources.missing_predictions([predicted]) == []
    assert sources.region(predicted).pixels == 32

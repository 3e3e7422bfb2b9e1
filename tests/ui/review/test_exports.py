"""The menu of exports: what can be downloaded, and what the files hold."""

import io
import zipfile
from pathlib import Path

import city
import numpy as np
import pytest
from reviews import frame_named, rows_of, verdict_on
from streamlit.testing.v1 import AppTest
from waiting import PATIENCE_SECONDS

from cityseg.data import LABEL_IDS, find_frames
from cityseg.review import append, read_corrections
from cityseg.review.annotated import read_annotated
from cityseg.ui.folders import Folders
from cityseg.ui.review.exports import OPEN, downloads

STEM = "aachen_000000_000019"
NAME = f"train/aachen/{STEM}"


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    city.write_frame(tmp_path / "data", STEM)
    rgb = np.zeros((128, 256, 3), np.uint8)
    city.write(city.image_path(tmp_path / "data", STEM), city.encode(rgb))
    return Folders(tmp_path / "data", tmp_path / "runs")


@pytest.fixture
def ledger(folders: Folders, tmp_path: Path) -> Path:
    """An accepted label on five pixels."""
    mask = np.zeros((128, 256), np.bool_)
    mask[60, 100:105] = True
    path = tmp_path / "reviews" / "data.jsonl"
    frame = frame_named(folders.data, NAME)
    append(path, [verdict_on(frame, mask, accepted=True, note="=1+1")])
    return path


def content(folders: Folders, ledger: Path, name: str) -> bytes:
    rows = rows_of(ledger, folders.data)
    (found,) = (each for each in downloads(folders, rows, {}) if each.name == name)
    assert found.is_possible
    return found.content()


def test_tables_crops_and_labels_are_what_the_command_writes(
    folders: Folders, ledger: Path, tmp_path: Path
) -> None:
    assert "'=1+1" in content(folders, ledger, "review.csv").decode()
    for name, count in (("review-crops.zip", 6), ("review-labels.zip", 2)):
        with zipfile.ZipFile(io.BytesIO(content(folders, ledger, name))) as file:
            assert file.testzip() is None
            assert len(file.namelist()) == count
            file.extractall(tmp_path / name)
    frames = find_frames(folders.data)
    corrections = read_corrections(tmp_path / "review-labels.zip", frames, folders.data)
    before = read_annotated(frames[0], LABEL_IDS)
    after = corrections.by_frame[NAME](before)
    expected = before.label_ids.copy()
    expected[60, 100:105] = city.CAR
    assert np.array_equal(after.label_ids, expected)


def menu(data: str, runs: str) -> None:
    from pathlib import Path

    from cityseg.ui.folders import Folders
    from cityseg.ui.review.exports import show_exports

    show_exports(Folders(Path(data), Path(runs)))


def opened(folders: Folders) -> AppTest:
    arguments = (str(folders.data), str(folders.runs))
    at = AppTest.from_function(menu, args=arguments, default_timeout=PATIENCE_SECONDS)
    at.session_state[OPEN] = True
    at.run()
    assert not at.exception
    return at


def test_the_menu_offers_what_there_is(folders: Folders, ledger: Path) -> None:
    buttons = opened(folders).get("download_button")
    assert [each.proto.label for each in buttons] == [
        *("Table (CSV)", "Table (JSON)", "Crops", "Corrected labels")
    ]
    assert not any(each.proto.disabled for each in buttons)
    city.write_frame(folders.data, STEM, label_ids=city.street(seed=4))
    at = opened(folders)
    assert [each.proto.disabled for each in at.get("download_button")] == [False, False, True, True]
    assert "1 verdict on annotations that have changed since" in at.caption[0].value


def test_without_a_verdict_there_is_nothing_to_export(folders: Folders) -> None:
    at = opened(folders)
    assert not at.get("download_button")
    assert at.caption[0].value == "Nothing is judged yet."

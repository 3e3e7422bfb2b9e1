"""The page Masks without a browser: before a conversion, after it, and after errors.

Also tests: ui/masks/outcome.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import city
import numpy as np
import pytest
from header import page_buttons
from streamlit.testing.v1 import AppTest
from waiting import PATIENCE_SECONDS, until

from cityseg.data.annotations import REASONS
from cityseg.data.dataset import SPLITS
from cityseg.data.masks import convert
from cityseg.data.report import FrameOutcome, Report
from cityseg.defaults import DATASET_VARIABLE, RUNS_VARIABLE
from cityseg.jobs.tasks import Task
from cityseg.ui.text import sentence

MAIN = Path(__file__).parents[3] / "cityseg" / "ui" / "pages" / "main.py"
TAG = "<img src=x onerror=alert(1)>"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A city with a frame in train and one in val, in the folder that the app looks at."""
    monkeypatch.setenv(DATASET_VARIABLE, str(tmp_path / "data"))
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "runs"))
    city.write_frame(tmp_path / "data", "aachen_0_0")
    city.write_frame(tmp_path / "data", "ulm_0_0", "val")
    return tmp_path / "data"


@pytest.fixture
def open_page(data: Path) -> Callable[..., AppTest]:
    """The page at an address with these parameters."""

    def open_page(**parameters: Any) -> AppTest:
        at = AppTest.from_file(MAIN, default_timeout=PATIENCE_SECONDS)
        for name, value in parameters.items():
            at.query_params[name] = value
        at.switch_page("masks.py").run()
        assert not at.exception
        return at

    return open_page


@pytest.fixture
def task(data: Path, tmp_path: Path) -> Task:
    return Task.of(tmp_path / "runs", "convert", data)


def words(at: AppTest) -> str:
    kinds = (at.markdown, at.info, at.error, at.warning, at.caption)
    return "\n".join(element.value for kind in kinds for element in kind)


def numbers(at: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in at.metric}


def break_frame(data: Path, stem: str, content: bytes = b"broken", split: str = "train") -> None:
    city.write_frame(data, stem, split)
    city.annotation_path(data, stem, split).write_bytes(content)


def test_without_a_dataset_its_absence_is_explained(
    open_page: Callable[..., AppTest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATASET_VARIABLE, str(tmp_path / "nowhere"))
    at = open_page()
    (info,) = at.info
    assert "There is no folder" in info.value
    assert [link.proto.label for link in at.get("page_link")] == ["Get frames"]
    assert not at.metric


def test_before_a_conversion_all_frames_wait(open_page: Callable[..., AppTest]) -> None:
    at = open_page()
    assert numbers(at) == {"Frames": "2", "With a mask": "0", "Skipped": "0", "Waiting": "2"}
    assert [button.label for button in page_buttons(at)] == ["Convert 2 frames"]
    assert not at.main.header


def test_a_click_converts_and_the_page_shows_the_result(
    open_page: Callable[..., AppTest], data: Path, task: Task
) -> None:
    at = open_page()
    at.button(key="convert").click().run()
    until(lambda: not task.state().is_live)
    assert task.state().phase == "done"
    at = open_page()
    assert numbers(at) == {"Frames": "2", "With a mask": "2", "Skipped": "0", "Waiting": "0"}
    assert "2 converted, 0 kept from before, 0 skipped" in words(at)


def test_only_the_chosen_splits_are_converted(
    open_page: Callable[..., AppTest], data: Path, task: Task
) -> None:
    at = open_page()
    at.button_group(key="convert-splits").set_value(["val"]).run()
    assert at.button(key="convert").label == "Convert 1 frame"
    at.button(key="convert").click().run()
    until(lambda: not task.state().is_live)
    report = Report.load(data / "masks")
    assert report
    assert [outcome.frame for outcome in report.outcomes] == ["val/ulm/ulm_0_0"]


def test_without_a_split_there_is_nothing_to_convert(open_page: Callable[..., AppTest]) -> None:
    at = open_page()
    at.button_group(key="convert-splits").set_value([]).run()
    assert at.button(key="convert").disabled


def test_a_failed_conversion_is_explained_and_the_page_stays_usable(
    open_page: Callable[..., AppTest], data: Path, task: Task
) -> None:
    at = open_page()
    city.write(data / "masks" / "train")  # a file, where a folder is to be
    at.button(key="convert").click().run()
    until(lambda: not task.state().is_live)
    at = open_page()
    (error,) = at.error
    assert "Cannot write to" in error.value
    assert not at.button(key="convert").disabled


def test_a_damaged_table_of_counts_is_explained(
    open_page: Callable[..., AppTest], data: Path
) -> None:
    convert(data)
    (data / "masks" / "pixels.npz").write_bytes(b"torn")
    (error,) = open_page().error
    assert "pixels\\.npz is damaged: remove it and convert again" in error.value.replace("\\:", ":")


def test_frames_added_since_the_conversion_are_announced(
    open_page: Callable[..., AppTest], data: Path
) -> None:
    convert(data)
    city.write_frame(data, "aachen_1_0")
    at = open_page()
    (warning,) = at.warning
    assert warning.value.startswith("1 frame is newer than the last conversion")


def test_a_reason_of_a_later_version_is_shown(
    open_page: Callable[..., AppTest], data: Path
) -> None:
    break_frame(data, "aachen_1_0")
    convert(data)
    report = data / "masks" / "report.json"
    report.write_text(report.read_text().replace("corrupt_file", "of_a_later_version"))
    at = open_page()
    assert "1 frame. This version does not know the reason" in words(at)
    assert at.dataframe[0].value["Frame"].tolist() == ["browse?frame=train/aachen/aachen_1_0"]


def test_skipped_frames_are_listed_by_reason_with_links(
    open_page: Callable[..., AppTest], data: Path
) -> None:
    break_frame(data, "aachen_1_0")
    break_frame(data, "aachen_2_0")
    break_frame(data, "aachen_3_0", b"")
    convert(data)
    at = open_page()
    assert "2 frames. The annotation's file is damaged or no picture" in words(at)
    assert at.dataframe[0].value["Frame"].tolist() == [
        "browse?frame=train/aachen/aachen_1_0",
        "browse?frame=train/aachen/aachen_2_0",
    ]
    at.button_group(key="reason").set_value("empty_file").run()
    assert "1 frame. The annotation's file is empty" in words(at)
    assert at.dataframe[0].value["Found"].tolist() == [
        "gtFine/train/aachen/aachen_3_0_gtFine_labelIds.png is empty: fetch it again"
    ]


def test_names_of_objects_that_are_no_labels_are_listed_once(
    open_page: Callable[..., AppTest], data: Path
) -> None:
    for number in range(2):
        stem = f"jena_{number}_0"
        city.write_frame(data, stem).unlink()
        square = {"label": f"Road {TAG}", "polygon": [[0, 0], [9, 0], [9, 9]]}
        polygons = city.annotation_path(data, stem, kind="polygons.json")
        city.write(polygons, city.polygons_file(square))
    convert(data)
    (listed,) = [code.value for code in open_page().code]
    assert f"2 'Road {TAG}'" in listed
    assert "name the file under More options, and convert again" in listed


@pytest.mark.parametrize(
    "name",
    [TAG, "**a** [b](c) $d$ :red[e]", "q?x=1&y#z%20", os.fsdecode(b"z\xfcrich")],
    ids=["tag", "markdown", "address", "not UTF-8"],
)
def test_any_name_of_a_frame_is_shown_as_text(
    open_page: Callable[..., AppTest], data: Path, name: str
) -> None:
    break_frame(data, f"{name}_0_0")
    convert(data)
    at = open_page()
    (link,) = at.dataframe[0].value["Frame"]
    assert not set(link.removeprefix("browse?frame=")) & set("<>&#? \"'")


def test_every_reason_is_explained(open_page: Callable[..., AppTest], data: Path) -> None:
    outcomes = []
    for number, reason in enumerate(REASONS):
        city.write_frame(data, f"aachen_{number}_1")
        outcomes.append(FrameOutcome(f"train/aachen/aachen_{number}_1", "skipped", reason, "found"))
    (data / "masks").mkdir()
    Report(outcomes).write(data / "masks")
    at = open_page()
    for reason, meaning in REASONS.items():
        at.button_group(key="reason").set_value(reason).run()
        assert f"1 frame. {sentence(meaning)}" in words(at).replace("\\", "")


def test_splits_without_classes_have_no_bars_and_a_sentence(
    open_page: Callable[..., AppTest], data: Path
) -> None:
    for split in SPLITS:
        city.write_frame(data, f"x_{split}_0", split)
    blank = city.street() * 0 + 3
    city.write_frame(data, "x_test_0", "test", label_ids=blank)
    convert(data)
    assert "No pixel of the annotations of test belongs to a class" in words(open_page())


def test_ignored_labels_are_listed_with_their_share(
    open_page: Callable[..., AppTest], data: Path
) -> None:
    convert(data)
    at = open_page()
    (row,) = at.dataframe[0].value.to_dict("records")
    ego = int((city.street() == city.EGO_VEHICLE).sum())
    assert (row["Label"], row["Label id"], row["Pixels"], row["Images"]) == (
        "ego vehicle",
        city.EGO_VEHICLE,
        2 * ego,
        2,
    )
    assert row["Share of all pixels"] == pytest.approx(100 * ego / city.street().size)


def test_the_measure_is_part_of_the_address(open_page: Callable[..., AppTest], data: Path) -> None:
    convert(data)
    at = open_page(measure="Images")
    assert at.button_group(key="measure").value == "Images"


def test_the_encoding_and_the_warnings_of_the_last_conversion_are_shown(
    open_page: Callable[..., AppTest], data: Path
) -> None:
    city.write_frame(data, "aachen_1_0", label_ids=city.street()[::-1])
    convert(data)
    at = open_page()
    assert "Encoding of the annotations: label ids" in words(at)
    rows = [row for frame in at.dataframe for row in frame.value.to_dict("records")]
    (row,) = [row for row in rows if "Warning" in row]
    assert (row["Warning"], row["Frames"]) == ("odd_places", 1)
    assert row["Show"] == "browse?problem=Odd%20places"
    assert "1 mask looks unusual: see it in Browse" in words(at)


def test_a_split_without_any_class_is_an_error(
    open_page: Callable[..., AppTest], data: Path
) -> None:
    void = np.zeros(city.street().shape, np.uint8)
    city.write_frame(data, "ulm_0_0", "val", label_ids=void)
    convert(data)
    assert "No mask of val has a pixel of a class" in words(open_page())


def test_an_encoding_is_handed_to_the_conversion(
    open_page: Callable[..., AppTest], data: Path, task: Task
) -> None:
    at = open_page()
    at.selectbox(key="encoding").select("trainids").run()
    at.button(key="convert").click().run()
    until(lambda: not task.state().is_live and Report.load(data / "masks"))
    report = Report.load(data / "masks")
    assert report
    assert report.encoding == "trainids"


def test_the_verdict_is_shown_before_anything_is_written(
    open_page: Callable[..., AppTest], data: Path
) -> None:
    at = open_page()
    assert "Annotations will be read as label ids. 2 annotations examined" in words(at)
    assert not (data / "masks").exists()


def test_the_verdict_is_shown_once_and_again_when_it_changes(
    open_page: Callable[..., AppTest], data: Path
) -> None:
    convert(data)
    assert words(open_page()).count("2 annotations examined") == 1
    city.write_frame(data, "aachen_1_0")
    text = words(open_page())
    assert text.count("2 annotations examined") == 1
    assert text.count("Annotations will be read as label ids. 3 annotations examined") == 1


def test_an_unclear_encoding_is_explained_and_must_be_chosen(
    open_page: Callable[..., AppTest], data: Path
) -> None:
    binary = (city.street() == city.ROAD).astype(np.uint8)
    for stem, split in (("aachen_0_0", "train"), ("ulm_0_0", "val")):
        city.write_frame(data, stem, split, label_ids=binary)
    at = open_page()
    (error,) = at.error
    assert "choose it in the field Encoding of the annotations" in error.value
    assert at.button(key="convert").disabled
    at.selectbox(key="encoding").select("trainids").run()
    assert not at.error
    assert not at.button(key="convert").disabled


def test_a_label_map_that_cannot_be_used_is_explained(
    open_page: Callable[..., AppTest], tmp_path: Path
) -> None:
    at = open_page()
    at.text_input(key="label_map").input(str(tmp_path / "labels.txt")).run()
    assert "cannot be read" in words(at)
    assert at.button(key="convert").disabled
    (tmp_path / "labels.txt").write_text("Strasse = road")
    at.run()
    assert not at.button(key="convert").disabled


def test_a_layout_that_the_folders_do_not_have_is_explained(
    open_page: Callable[..., AppTest],
) -> None:
    at = open_page()
    at.selectbox(key="layout").select("kitti").run()
    (error,) = at.error
    assert "as the layout kitti has it" in error.value
    assert at.selectbox(key="layout").options[0] == "As found (cityscapes)"


def test_folders_that_are_not_read_are_named(open_page: Callable[..., AppTest], data: Path) -> None:
    assert not open_page().warning
    city.write(data / "leftImg8bit_foggy/train/ulm/ulm_1_0_leftImg8bit_foggy_beta_0.02.png")
    (warning,) = open_page().warning
    assert warning.value.replace("\\", "") == (
        "leftImg8bit_foggy is not read: choose under More options the layout foggy."
    )


def test_the_filter_of_a_warning_is_an_address_of_browse(
    open_page: Callable[..., AppTest], data: Path
) -> None:
    city.write_frame(data, "aachen_1_0", label_ids=city.street()[::-1])
    convert(data)
    at = open_page()
    at.query_params["problem"] = "Odd places"
    at.switch_page("browse.py").run()
    assert at.multiselect(key="problem").value == ["odd_places"]

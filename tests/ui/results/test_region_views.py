"""The view Regions without a browser: what an address opens, what is shown and what is said.

Also tests: ui/results/region_choice, ui/results/class_pair.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boxes
import numpy as np
import pyarrow.parquet as parquet
import pytest
from made_evidence import make_evidence
from metric_rows import epoch_row
from streamlit.testing.v1 import AppTest
from tiny_runs import make_run
from waiting import PATIENCE_SECONDS

from cityseg.defaults import DATASET_VARIABLE, RUNS_VARIABLE
from cityseg.evaluation import BOTH, Evidence, RegionQuery, picture_paths
from cityseg.metrics import ERROR_KINDS, SIDES
from cityseg.ui.results.region_choice import implied_side, query_of

MAIN = Path(__file__).parents[3] / "cityseg" / "ui" / "pages" / "main.py"
ROAD, CAR, TRUCK = 0, 13, 14
MISSED, CUT = "ulm_000000_000001", "zürich_000000_000002"


def road(*cars: tuple[int, int, int, int, int]) -> np.ndarray:
    """A map of road with boxes, each from its class, top, left, bottom and right."""
    label_map = np.full((32, 64), ROAD, np.uint8)
    for value, top, left, bottom, right in cars:
        label_map[top:bottom, left:right] = value
    return label_map


#: Two missed cars, and one that is partly found and partly taken for a truck.
MAPS = {
    MISSED: (road((CAR, 2, 2, 10, 12), (CAR, 20, 30, 24, 40)), road()),
    CUT: (road((CAR, 4, 4, 16, 20)), road((CAR, 4, 4, 16, 11), (TRUCK, 4, 11, 16, 15))),
}


@pytest.fixture
def evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Evidence:
    boxes.empty_box(tmp_path, monkeypatch)
    monkeypatch.setenv(DATASET_VARIABLE, str(tmp_path / "data"))
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "runs"))
    run = make_run(tmp_path / "data")
    run.append_metrics(epoch_row(1, 1.0) | {"mean_iou": 0.5, "class_iou": {}})
    return make_evidence(run.evidence / "val-made", tmp_path / "data", MAPS)


@pytest.fixture
def open_view(evidence: Evidence) -> Callable[..., AppTest]:
    def open_view(**parameters: Any) -> AppTest:
        at = AppTest.from_file(MAIN, default_timeout=PATIENCE_SECONDS)
        at.switch_page("results.py")
        for name, value in {"view": "Regions", **parameters}.items():
            at.query_params[name] = value
        at.run()
        assert not at.exception
        return at

    return open_view


def regions(at: AppTest) -> list[str]:
    """What is written beside the crops, without the frames."""
    return [
        each.value.replace("\\", "")
        for each in at.markdown
        if "pixels" in each.value and "confidence" in each.value
    ]


def captions(at: AppTest) -> str:
    return "\n".join(each.value for each in at.caption).replace("\\", "")


def crops(at: AppTest) -> str:
    return "\n".join(each.value for each in at.get("html") if "regions-row" in each.value)


def test_a_cell_opens_the_connected_pixels_of_both_classes(
    open_view: Callable[..., AppTest],
) -> None:
    at = open_view(truth="13", prediction="0")
    assert at.selectbox(key="truth").value == "car"
    assert at.selectbox(key="predicted").value == "road"
    assert [text.replace("\n", "") for text in regions(at)] == [
        "**car**, predicted as road  80 pixels, confidence 50.2%",
        "**car**, predicted as road  60 pixels, confidence 50.2%",
        "**car**, predicted as road  40 pixels, confidence 50.2%",
    ]
    assert "3 regions of pixels that are car and were predicted as road" in captions(at)
    images = re.findall(
        r'<img class="(\w+)" style="aspect-ratio: 1.3\d+" src="promised/', crops(at)
    )
    assert sorted(images) == ["labels"] * 6 + ["photo"] * 3


def test_threads_call_nothing_of_streamlit(
    open_view: Callable[..., AppTest], capfd: pytest.CaptureFixture[str]
) -> None:
    open_view(truth="13", prediction="0")
    assert "Thread 'cityseg" not in capfd.readouterr().err


def test_each_region_opens_the_viewer_at_its_place(open_view: Callable[..., AppTest]) -> None:
    at = open_view(truth="13", prediction="0")
    links = re.findall(r'href="browse\?([^"]+)"', crops(at))
    assert len(set(links)) == 3
    assert len(links) == 9
    assert all("frame=val/" in link and "view=" in link for link in links)


def test_the_sides_have_their_own_regions_and_say_what_they_hold(
    open_view: Callable[..., AppTest],
) -> None:
    at = open_view(truth="13", prediction="0", side="truth")
    assert [text.partition("  \n")[0] for text in regions(at)] == [
        "**car**, predicted as road (100.0%)",
        "**car**, predicted as road (100.0%)",
    ]
    assert "They hold 66.7% of the 180 pixels of this cell" in captions(at)
    at.segmented_control(key="regions_side").set_value("prediction").run()
    assert not at.exception
    assert at.query_params["side"] == "prediction"
    assert "0 regions" in captions(at)
    assert "No region is in this choice" in at.info[0].value


def test_a_kind_of_error_of_a_class_opens_its_regions(open_view: Callable[..., AppTest]) -> None:
    at = open_view(truth="13", prediction="", kind="segment")
    assert at.segmented_control(key="regions_kind").value == "segment"
    assert [int(re.search(r"(\d+) pixels", text)[1]) for text in regions(at)] == [80, 40]
    assert "whole objects that were missed" in captions(at)
    assert "They have 120 pixels of segment errors" in captions(at)
    at.segmented_control(key="regions_kind").set_value("extent").run()
    assert "best IoU 43.8%" in regions(at)[0]
    assert len(regions(at)) == 1
    invented = open_view(truth="", prediction="14", kind="segment")
    assert regions(invented)[0].startswith("Predicted **truck**, in truth car (100.0%)")


def test_regions_behind_a_boundary_error_have_the_most_of_it_first(
    open_view: Callable[..., AppTest], evidence: Evidence
) -> None:
    at = open_view(truth="13", prediction="", kind="boundary")
    errors = evidence.errors()[CAR, 0, ERROR_KINDS.index("boundary")]
    assert errors > 0
    assert [text.rpartition("\n")[2] for text in regions(at)] == [f"{errors} boundary errors"]


def test_evidence_of_version_1_says_that_it_cannot_tell_the_kinds_apart(
    open_view: Callable[..., AppTest], evidence: Evidence
) -> None:
    for path in (evidence.folder / "regions").iterdir():
        table = parquet.read_table(path).drop_columns(["boundary_errors", "other_errors"])
        parquet.write_table(table, path)
    at = open_view(truth="13", prediction="", kind="boundary")
    assert len(regions(at)) == 1
    assert "errors" not in regions(at)[0]
    assert "longest contour first. This evidence is of an older version" in captions(at)


def test_conditions_leave_regions_out(open_view: Callable[..., AppTest]) -> None:
    at = open_view(truth="13", kind="segment", cities="zürich")
    assert regions(at) == []
    at = open_view(truth="13", prediction="0", cities="zürich")
    assert len(regions(at)) == 1
    at = open_view(truth="13", prediction="0", least_pixels="100")
    assert regions(at) == []
    at = open_view(side="truth")
    assert len(regions(at)) == 5


def test_without_pictures_both_sides_together_cannot_be_shown(
    open_view: Callable[..., AppTest], evidence: Evidence
) -> None:
    for name in evidence.store.names:
        for path in picture_paths(evidence.folder, name):
            path.unlink()
    at = open_view(truth="13", prediction="0")
    assert at.segmented_control(key="regions_side").options == ["Truth", "Prediction"]
    assert len(regions(at)) == 2
    assert "collected without pictures" in captions(at)


def test_evidence_of_another_dataset_says_which_to_open(
    open_view: Callable[..., AppTest],
    evidence: Evidence,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = make_evidence(tmp_path / "other", tmp_path / "elsewhere", {MISSED: MAPS[MISSED]})
    evidence.about.model_copy(update={"data": "/gone"}).write(evidence.folder)
    (tmp_path / "data").rename(tmp_path / "gone")
    Path(other.about.data).rename(tmp_path / "data")
    at = open_view(side="truth")
    assert not at.warning  # a frame of this name is there
    assert any("is not in" in error.value for error in at.error)  # the other is not


def test_the_confusion_leads_to_the_regions_of_its_cell(open_view: Callable[..., AppTest]) -> None:
    at = open_view(view="Regions", truth="car", predicted="road")  # as older links have them
    assert len(regions(at)) == 3
    at.selectbox(key="predicted").set_value("truck").run()
    assert at.query_params["prediction"] == "14"
    assert "predicted" not in at.query_params
    assert len(regions(at)) == 1


def test_invalid_addresses_are_ignored(open_view: Callable[..., AppTest]) -> None:
    at = open_view(truth="99", prediction="-1", kind="none", side="back")
    assert at.selectbox(key="truth").value is None
    assert at.selectbox(key="predicted").value is None
    assert at.segmented_control(key="regions_side").value == "truth"


def test_questions_turn_with_the_side() -> None:
    assert query_of("truth", CAR, ROAD) == RegionQuery("truth", CAR, ROAD)
    assert query_of("prediction", CAR, ROAD) == RegionQuery("prediction", ROAD, CAR)
    assert query_of("truth", CAR, 19) == RegionQuery("truth", CAR, 255)
    for pair in ((CAR, CAR), (CAR, None), (None, CAR)):  # the errors of a class
        for side in SIDES:
            assert query_of(side, *pair, "extent") == RegionQuery(side, CAR, None, "extent")


def test_the_side_to_begin_with_is_that_of_the_class() -> None:
    assert implied_side(SIDES, CAR, None) == "truth"
    assert implied_side(SIDES, None, CAR) == "prediction"
    assert implied_side([BOTH, *SIDES], CAR, ROAD) == BOTH

"""The page Review without a browser: the audit, the filters, and the regions the viewer gets.

Also tests: ui/review/audits, ui/review/choices.
"""

import json
from pathlib import Path
from typing import Any

import city
import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from waiting import PATIENCE_SECONDS

from cityseg.cli.main import main
from cityseg.defaults import DATASET_VARIABLE, RUNS_VARIABLE
from cityseg.jobs import Task
from cityseg.review import (
    AUDIT,
    NETWORK,
    Finding,
    Verdict,
    append,
    findings_folder,
    ledger_file,
    region_of,
    write_findings,
)
from cityseg.runs import BOX_TITLE, BoxRun
from cityseg.ui import cached
from cityseg.ui.pages.review import describe
from cityseg.ui.review import audits

MAIN = Path(__file__).parents[3] / "cityseg" / "ui" / "pages" / "main.py"
FRAME = "train/town/town_000000_000000"
CAR = Finding(FRAME, "island", 0.9, (10, 20, 20, 30), 100, "truth", "car", 13, "road")
POLE = Finding(FRAME, "place", 0.5, (0, 40, 10, 42), 20, "truth", "pole", 5)
DARK = Finding("train/ulm/ulm_000000_000000", "dark", 0.4, (0, 0, 32, 80), 2560, "picture")
NAMES = [f"{FRAME}@10,20,20,30", f"{FRAME}@0,40,10,42", f"{DARK.frame}@0,0,0,0"]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dataset of two frames, one of them with a car and a pole."""
    root = tmp_path / "city"
    monkeypatch.setenv(DATASET_VARIABLE, str(root))
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "runs"))
    label_ids = np.full((32, 80), city.ROAD, np.uint8)
    label_ids[10:20, 20:30], label_ids[:10, 40:42] = city.CAR, city.POLE
    city.write_frame(root, "town_000000_000000", label_ids=label_ids)
    city.write_frame(root, "ulm_000000_000000", label_ids=label_ids)
    cached.forget_frames()
    return root


def table(root: Path, name: str = AUDIT) -> Path:
    return findings_folder(root, root.parent / "runs") / name


def review(**address: str) -> AppTest:
    app = AppTest.from_file(MAIN, default_timeout=PATIENCE_SECONDS)
    for name, value in address.items():
        app.query_params[name] = value
    app = app.switch_page("review.py").run()
    assert not app.exception
    return app


def queue(app: AppTest) -> dict[str, Any]:
    components = app.get("bidi_component")
    (viewer,) = (each for each in components if each.proto.component_name == "cityseg_viewer")
    found: dict[str, Any] = json.loads(viewer.proto.json)["queue"]
    return found


def names(app: AppTest) -> list[str]:
    return [region["name"] for region in queue(app)["regions"]]


def judge(root: Path, finding: Finding, label_id: int) -> None:
    label_map = np.full((32, 80), finding.train_id, np.uint8)
    label_map[:] = 0
    top, left, bottom, right = finding.box
    label_map[top:bottom, left:right] = label_id
    verdict = Verdict(
        reviewer="Bob",
        frame=finding.frame,
        annotation="",
        region=region_of(finding, label_map),
        truth=finding.label,
        verdict="unclear",
    )
    append(ledger_file(root, root.parent / "runs"), [verdict])


def test_without_findings_one_button_starts_the_audit(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[object, ...]] = []
    monkeypatch.setattr(Task, "start", lambda self, *given: started.append((self.command, *given)))
    app = review()
    assert [each.value for each in app.info] == [
        "No regions to review yet: audit the annotations of city first."
    ]
    (button,) = (each for each in app.button if each.label == "Start the audit")
    button.click().run()
    places = ("--masks", root / "masks", "--runs", root.parent / "runs")
    assert started == [("audit", root, *places)]


def test_networks_with_evidence_on_the_dataset_are_asked_too(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[object, ...]] = []
    monkeypatch.setattr(Task, "start", lambda self, *given: started.append(given))
    monkeypatch.setattr(audits, "_has_evidence", lambda run, data: isinstance(run, BoxRun))
    app = review()
    assert app.multiselect(key="networks").value == [BOX_TITLE]
    (button,) = (each for each in app.button if each.label == "Start the audit")
    button.click().run()
    runs = root.parent / "runs"
    places = ("--masks", root / "masks", "--runs", runs)
    assert started == [(root, *places, "--evidence", BoxRun.below(runs).path)]


def test_the_audit_of_that_button_is_what_the_page_shows(root: Path) -> None:
    assert main(["audit", str(root), "--runs", str(root.parent / "runs")]) == 0
    app = review()
    assert not app.info
    assert {each["frame"] for each in queue(app)["regions"]} <= {FRAME, DARK.frame}
    assert any(each.label == "Audit again" for each in app.button)


def test_regions_come_with_their_box_outline_and_what_is_known(root: Path) -> None:
    write_findings(table(root), [CAR, POLE, DARK])
    found = queue(review())
    assert [each["name"] for each in found["regions"]] == NAMES
    car = found["regions"][0]
    assert (car["frame"], car["box"], car["predicted"]) == (FRAME, [10, 20, 20, 30], "")
    assert car["note"] == (
        "car → road · A small region lies within a label where it hardly ever does · 100 pixels"
    )
    assert car["outline"].startswith("promised/")
    assert found["address"].startswith("review/")
    assert found["judged"] == dict.fromkeys(NAMES)
    assert found["progress"]["total"] == 3
    assert "labels" in found["sources"][car["source"]]["kinds"]


def test_filters_and_the_address_decide_what_is_shown(root: Path) -> None:
    write_findings(table(root), [CAR, POLE, DARK])
    assert names(review(pair="car → road")) == NAMES[:1]
    assert names(review(reason="Place")) == NAMES[1:2]
    assert names(review(review_city="ulm")) == NAMES[2:]
    assert names(review(pixels=["0", "30"])) == NAMES[1:2]
    # A link leads to its region whatever the filters say.
    asked = queue(review(reason="Place", frame=NAMES[2]))
    assert [each["name"] for each in asked["regions"]] == [NAMES[2], NAMES[1]]
    app = review(reason="Place", state="Judged")
    assert "None of 3 regions matches these filters." in [each.value for each in app.markdown]
    (reset,) = (each for each in app.button if each.label == "Reset filters")
    assert names(reset.click().run()) == NAMES


@pytest.mark.parametrize(("region", "shown"), [(NAMES[2], [2, 1]), ("nowhere", [1])])
def test_a_region_that_the_viewer_asks_for_comes_once(
    root: Path, region: str, shown: list[int]
) -> None:
    write_findings(table(root), [CAR, POLE, DARK])
    app = review(reason="Place")
    app.session_state["requested_region"] = region  # as `_request` keeps it
    app.run()
    assert (names(app), queue(app)["requested"]) == ([NAMES[each] for each in shown], region)
    app.run()
    assert (names(app), queue(app)["requested"]) == (NAMES[1:2], "")


def test_judged_regions_leave_the_queue_and_stale_ones_come_back(root: Path) -> None:
    write_findings(table(root), [CAR, POLE, DARK])
    judge(root, POLE, 5)  # on no annotation, so it is stale
    app = review(state="Stale")
    assert names(app) == NAMES[1:2]
    assert queue(app)["judged"][NAMES[1]]["stale"] is True
    assert names(review()) == NAMES
    assert len(names(review(state="All"))) == 3


def test_findings_with_a_network_come_first_where_there_are_some(root: Path) -> None:
    write_findings(table(root), [CAR, POLE])
    sure = Finding(FRAME, "place", 0.9, POLE.box, 20, "truth", "pole", 5, "", "car", 0.975, "none")
    write_findings(table(root, NETWORK), [sure])
    app = review()
    assert names(app) == NAMES[1:2]
    assert queue(app)["regions"][0]["predicted"] == "car"
    assert describe(sure).endswith(" · 20 pixels · network 97.5% sure")
    assert any("The evidence of none is not where it was" in each.value for each in app.caption)
    assert len(names(review(findings="Without a network"))) == 2


def test_a_damaged_table_is_a_sentence(root: Path) -> None:
    city.write(table(root), b"no table")
    app = review()
    assert "cannot be read" in app.error[0].value
    assert any(each.label == "Audit again" for each in app.button)


def test_frames_that_are_gone_leave_the_queue(root: Path) -> None:
    gone = Finding("train/bonn/bonn_000000_000000", "dark", 0.4, (0, 0, 4, 4), 16, "picture")
    write_findings(table(root), [gone, CAR])
    judge(root, gone, 0)
    assert names(review()) == NAMES[:1]
    assert len(names(review(state="All"))) == 1

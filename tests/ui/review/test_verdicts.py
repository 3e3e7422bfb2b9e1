"""Verdicts that a browser sends: in the ledger when it is answered, each once, refused in words."""

import json
from pathlib import Path
from typing import Any

import city
import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from cityseg.data import reading_of
from cityseg.data.dataset import find_frames
from cityseg.review import Finding, Verdict, ledger_file, read_ledger
from cityseg.ui import cached
from cityseg.ui.review.regions import Sources
from cityseg.ui.review.verdicts import ROUTE, Desk, offer, summary

FRAME = "train/town/town_000000_000000"
ID, OTHER = "0123456789abcdef", "fedcba9876543210"
LEFT = Finding(FRAME, "island", 0.9, (10, 20, 20, 30), 100, "truth", "car", 13, "road", "truck")
RIGHT = Finding(FRAME, "island", 0.8, (10, 60, 14, 70), 40, "truth", "car", 13, "road")
NAMES = [f"{FRAME}@10,20,20,30", f"{FRAME}@10,60,14,70"]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A street with two cars, both in the queue."""
    label_ids = np.full((32, 80), city.ROAD, np.uint8)
    label_ids[10:20, 20:30] = label_ids[10:14, 60:70] = city.CAR
    root = tmp_path / "city"
    city.write_frame(root, "town_000000_000000", label_ids=label_ids)
    frames = {frame.name: frame for frame in find_frames(root)}
    reading = reading_of(list(frames.values()), root / "masks")
    sources = Sources(root, frames, reading, tmp_path / "runs")
    queue = dict(zip(NAMES, (LEFT, RIGHT), strict=True))
    return Desk(ledger_file(root, tmp_path / "runs"), queue, sources)


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=[ROUTE]))


def change(line_id: str = ID, *names: str, **fields: Any) -> dict[str, Any]:
    given = {"id": line_id, "entries": list(names) or NAMES[:1], "reviewer": "Ada"}
    return given | {"verdict": "wrong_label"} | fields


def send(client: TestClient, desk: Desk, *changes: Any, near: Any = ()) -> Any:
    message = json.dumps({"changes": changes, "near": list(near)})
    return client.post(offer(desk), content=message)


def verdicts(desk: Desk) -> list[Verdict]:
    return list(read_ledger(desk.ledger).verdicts().values())


def test_a_verdict_is_in_the_ledger_with_the_pixels_of_its_region(
    desk: Desk, client: TestClient
) -> None:
    answer = send(client, desk, change(note=" a  note "), near=NAMES).json()
    assert (answer["kept"], answer["refused"]) == ([ID], {})
    (verdict,) = verdicts(desk)
    assert (verdict.region.pixels, verdict.region.top, verdict.region.left) == (100, 10, 20)
    assert (verdict.truth, verdict.predicted, verdict.note) == ("car", "truck", "a note")
    assert verdict.annotation
    assert answer["judged"][NAMES[1]] is None
    assert answer["judged"][NAMES[0]] == {
        "verdict": "wrong_label",
        "accepted": False,
        "note": "a note",
        "reviewer": "Ada",
        "stale": False,
    }
    assert answer["progress"]["judged"] == 1
    assert answer["progress"]["total"] == 2


def test_a_change_that_is_sent_again_is_kept_once(desk: Desk, client: TestClient) -> None:
    for _ in range(2):
        assert send(client, desk, change(), change(OTHER, NAMES[1])).json()["kept"] == [ID, OTHER]
    assert len(desk.ledger.read_text().splitlines()) == 2


def test_an_answer_is_of_a_later_version_than_what_was_read_before_it(
    desk: Desk, client: TestClient
) -> None:
    before = summary(desk, NAMES)["version"]
    answer = send(client, desk, change()).json()
    assert tuple(answer["version"]) > before
    assert summary(desk, NAMES)["version"] == tuple(answer["version"])


def test_an_undo_takes_back_all_regions_of_its_change_and_no_other(
    desk: Desk, client: TestClient
) -> None:
    send(client, desk, change("a" * 16, verdict="unclear", reviewer="Bob"))
    send(client, desk, change(ID, *NAMES))
    assert len(verdicts(desk)) == 2
    undo = change(OTHER, *NAMES, verdict=None, undone=ID)
    answer = send(client, desk, undo).json()
    assert answer["kept"] == [OTHER]
    assert answer["judged"][NAMES[0]]["reviewer"] == "Bob"
    assert answer["judged"][NAMES[1]] is None


def test_after_another_audit_an_undo_counts_and_a_verdict_is_refused(
    desk: Desk, client: TestClient
) -> None:
    send(client, desk, change())
    after = desk._replace(queue={NAMES[1]: RIGHT})
    answer = send(client, after, change(OTHER, verdict=None, undone=ID)).json()
    assert (answer["kept"], verdicts(desk)) == ([OTHER], [])
    answer = send(client, after, change("a" * 16)).json()
    assert answer["kept"] == []
    assert f"The audit finds no region {NAMES[0]} any more" in answer["refused"]["a" * 16]


def test_the_networks_label_is_accepted_where_it_was_asked(desk: Desk, client: TestClient) -> None:
    send(client, desk, change(ID, *NAMES, accepted=True))
    assert {each.region.left: each.accepted for each in verdicts(desk)} == {20: True, 60: False}


def test_what_cannot_be_judged_is_refused_and_the_rest_is_kept(
    desk: Desk, client: TestClient
) -> None:
    gone = LEFT.__class__("train/town/town_000009_000000", "island", 0.9, (1, 1, 9, 9), 64)
    desk = desk._replace(queue={**desk.queue, "gone": gone})
    bad = change("b" * 16, verdict="network_wrong", accepted=True)
    answer = send(client, desk, change(OTHER, "gone"), bad, change()).json()
    assert answer["kept"] == [ID]
    assert answer["refused"][OTHER] == (
        "The verdict was not kept: There is no frame train/town/town_000009_000000 any more: "
        "repeat the audit."
    )
    assert answer["refused"]["b" * 16].startswith("The verdict was not kept: ")
    assert len(verdicts(desk)) == 1


def test_a_ledger_that_cannot_be_written_is_an_error_after_which_it_is_sent_again(
    desk: Desk, client: TestClient
) -> None:
    desk.ledger.parent.parent.mkdir(exist_ok=True)
    desk.ledger.parent.write_text("no folder")
    answer = send(client, desk, change())
    assert answer.status_code == 503
    assert answer.text.startswith("The ledger ")
    desk.ledger.parent.unlink()
    assert send(client, desk, change()).json()["kept"] == [ID]


@pytest.mark.parametrize("content", ["", "[]", '{"changes": [{}], "near": []}', '{"near": 3}'])
def test_other_content_is_refused(desk: Desk, client: TestClient, content: str) -> None:
    answer = client.post(offer(desk), content=content)
    assert answer.status_code == 400
    assert answer.text.startswith("These are no verdicts: ")
    assert not desk.ledger.exists()


def test_an_unknown_address_says_that_there_is_another(client: TestClient) -> None:
    assert client.post("/review/0123", content="{}").status_code == 410
    assert client.get("/review/0123").status_code == 405


def test_a_changed_annotation_makes_its_verdict_stale_and_a_new_one_mends_it(
    desk: Desk, client: TestClient
) -> None:
    send(client, desk, change())
    frame = desk.sources.frames[FRAME]
    assert frame.label_ids
    label_ids = city.decode(frame.label_ids.read_bytes()).copy()
    label_ids[10:21, 20:30] = city.CAR
    frame.label_ids.write_bytes(city.encode(label_ids))
    assert summary(desk, NAMES)["judged"][NAMES[0]]["stale"] is True
    assert summary(desk, NAMES)["progress"]["judged"] == 0
    answer = send(client, desk, change(OTHER)).json()
    assert answer["judged"][NAMES[0]]["stale"] is False
    assert {each.region.pixels for each in verdicts(desk)} == {100, 110}


def test_another_process_is_seen_at_once(desk: Desk, client: TestClient) -> None:
    send(client, desk, change())
    cached.ledger(desk.ledger)
    lines = desk.ledger.read_text().replace(ID, OTHER)
    line = json.loads(lines.splitlines()[0]) | {"id": "c" * 16, "verdict": "unclear"}
    with desk.ledger.open("a") as file:
        file.write(json.dumps(line) + "\n")
    assert summary(desk, NAMES)["judged"][NAMES[0]]["verdict"] == "unclear"

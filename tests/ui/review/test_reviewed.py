"""The maps of the layer Reviewed: which verdict a pixel belongs to, as the browser gets it."""

from pathlib import Path
from typing import Any

import city
import numpy as np
import pytest
from reviews import frame_named, verdict_on
from starlette.applications import Starlette
from starlette.testclient import TestClient

from cityseg.data import Frame
from cityseg.review import Region, VerdictRow
from cityseg.ui.application import routes
from cityseg.ui.review.reviewed import ROUTE, drawn, offer, positions

NAME = "train/town/town_000000_000000"


@pytest.fixture
def frame(tmp_path: Path) -> Frame:
    city.write_frame(tmp_path, "town_000000_000000", label_ids=np.full((6, 8), city.ROAD, np.uint8))
    return frame_named(tmp_path, NAME)


@pytest.fixture
def client() -> TestClient:
    assert ROUTE.path in [each.path for each in routes()]
    return TestClient(Starlette(routes=[ROUTE]))


def row(frame: Frame, columns: slice, *, is_stale: bool = False, **more: Any) -> VerdictRow:
    mask = np.zeros((6, 8), np.bool_)
    mask[2, columns] = True
    return VerdictRow(verdict_on(frame, mask, **more), frame, is_stale)


def test_the_last_verdict_covers_those_before_it_and_all_cover_stale_ones(frame: Frame) -> None:
    rows = [
        row(frame, slice(0, 3)),
        row(frame, slice(2, 5), is_stale=True),
        row(frame, slice(1, 2)),
    ]
    assert [rows.index(each) for each in drawn(rows)] == [1, 0, 2]
    assert positions(drawn(rows), (6, 8))[2].tolist() == [2, 3, 2, 1, 1, 0, 0, 0]
    assert not positions(drawn(rows), (6, 8))[[0, 1, 3, 4, 5]].any()


def test_a_region_beyond_the_frame_is_cut(frame: Frame) -> None:
    beyond = Region.of(np.ones((4, 3), np.bool_), 4, 7)
    one = row(frame, slice(0, 1))
    far = Region.of(np.ones((1, 1), np.bool_), 40, 70)
    rows = [
        VerdictRow(one.verdict.model_copy(update={"region": region}), frame, True)
        for region in (beyond, far)
    ]
    assert np.argwhere(positions(rows, (6, 8))).tolist() == [[4, 7], [5, 7]]


def test_more_verdicts_than_a_byte_holds_leave_out_the_oldest(frame: Frame) -> None:
    rows = [row(frame, slice(0, 1))] * 2 + [row(frame, slice(1, 2))] * 253
    assert len(drawn(rows)) == 253
    assert set(positions(drawn(rows), (6, 8))[2].tolist()) == {0, 253}


def test_the_browser_gets_the_verdicts_and_their_map(frame: Frame, client: TestClient) -> None:
    rows = [row(frame, slice(1, 3), code="unclear", note="why")]
    offered = offer([frame], {NAME: rows})
    assert offered
    assert offered["judged"] == {
        NAME: [
            {
                "verdict": "unclear",
                "accepted": False,
                "note": "why",
                "reviewer": "Ada",
                "stale": False,
            }
        ]
    }
    answer = client.get(f"{offered['address']}{NAME}")
    assert answer.headers["content-type"] == "image/png"
    assert city.decode(answer.content)[2].tolist() == [0, 1, 1, 0, 0, 0, 0, 0]
    assert offer([frame], {NAME: rows}) == offered
    stale = offer([frame], {NAME: [row(frame, slice(1, 3), is_stale=True)]})
    assert stale
    assert stale["address"] != offered["address"]


def test_a_frame_without_a_verdict_has_an_empty_map(
    frame: Frame, client: TestClient, tmp_path: Path
) -> None:
    city.write_frame(tmp_path, "town_000001_000000", label_ids=np.full((4, 2), city.ROAD, np.uint8))
    name = "train/town/town_000001_000000"
    offered = offer([frame, frame_named(tmp_path, name)], {NAME: [row(frame, slice(0, 1))]})
    assert offered
    assert city.decode(client.get(f"{offered['address']}{name}").content).tolist() == [[0, 0]] * 4
    assert offer([frame], {}) is None


def test_what_cannot_be_answered_says_why(frame: Frame, client: TestClient) -> None:
    assert client.get("/reviewed/0123?frame=x").status_code == 410
    offered = offer([frame], {NAME: [row(frame, slice(0, 1))]})
    assert offered
    assert client.get(f"{offered['address']}nowhere").status_code == 404
    assert frame.label_ids
    assert frame.image
    frame.label_ids.write_bytes(b"")
    frame.image.write_bytes(b"")
    answer = client.get(f"{offered['address']}{NAME}")
    assert (answer.status_code, NAME in answer.text) == (422, True)

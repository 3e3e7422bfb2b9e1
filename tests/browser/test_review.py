"""The desk in a browser: keys, undo, a reload amid it, two people, a server that is killed."""

import re
from collections.abc import Callable
from pathlib import Path

import city
import numpy as np
import pytest
from harness import Pages, Server
from playwright.sync_api import Page, expect
from waiting import until

from cityseg.review import (
    AUDIT,
    Finding,
    Verdict,
    findings_folder,
    ledger_file,
    read_ledger,
    write_findings,
)

COUNT = 8


def frame(number: int) -> str:
    return f"val/town/town_{number:06}_000000"


def name(number: int) -> str:
    return f"{frame(number)}@10,20,20,30"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames with a car each, none of them alike but the last two."""
    root = tmp_path_factory.mktemp("review") / "city"
    label_ids = np.full((32, 80), city.ROAD, np.uint8)
    label_ids[10:20, 20:30] = city.CAR
    for number in range(COUNT):
        city.write_frame(root, f"town_{number:06}_000000", "val", label_ids=label_ids)
    return root


@pytest.fixture
def runs(data: Path, tmp_path: Path) -> Path:
    """A folder of runs, with findings of all cars and without a verdict."""
    findings = [
        Finding(
            *(frame(number), "island", 1 - number / 10, (10, 20, 20, 30), 100, "truth", "car", 13),
            other="road" if number > COUNT - 3 else str(number),
            predicted="truck" if number == 1 else "",
        )
        for number in range(COUNT)
    ]
    write_findings(findings_folder(data, tmp_path / "runs") / AUDIT, findings)
    return tmp_path / "runs"


@pytest.fixture
def desk(data: Path, runs: Path, start_server: Callable[..., Server]) -> Server:
    return start_server(data, runs)


def verdicts(server: Server) -> dict[str, Verdict]:
    found = read_ledger(ledger_file(server.data, server.runs)).verdicts()
    return {frame: verdict for (frame, _), verdict in found.items()}


def codes(server: Server) -> list[str]:
    return [verdict.verdict for _, verdict in sorted(verdicts(server).items())]


def shows(page: Page, number: int) -> None:
    expect(page.locator(".viewer")).to_have_attribute("data-painted", name(number))


def is_saved(page: Page) -> None:
    expect(page.locator(".review[data-pending]")).to_have_count(0)


def open_desk(page: Page, server: Server, query: str = "") -> Page:
    page.goto(f"{server.url}/review{query}")
    return page


def test_keys_buttons_undo_and_a_reload_in_the_middle(page: Page, desk: Server) -> None:
    open_desk(page, desk)
    shows(page, 0)
    page.keyboard.press("e")
    shows(page, 1)
    page.keyboard.press("A")
    shows(page, 2)
    page.get_by_role("button", name="Label is right").click()
    shows(page, 3)
    page.keyboard.press("c")
    page.keyboard.type("e and z are text here")
    page.keyboard.press("Enter")
    page.keyboard.press("u")
    shows(page, 4)
    page.keyboard.press("k")
    shows(page, 5)
    page.keyboard.press("d")
    shows(page, 6)
    is_saved(page)
    expected = ["wrong_label", "wrong_label", "network_wrong", "unclear", "not_worth_it"]
    assert codes(desk) == expected
    found = verdicts(desk)
    assert [found[frame(number)].accepted for number in (0, 1)] == [False, True]
    assert found[frame(3)].note == "e and z are text here"
    expect(page.locator(".counts")).to_contain_text("5 of 8 judged · 67% of 3 decided")

    page.keyboard.press("z")
    shows(page, 5)
    expect(page.locator(".state")).to_have_text("Not judged yet")
    page.keyboard.press("u")
    shows(page, 6)
    page.keyboard.press("L")
    expect(page.get_by_role("button", name="All 2 like this")).to_have_attribute(
        "aria-pressed", "true"
    )
    page.keyboard.press("n")
    shows(page, 4)  # what was skipped
    is_saved(page)
    assert codes(desk) == [*expected[:4], "unclear", "network_wrong", "network_wrong"]

    expect(page).to_have_url(re.compile("town_000004"))
    page.reload()
    shows(page, 4)
    expect(page.locator(".counts")).to_contain_text("7 of 8 judged")
    page.keyboard.press("z")  # of before the reload, and not among what is to be judged
    shows(page, 6)
    is_saved(page)
    assert codes(desk) == [*expected[:4], "unclear"]
    open_desk(page, desk, f"?state=Judged&frame={name(1)}")
    shows(page, 1)
    expect(page.locator(".state")).to_contain_text("wrong label, the network's is right")


def test_two_people_at_once_lose_nothing_and_see_each_other(pages: Pages, desk: Server) -> None:
    ada, bob = (open_desk(pages.open(), desk) for _ in range(2))
    for page, person in ((ada, "Ada"), (bob, "Bob")):
        shows(page, 0)
        field = page.get_by_role("textbox", name="Your name")
        field.fill(person)
        field.press("Enter")
        expect(page.locator(".stApp")).to_have_attribute("data-test-script-state", "notRunning")
        page.locator(".stage canvas").click()
    ada.keyboard.press("e")
    shows(ada, 1)
    is_saved(ada)
    bob.keyboard.press("k")
    shows(bob, 1)
    bob.keyboard.press("u")
    is_saved(bob)
    ada.keyboard.press("u")
    is_saved(ada)
    bob.keyboard.press("ArrowLeft")
    bob.keyboard.press("ArrowLeft")
    shows(bob, 0)
    expect(bob.locator(".state")).to_have_text("Ada: wrong label")
    until(lambda: len(verdicts(desk)) == 2, "two regions are judged")
    assert {each.reviewer for each in verdicts(desk).values()} == {"Ada"}
    lines = desk.runs.parent / "reviews" / "city.jsonl"
    assert len(lines.read_text().splitlines()) == 3


def test_verdicts_outlive_a_killed_server(pages: Pages, desk: Server) -> None:
    page = open_desk(pages.open(), desk)
    shows(page, 0)
    page.keyboard.press("e")
    shows(page, 1)
    is_saved(page)
    desk.kill()
    page.keyboard.press("n")
    shows(page, 2)
    page.keyboard.press("u")
    shows(page, 3)
    expect(page.get_by_text("The server cannot be reached.")).to_be_visible()
    assert codes(desk) == ["wrong_label"]
    desk.start()
    expect(page.get_by_text("The server cannot be reached.")).to_be_hidden()
    is_saved(page)
    assert codes(desk) == ["wrong_label", "network_wrong", "unclear"]

"""`cityseg review`: what is shown, tagged and exported, and errors before the work.

Also tests: cli/review_actions.
"""

import csv
import io
import json
from pathlib import Path

import city
import pytest
from reviews import NAME, STEM, at_row, frame_named, verdict_on, write_two_splits
from tiny_runs import content_of

from cityseg.cli.main import main
from cityseg.review import append, read_ledger


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_two_splits(tmp_path / "data")


@pytest.fixture
def ledger(data: Path, tmp_path: Path) -> Path:
    """Four verdicts, of which one is stale, and a damaged line."""
    path = tmp_path / "reviews" / "data.jsonl"
    frame, other = frame_named(data, NAME), frame_named(data, NAME.replace("train", "val"))
    lines = [
        verdict_on(frame, at_row(3), note="=HYPERLINK(A1)", accepted=True),
        verdict_on(frame, at_row(4), "network_wrong"),
        verdict_on(other, at_row(5)),
        verdict_on(other, at_row(6), "unclear").model_copy(update={"annotation": "0" * 16}),
    ]
    append(path, lines)
    with path.open("a") as file:
        file.write("{}\n")
    return path


def command(data: Path, action: str, *arguments: object) -> int:
    runs = ("--runs", data.parent / "runs")
    return main(["review", action, str(data), *map(str, [*arguments, *runs])])


def test_show_counts_verdicts_stale_ones_damage_and_tags(
    data: Path,
    ledger: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert command(data, "tag", NAME, "--add", "night") == 0
    assert command(data, "show") == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert f"4 regions of 2 frames judged in {ledger}." in lines
    assert "2  wrong_label: The annotation is wrong there." in lines
    assert "0  not_worth_it: Too small to matter." in lines
    assert "1  of them with the label of the network accepted." in lines
    assert "1  stale: the annotation has changed since, or is gone." in lines
    assert "1  tagged night." in lines
    assert "1 of 6 lines" in caplog.text


def test_tags_are_added_and_removed(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CITYSEG_REVIEWER", "Grace")
    own = tmp_path / "own.jsonl"
    assert command(data, "tag", NAME, "--add", "night", "--add", "rain", "--ledger", own) == 0
    assert command(data, "tag", NAME, "--remove", "rain", "--add", "wet", "--ledger", own) == 0
    assert read_ledger(own).tags() == {NAME: ("night", "wet")}
    assert '"reviewer":"Grace"' in own.read_text()


def test_a_tag_that_is_there_or_gone_already_adds_no_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own.jsonl"
    other = NAME.replace("train", "val")
    assert command(data, "tag", NAME, "--remove", "night", "--ledger", own) == 0
    assert not own.exists()
    assert command(data, "tag", NAME, "--add", "night", "--ledger", own) == 0
    assert command(data, "tag", NAME, other, "--add", "night", "--ledger", own) == 0
    assert len(own.read_text().splitlines()) == 2
    lines = capsys.readouterr().out.splitlines()
    unchanged = "1 frame unchanged: nothing to add or to remove."
    assert lines[:2] == [f"0 frames tagged in {own}.", unchanged]
    assert lines[-2:] == [f"1 frame tagged in {own}.", unchanged]


def test_the_first_tag_stays_with_a_dataset_that_is_renamed(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(data, "tag", NAME, "--add", "night") == 0
    renamed = data.rename(data.with_name("renamed"))
    for _ in range(2):
        assert command(renamed, "show") == 0
        assert "tagged night" in capsys.readouterr().out


def test_a_frame_whose_name_is_not_utf8_cannot_be_tagged(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stem = "t\udcfcr_000000_000019"
    city.write_frame(data, stem)
    assert command(data, "tag", f"train/t\udcfcr/{stem}", "--add", "night") == 1
    assert "is not UTF-8, which a ledger needs: rename its files" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((NAME,), "No tag is named: give --add TAG or --remove TAG"),
        ((STEM, "--add", "x"), f"2 frames are called {STEM}: write train/aachen/"),
        (("other", "--add", "x"), "has no frame other: write <split>/<city>/<stem>"),
        ((NAME, "--add", "a,b"), "'a,b' is no tag: use at most 60 characters"),
        ((NAME, "--add", "x", "--remove", "x"), "The tag x cannot be added and removed at once"),
    ],
)
def test_what_cannot_be_tagged_is_refused_and_nothing_is_kept(
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    assert command(data, "tag", *arguments) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "reviews").exists()


def test_a_table_has_a_row_for_each_verdict_and_no_formula(
    data: Path, ledger: Path, tmp_path: Path
) -> None:
    before = content_of(data)
    for kind in ("csv", "json"):
        assert command(data, "export", tmp_path / f"new/verdicts.{kind}", "--to", kind) == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "new/verdicts.csv").read_text())))
    records = json.loads((tmp_path / "new/verdicts.json").read_text())
    assert [row["top"] for row in rows] == ["3", "4", "5", "6"]
    assert [row["stale"] for row in rows] == ["False", "False", "False", "True"]
    assert rows[0]["note"] == "'=HYPERLINK(A1)"
    assert records[0]["note"] == "=HYPERLINK(A1)"
    assert (records[0]["accepted"], records[0]["runs"]) == (True, [0, 6])
    assert content_of(data) == before


def test_an_export_without_a_ledger_or_a_place_is_refused(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(data, "export", tmp_path / "out.csv", "--to", "csv") == 1
    assert "There is no review ledger" in capsys.readouterr().err
    assert command(data, "export", data, "--to", "csv") == 1
    assert "it is a folder; name a file in it" in capsys.readouterr().err
    ledger = tmp_path / "own.jsonl"
    append(ledger, [verdict_on(frame_named(data, NAME), at_row(3))])
    before = ledger.read_bytes()
    assert command(data, "export", ledger, "--to", "csv", "--ledger", ledger) == 1
    assert "is the ledger itself: choose another file" in capsys.readouterr().err
    assert ledger.read_bytes() == before
    assert not (tmp_path / "out.csv").exists()


def test_crops_are_exported_and_imported_and_stale_ones_are_named(
    data: Path,
    ledger: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = content_of(data)
    crops = tmp_path / "crops"
    assert command(data, "export", crops, "--to", "crops") == 0
    assert "1 region left out: their annotations have changed since" in caplog.text
    assert f"3 crops written to {crops}." in capsys.readouterr().out
    manifest = json.loads((crops / "cityseg-review.json").read_text())
    labels = crops / "gtFine" / f"{manifest['crops'][0]['name']}_gtFine_labelIds.png"
    label_ids = city.decode(labels.read_bytes()).copy()
    label_ids[0, 0:5] = city.CAR
    labels.write_bytes(city.encode(label_ids))
    out = tmp_path / "corrected"
    assert main(["review", "import", str(data), str(crops), str(out)]) == 0
    printed = capsys.readouterr().out
    assert "3 crops came back." in printed
    assert "sky → car" in printed
    assert "1 frame of 2 changed, 5 pixels." in printed
    assert content_of(data) == before
    assert main(["review", "import", str(data), str(crops), str(out)]) == 1
    assert f"Cannot write to {out}: it is not empty; name a new folder" in capsys.readouterr().err


def test_accepted_labels_are_exported_and_a_place_in_the_dataset_is_refused(
    data: Path, ledger: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(data, "export", data / "out", "--to", "labels") == 1
    assert "which stays as it is: name another folder" in capsys.readouterr().err
    assert command(data, "export", tmp_path / "out", "--to", "labels") == 0
    assert "1 frame of 2 changed, 6 pixels." in capsys.readouterr().out

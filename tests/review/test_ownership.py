"""Whose a ledger is: each dataset has its own, also of one name, and no old verdict is lost."""

import shutil
from pathlib import Path

import city
import pytest
from reviews import at_row, flag, frame_named, verdict_on

from cityseg.cli.main import main
from cityseg.review import TagChange, Undo, append, findings_folder, ledger_file, read_ledger
from cityseg.review.ownership import OWNER

STEM = "town_000000_000019"
NAME = f"train/town/{STEM}"


def dataset(place: Path, label_id: int = city.ROAD) -> Path:
    """A dataset of one frame that is called cityscapes, as all of these are."""
    label_ids = city.street().copy()
    label_ids[:4] = label_id
    city.write_frame(place / "cityscapes", STEM, label_ids=label_ids)
    return place / "cityscapes"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "work" / "runs"


@pytest.fixture
def one(tmp_path: Path) -> Path:
    return dataset(tmp_path / "one")


@pytest.fixture
def two(tmp_path: Path) -> Path:
    return dataset(tmp_path / "two", city.CAR)


def old_ledger(runs: Path) -> Path:
    """Where earlier versions kept the verdicts on all datasets of this name."""
    return runs.parent / "reviews" / "cityscapes.jsonl"


def judge(ledger: Path, data: Path, row: int = 5) -> None:
    flag(ledger, frame_named(data, NAME), at_row(row))


def rows(ledger: Path) -> list[int]:
    """The rows of the regions with a verdict."""
    return [region.top for _, region in read_ledger(ledger).verdicts()]


def test_two_datasets_of_one_name_have_a_ledger_each(one: Path, two: Path, runs: Path) -> None:
    judge(ledger_file(one, runs), one)
    judge(ledger_file(two, runs), two, 6)
    assert ledger_file(one, runs) == old_ledger(runs)
    assert (rows(ledger_file(one, runs)), rows(ledger_file(two, runs))) == ([5], [6])
    assert findings_folder(one, runs) != findings_folder(two, runs)
    assert ledger_file(two, runs).parent == old_ledger(runs).parent


def test_copies_of_a_dataset_are_two_and_links_to_it_are_one(
    one: Path, runs: Path, tmp_path: Path
) -> None:
    judge(ledger_file(one, runs), one)
    copy = dataset(tmp_path / "copy")
    assert rows(ledger_file(copy, runs)) == []
    (tmp_path / "link").symlink_to(one)
    assert ledger_file(tmp_path / "link", runs) == ledger_file(one, runs)


@pytest.mark.parametrize("order", ["one", "two"])
def test_an_old_ledger_is_that_of_the_dataset_whose_annotations_it_names(
    one: Path, two: Path, runs: Path, order: str
) -> None:
    judge(old_ledger(runs), one)
    for each in (one, two) if order == "one" else (two, one):
        ledger_file(each, runs)
    assert ledger_file(one, runs) == old_ledger(runs)
    assert rows(ledger_file(two, runs)) == []


def test_an_old_ledger_of_which_all_verdicts_are_stale_is_found_by_the_names_of_frames(
    one: Path, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judge(old_ledger(runs), one)
    dataset(one.parent, city.CAR)
    assert ledger_file(one, runs) == old_ledger(runs)
    assert main(["review", "show", str(one), "--runs", str(runs)]) == 0
    printed = capsys.readouterr().out
    assert f"1 region of 1 frame judged in {old_ledger(runs)}." in printed
    assert "1  stale: the annotation has changed since" in printed


def test_stale_verdicts_go_to_the_dataset_that_was_judged_once_it_is_asked_for(
    one: Path, two: Path, runs: Path
) -> None:
    judge(old_ledger(runs), one)
    judge(ledger_file(two, runs), two, 6)
    assert rows(ledger_file(two, runs)) == [5, 6]
    assert ledger_file(one, runs) == old_ledger(runs)
    assert rows(ledger_file(two, runs)) == [6]
    other = dataset(two.parent / "three", city.SKY)
    assert rows(ledger_file(other, runs)) == []


def test_an_old_ledger_of_two_datasets_is_found_by_both(one: Path, two: Path, runs: Path) -> None:
    judge(old_ledger(runs), one, 5)
    judge(old_ledger(runs), two, 6)
    taken_back = verdict_on(frame_named(two, NAME), at_row(7))
    night = TagChange(reviewer="Ada", frame=NAME, tag="night")
    append(old_ledger(runs), [taken_back, Undo(reviewer="Ada", undone=taken_back.id), night])
    before = old_ledger(runs).read_bytes()
    assert ledger_file(one, runs) == old_ledger(runs)
    judge(ledger_file(one, runs), one, 8)  # not before ledgers were told apart
    ledger = ledger_file(two, runs)
    assert ledger != old_ledger(runs)
    assert rows(ledger) == [6]
    assert read_ledger(ledger).tags() == {NAME: ("night",)}
    assert ledger.stat().st_mode & 0o777 == 0o600
    assert old_ledger(runs).read_bytes().startswith(before)


def test_later_changes_of_the_annotation_leave_the_ledger_where_it_is(
    one: Path, two: Path, runs: Path
) -> None:
    judge(ledger_file(one, runs), one)
    dataset(one.parent, city.CAR)
    assert ledger_file(one, runs) == old_ledger(runs)
    assert ledger_file(two, runs) != old_ledger(runs)


def test_a_ledger_goes_along_with_a_dataset_that_is_moved_or_renamed(
    one: Path, two: Path, runs: Path, tmp_path: Path
) -> None:
    for each, row in ((one, 5), (two, 6)):
        judge(ledger_file(each, runs), each, row)
    for each, target in ((one, "three/cityscapes"), (two, "labels-2")):
        (tmp_path / target).parent.mkdir(exist_ok=True)
        shutil.move(each, tmp_path / target)
    for _ in range(2):  # the second look is at what the first one has noted
        assert rows(ledger_file(tmp_path / "labels-2", runs)) == [6]
        assert rows(ledger_file(tmp_path / "three/cityscapes", runs)) == [5]


def test_tags_alone_belong_to_a_dataset_that_has_the_frame(
    one: Path, runs: Path, tmp_path: Path
) -> None:
    append(old_ledger(runs), [TagChange(reviewer="Ada", frame=NAME, tag="night")])
    other = tmp_path / "other" / "cityscapes"
    city.write_frame(other, "ulm_000000_000019")
    assert ledger_file(other, runs) != old_ledger(runs)
    assert ledger_file(one, runs) == old_ledger(runs)


def test_a_dataset_that_cannot_be_listed_now_takes_nothing(one: Path, runs: Path) -> None:
    judge(old_ledger(runs), one)
    away = one.rename(one.with_name("away"))
    assert ledger_file(one, runs) == old_ledger(runs)
    one.mkdir()
    assert ledger_file(one, runs) == old_ledger(runs)
    assert not (findings_folder(one, runs) / OWNER).exists()
    one.rmdir()
    away.rename(one)
    assert rows(ledger_file(one, runs)) == [5]
    assert (findings_folder(one, runs) / OWNER).exists()


@pytest.mark.parametrize("content", ["", "[", '{"path": 3}'])
def test_a_damaged_record_of_the_owner_is_written_again(
    one: Path, two: Path, runs: Path, content: str
) -> None:
    judge(ledger_file(one, runs), one)
    (findings_folder(one, runs) / OWNER).write_text(content)
    assert rows(ledger_file(two, runs)) == []
    assert rows(ledger_file(one, runs)) == [5]


def test_where_nothing_can_be_recorded_an_old_ledger_is_read(one: Path, runs: Path) -> None:
    judge(old_ledger(runs), one)
    old_ledger(runs).with_suffix("").write_text("no folder")
    assert rows(ledger_file(one, runs)) == [5]


def test_a_dataset_that_was_away_comes_back_to_its_verdicts(
    one: Path, runs: Path, tmp_path: Path
) -> None:
    judge(ledger_file(one, runs), one)
    away = one.rename(tmp_path / "away")
    copy = dataset(tmp_path / "copy")
    assert rows(ledger_file(copy, runs)) == [5]
    away.rename(one)
    assert rows(ledger_file(one, runs)) == [5]
    assert ledger_file(one, runs) != ledger_file(copy, runs)


def test_to_look_at_a_dataset_writes_nothing_before_there_is_a_verdict(
    one: Path, two: Path, runs: Path
) -> None:
    first, other = ledger_file(one, runs), ledger_file(two, runs)
    assert not runs.parent.exists()
    judge(other, two, 6)
    assert (first, other) == (ledger_file(one, runs), ledger_file(two, runs))
    assert rows(first) == []

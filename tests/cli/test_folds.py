"""The command folds: K trainings in the background, and the evidence of each on its part."""

from pathlib import Path

import pytest
import tiny_runs

from cityseg.cli import EXIT_ALL, EXIT_NOTHING
from cityseg.cli.main import main
from cityseg.evaluation import load_evidence
from cityseg.jobs import list_runs
from cityseg.runs.seen import read_seen

SETTINGS = ("--size=32x64", "--width=2", "--batch-size=2", "--epochs=1", "--device=cpu")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A city of two drives of two frames, and one frame to validate with."""
    data = tiny_runs.make_city(tmp_path / "data", 4, 1)
    for path in list(data.rglob("train/tiny/*")):
        drive = int(path.name.split("_")[2]) % 2
        path.rename(path.with_name(path.name.replace("tiny_000000", f"tiny_00000{drive}")))
    return data


def test_each_training_frame_is_judged_by_a_network_that_has_not_seen_it(
    data: Path, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["folds", str(data), "--k", "2", "--runs", str(runs), *SETTINGS]
    printed = []
    for _ in range(2):  # the second time all is there
        assert main(command) == EXIT_ALL
        printed.append(capsys.readouterr().out.splitlines()[2:])
        entries = list_runs(runs)
        assert sorted(entry.config.title for entry in entries) == ["Fold 1/2", "Fold 2/2"]
    assert printed[0] == printed[1]
    assert printed[0][-1].startswith("All parts: mean IoU 0.")
    folders = [folder for entry in entries for folder in entry.run.evidence.iterdir()]
    judged = [name for folder in folders for name in load_evidence(folder).store.names]
    assert len(judged) == len(set(judged)) == 4
    seen_by = {
        entry.config.fold: {name for name in read_seen(entry.run).frames if "train/" in name}
        for entry in entries
    }
    assert all(len(names) == 2 for names in seen_by.values())
    assert not set.intersection(*seen_by.values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--k", "3"], "come from 2 places"),
        (["--fold", "1/2"], "leave --fold out"),
    ],
    ids=["too many parts", "a part of one's own"],
)
def test_nothing_is_started_that_cannot_end_well(
    data: Path,
    runs: Path,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["folds", str(data), "--runs", str(runs), *SETTINGS, *arguments]
    assert main(command) == EXIT_NOTHING
    assert message in capsys.readouterr().err
    assert list_runs(runs) == []

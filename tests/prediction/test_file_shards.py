"""Predictions in shards, one of them killed: the files of one run, and what is missing is named."""

import json
import signal
from pathlib import Path

import city
import forks
import numpy as np
import pytest
import tiny_runs

from cityseg.cli.main import main
from cityseg.prediction import Predictor, predict_all

PICTURES = 7
SHARD = """
import os, signal, sys
from contextlib import contextmanager
from cityseg.cli import main, predict

@contextmanager
def dying(*settings):
    def die(done, total):
        if done == int(sys.argv[1]):
            os.kill(os.getpid(), signal.SIGKILL)
    yield die

predict.progress_bar = dying
sys.exit(main.main(sys.argv[2:]))
"""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_runs.write_weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, two of the same name, one of them damaged."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(PICTURES):
        pixels = np.random.default_rng(number).integers(0, 256, (8, 16, 3), np.uint8)
        city.write(folder / f"{number}.png", city.encode(pixels))
    city.write(folder / "deep" / "3.png", (folder / "6.png").read_bytes())
    (folder / "2.png").write_bytes(b"damaged")
    return folder


@pytest.fixture(scope="module")
def whole(
    weights: Path, street: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """The files of one run."""
    out = tmp_path_factory.mktemp("whole")
    paths = [street / f"{number}.png" for number in range(PICTURES)] + [street / "deep" / "3.png"]
    assert len(predict_all(Predictor.load(weights, "cpu"), paths, out).written) == PICTURES
    return tiny_runs.results_in(out)


@pytest.fixture
def command(weights: Path, street: Path, tmp_path: Path) -> list[str]:
    pictures = [str(street), str(street / "deep"), "--network", str(weights), "--device", "cpu"]
    return ["predict", *pictures, "--out", str(tmp_path / "out")]


def test_three_processes_and_a_kill_give_the_files_of_one_run(
    command: list[str],
    whole: dict[str, bytes],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    processes = [
        forks.fork(forks.TRAINING, SHARD, 2 if n == 2 else 0, *command, "--shard", f"{n}/3")
        for n in (1, 2, 3)
    ]
    ends = [process.wait() for process in processes]
    assert ends == [0, -signal.SIGKILL, 2]  # the third has the damaged picture
    assert main([*command, "--merge"]) == 1
    assert "Shard 2/3 of the same command is not done" in capsys.readouterr().err
    city.write(tmp_path / "out" / "color" / ".1.png.7-0a1b2c3d.part")  # as a kill leaves it
    city.write(tmp_path / "out" / "color" / ".other.png.7-0a1b2c3d.part")
    journals = [path.read_text() for path in (tmp_path / "out").rglob("journal.jsonl")]
    finished = {Path(json.loads(line)[0]).stem for text in journals for line in text.splitlines()}
    assert len(finished) == PICTURES  # all but the second 3.png, whose files have another name
    before = {
        path: path.stat().st_ino
        for path in (tmp_path / "out").rglob("*.png")
        if path.stem in finished
    }
    assert main([*command, "--shard", "2/3"]) == 0
    assert all(path.stat().st_ino == inode for path, inode in before.items())
    assert main([*command, "--merge"]) == 2
    assert "out: 7 pictures predicted, 1 skipped." in capsys.readouterr().out
    (tmp_path / "out" / "color" / ".other.png.7-0a1b2c3d.part").unlink()  # of another command
    assert tiny_runs.results_in(tmp_path / "out") == whole


def test_a_prediction_that_is_gone_is_named_and_made_again(
    command: list[str], whole: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--shard", "1/1"]) == 2
    (tmp_path / "out" / "overlay" / "4.png").unlink()
    assert main([*command, "--merge"]) == 1
    assert "4.png in" in (error := capsys.readouterr().err)
    assert "is gone: run the shards again, which predict it" in error
    assert main([*command, "--shard", "1/1"]) == 2
    assert main([*command, "--merge"]) == 2
    assert tiny_runs.results_in(tmp_path / "out") == whole


def test_shards_of_other_options_are_not_merged(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--shard", "1/1"]) == 2
    assert main([*command, "--flip", "--merge"]) == 1
    assert "There are no shards to merge" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["-"], "Shards share files, and standard input is none"),
        (["--video", "a.mp4"], "--shard is for pictures"),
    ],
)
def test_what_has_no_shards_is_refused(
    weights: Path, changes: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["predict", "--network", str(weights), "--shard", "1/2", *changes]
    assert main(command if changes == ["-"] else [*command, "a.mov"]) == 1
    assert message in capsys.readouterr().err

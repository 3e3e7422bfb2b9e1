"""A run that has results is continued from a state or not at all; no torch is loaded to say so."""

import subprocess
import sys
from pathlib import Path

import pytest
from tiny_runs import content_of, tiny_config

from cityseg.errors import CheckpointError
from cityseg.runs.checkpoints import load_state, save_state
from cityseg.runs.folder import RunDir
from cityseg.runs.states import check_state

EPOCH = {"kind": "epoch", "epoch": 36, "step": 72, "mean_iou": 0.492, "seconds": 1.0}


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return RunDir.create(tmp_path / "runs", tiny_config(tmp_path))


def test_a_new_run_may_begin(run: RunDir) -> None:
    check_state(run)


def test_steps_without_a_finished_epoch_are_no_results(run: RunDir) -> None:
    run.append_metrics({"kind": "train", "epoch": 1, "step": 10, "steps": 20, "seconds": 1.0})
    check_state(run)


@pytest.mark.parametrize("damage", ["gone", "damaged"])
def test_results_without_a_state_are_refused_with_the_way_on(run: RunDir, damage: str) -> None:
    run.append_metrics(EPOCH)
    run.best.write_bytes(b"weights")
    if damage == "damaged":
        save_state(run, {"number": 1})
        run.last.write_bytes(run.last.read_bytes()[:-1])
    before = content_of(run.path)
    for check in (check_state, load_state):
        with pytest.raises(CheckpointError) as caught:
            check(run)
        message = str(caught.value)
        assert "it has results (best mean IoU 49.2% in epoch 36), but" in message
        assert message.endswith(f"start a new run from its weights: train --start-from {run.path}")
        assert "remove" not in message
    assert content_of(run.path) == before


def test_weights_alone_are_results(run: RunDir) -> None:
    run.of_epoch(3).write_bytes(b"weights")
    with pytest.raises(
        CheckpointError, match=r"weights \(epoch-003.safetensors\), but there is no"
    ):
        check_state(run)


def test_an_undamaged_state_before_a_damaged_one_is_enough(run: RunDir) -> None:
    run.append_metrics(EPOCH)
    save_state(run, {"number": 1})
    save_state(run, {"number": 2})
    run.last.write_bytes(b"")
    check_state(run)


def test_looking_at_states_loads_no_torch(run: RunDir) -> None:
    save_state(run, {"number": 1})
    script = (
        "import sys; from pathlib import Path; from cityseg.runs import RunDir, check_state;"
        "check_state(RunDir(Path(sys.argv[1]))); assert 'torch' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-c", script, run.path], check=True, cwd=Path(__file__).parents[2]
    )

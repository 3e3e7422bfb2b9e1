"""Which weights a run has, and what they say of themselves without being loaded."""

import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from tiny_runs import tiny_config

from cityseg.errors import CheckpointError
from cityseg.models import build_model
from cityseg.runs.checkpoints import load_weights, save_weights
from cityseg.runs.folder import RunDir
from cityseg.runs.weights import FORMAT, About, kept_weights, read_about, read_scores


def save(path: Path, epoch: int, mean_iou: float | None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    model = build_model("unet", width=2)
    save_weights(path, model, tiny_config(Path("/data")), epoch, {"mean_iou": mean_iou})
    return path


def test_the_best_comes_first_and_then_the_newest_epochs(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    run.checkpoints.mkdir()
    wanted = [run.best, *map(run.of_epoch, (1000, 999, 20, 3))]
    for path in [*reversed(wanted), run.last]:
        path.touch()
    assert kept_weights(run) == wanted


def test_a_run_without_checkpoints_has_none(tmp_path: Path) -> None:
    assert kept_weights(RunDir(tmp_path)) == []


@pytest.mark.parametrize("mean_iou", [0.25, None])
def test_epoch_and_mean_iou_are_read_from_the_header(
    tmp_path: Path, mean_iou: float | None
) -> None:
    path = save(tmp_path / "best.safetensors", 7, mean_iou)
    assert read_about(path) == About(7, mean_iou)


def test_the_scores_in_a_header_have_their_types(tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    about = {"format": FORMAT, "epoch": "1", "scores": '{"class_iou": {"road": 1}, "new": []}'}
    safetensors.torch.save_file({"a": torch.zeros(1)}, path, about)
    assert read_scores(path) == {"class_iou": {"road": 1.0}}
    for scores in ('{"class_iou": {"road": "1"}}', '{"class_iou": []}', "["):
        safetensors.torch.save_file({"a": torch.zeros(1)}, path, about | {"scores": scores})
        with pytest.raises(CheckpointError, match="another version"):
            read_scores(path)


def test_reading_a_header_loads_no_torch(tmp_path: Path) -> None:
    path = save(tmp_path / "best.safetensors", 7, 0.5)
    code = (
        "import sys; from pathlib import Path; from cityseg.runs.weights import read_about; "
        "read_about(Path(sys.argv[1])); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr


@pytest.mark.parametrize(
    ("about", "refusal"),
    [
        ({"format": "pt"}, "not written by cityseg"),
        ({"format": FORMAT, "epoch": "1"}, "another version"),
        ({"format": FORMAT, "epoch": "one", "scores": "{}"}, "another version"),
        ({"format": FORMAT, "epoch": "1", "scores": "7"}, "another version"),
        ({"format": FORMAT, "epoch": "1", "scores": "[" * 100_000}, "another version"),
        ({"format": FORMAT, "epoch": "1", "scores": '{"mean_iou": []}'}, "another version"),
        ({"format": FORMAT, "epoch": "1", "scores": '{"mean_iou": 1e999}'}, "another version"),
        (
            {"format": FORMAT, "epoch": "1", "scores": f'{{"mean_iou": {"1" * 400}}}'},
            "another version",
        ),
        ({"format": FORMAT, "epoch": "1e999", "scores": "{}"}, "another version"),
    ],
)
def test_a_header_that_is_not_ours_is_refused(
    tmp_path: Path, about: dict[str, str], refusal: str
) -> None:
    path = tmp_path / "best.safetensors"
    safetensors.torch.save_file({"a": torch.zeros(1)}, path, about)
    with pytest.raises(CheckpointError, match=refusal):
        read_about(path)


def test_a_header_larger_than_that_of_any_network_is_not_read(tmp_path: Path) -> None:
    path = save(tmp_path / "best.safetensors", 7, 0.5)
    size = 90 << 20  # which the library would read
    path.write_bytes(size.to_bytes(8, "little") + b"{" + b" " * 100)
    with path.open("r+b") as file:
        file.truncate(size + 1000)
    with pytest.raises(CheckpointError, match="its header has 94,371,840 bytes"):
        read_about(path)
    with pytest.raises(CheckpointError, match="is damaged or not a safetensors file"):
        load_weights(path)


@pytest.mark.parametrize("content", [None, b"", b"\xff" * 100, b"PK\x03\x04"])
def test_what_is_no_safetensors_file_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "best.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged or not a safetensors file"):
        read_about(path)

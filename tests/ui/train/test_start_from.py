"""What a training can start from: nothing, the box, and runs that have weights."""

from pathlib import Path

from tiny_runs import make_run

from cityseg.ui.folders import Folders
from cityseg.ui.train.start_from import start_networks


def test_runs_with_weights_are_offered_by_name(tmp_path: Path) -> None:
    data = tmp_path / "city"
    trained, fresh = make_run(data, title="Trained"), make_run(data, title="Fresh")
    trained.best.parent.mkdir(exist_ok=True)
    trained.best.write_bytes(b"weights")
    assert fresh.path.parent == tmp_path / "runs"
    assert start_networks(Folders(data, tmp_path / "runs")) == {
        "none": "None",
        "box": "Street network (in the box)",
        str(trained.path): "Trained",
    }

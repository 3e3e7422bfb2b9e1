"""Labels recovered from pairs of genuine frames: as right as the documentation says."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "pairs_quality.py"


def percent(cell: str) -> float:
    return float(cell.strip().removesuffix("%"))


def test_genuine_labels_are_recovered(genuine: Path) -> None:
    options = ["--qualities", "75", "--filters", "BICUBIC"]
    command = [sys.executable, SCRIPT, genuine, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [line.split("|")[3:-1] for line in done.stdout.splitlines() if "| sampled |" in line]
    figures = {method.strip(): [*map(percent, cells[:3])] for _, method, *cells in rows}
    _, _, of_all = figures["best"]
    assert of_all >= 96.5
    assert of_all > figures["nearest"][2] + 2
    labelled, right, _ = figures["void"]
    assert labelled >= 92
    assert right >= 99.4

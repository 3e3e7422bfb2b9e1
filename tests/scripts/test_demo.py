"""The demo: all steps on a sample city."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "demo.py"


def test_the_demo_goes_all_the_way(tmp_path: Path, script: Callable[..., tuple[str, str]]) -> None:
    shown, errors = script("demo", "--quick", "--no-app", "--folder", tmp_path)
    assert (tmp_path / "predictions.png").stat().st_size > 10_000
    assert "mean" in shown
    assert "Traceback" not in errors


def test_it_starts_in_its_environment() -> None:
    command = [sys.executable, SCRIPT, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: demo.py ")

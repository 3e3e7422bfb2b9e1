"""Scripts in this process, where only what they do is tested and not that they start."""

import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import forks
import pytest
from own_thread import in_own_thread

SCRIPTS = Path(__file__).parents[2] / "scripts"


def run(command: list[str], **settings: Any) -> "subprocess.CompletedProcess[str]":
    """As `subprocess.run` for a command of cityseg, which begins at once."""
    assert command[:3] == [sys.executable, "-m", "cityseg"]
    done = forks.run_module(forks.TRAINING, *command[2:])
    if not settings.get("capture_output"):
        sys.stdout.write(done.stdout)
        sys.stderr.write(done.stderr)
    return done


@pytest.fixture
def script(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[str, str]]:
    """`script(name, *arguments)`: what the script prints to standard output and error."""

    def script(name: str, *arguments: object) -> tuple[str, str]:
        with monkeypatch.context() as patch:
            patch.syspath_prepend(SCRIPTS)
            patch.setattr("bootstrap.enter", lambda requirements: None)
            patch.setattr(subprocess, "run", run)
            patch.setattr(sys, "argv", [name, *map(str, arguments)])
            in_own_thread(runpy.run_path, str(SCRIPTS / f"{name}.py"), None, "__main__")
        return tuple(capsys.readouterr())

    return script

"""Benchmarks as a program: their modules import each other without a circle."""

import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / "scripts"


def test_any_benchmark_can_be_imported_first() -> None:
    names = [path.stem for path in SCRIPTS.glob("bench_*.py")]
    assert "bench_evaluate" in names
    # Without the modules of before, but with the libraries of a single process.
    code = f"""
import importlib, sys
sys.path.insert(0, {str(SCRIPTS)!r})
for name in {names!r}:
    importlib.import_module(name)
    for loaded in [each for each in sys.modules if each.startswith("bench_")]:
        del sys.modules[loaded]
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=SCRIPTS.parent)

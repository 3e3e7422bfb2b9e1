"""The check on a GPU: its parts on the CPU at tiny size, and that no part ends the others."""

import ast
import importlib
import json
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import make_city
from torch import nn

from cityseg.estimates.measure import measure_here
from cityseg.system.processes import Process

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "scripts"


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(SCRIPTS)
    return importlib.import_module("gpu_check")


@pytest.fixture
def parts(check: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module of the parts, which starts no process and compiles nothing."""
    module = importlib.import_module("gpu_parts")
    monkeypatch.setattr(module, "in_fresh_process", lambda function: function())
    monkeypatch.setattr(module, "measure_step", measure_here)
    monkeypatch.setattr(module, "MOST_WORKERS", 0)
    monkeypatch.setattr(module, "epochs_within", lambda trial, seconds: 1)
    monkeypatch.setattr(nn.Module, "compile", lambda self, mode: None)
    return module


@pytest.mark.filterwarnings("ignore:The image decoding and encoding:DeprecationWarning")
def test_every_part_measures(parts: Any, tmp_path: Path) -> None:
    settings = parts.Settings(
        scratch=tmp_path,
        data=make_city(tmp_path / "city"),
        device="cpu",
        size="32x64",
        width=2,
        batch_sizes=(2,),
        evaluated=3,
        seconds=0.01,
        limit_seconds=600.0,
    )
    rows = {
        name: {row.what: row for row in work(settings)}
        for name, (_, work) in parts.parts_of(settings).items()
    }
    assert list(rows) == [
        "data", "step, batch 2", "store", "evaluation", "training", "resume", "ladder",
    ]  # fmt: skip
    assert rows["data"]["frames with masks"].numbers == {"frames": 15}
    assert "U-Net of width 2 at 32×64" in rows["data"]["network"].result
    assert len(rows["step, batch 2"]) == 6
    speeds = [*[*rows["step, batch 2"].values()][1:], *rows["store"].values()]
    assert all(row.numbers["frames_per_second"] > 0 for row in speeds)
    assert rows["step, batch 2"]["memory, as estimated"].numbers["memory_bytes"] > 0
    assert len(rows["evaluation"]) == 2
    assert all("ms a frame of 32×64, 3 frames" in r.result for r in rows["evaluation"].values())
    (trained,) = rows["training"].values()
    assert trained.what == "fast at 32×64"
    assert trained.numbers["epochs"] == 1
    assert {row.result for row in rows["resume"].values()} == {"equal, bit for bit"}
    assert len(rows["resume"]) == 4
    assert len(rows["ladder"]) >= 6


def test_without_a_dataset_a_city_is_painted(
    parts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "PAINTED", {"train": 2, "val": 1})
    monkeypatch.setattr(parts, "PAINTED_HW", (32, 64))
    settings = parts.Settings(tmp_path, tmp_path / "painted", "cpu", "32x64", 2, (2,))
    frames, _ = parts.prepare(settings)
    assert frames.result == "3 of painted"


def test_a_part_that_fails_is_recorded_with_what_it_had_found(check: Any) -> None:
    row = {"what": "speed", "result": "5 frames/s", "numbers": {}}
    code = f"print('noise'); print({json.dumps(row)!r}); print('[1]'); raise ValueError('no | way')"
    outcome = check.run_part("step", [sys.executable, "-c", code], {}, 60)
    assert outcome.rows == [row]
    assert outcome.problem == "It failed: ValueError: no | way"


def test_a_part_that_takes_too_long_ends_with_all_its_processes(check: Any, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    row = json.dumps({"what": "speed", "result": "5 frames/s", "numbers": {}})
    script = f"echo '{row}'; printf '{row[:9]}'; sleep 600 & echo $! >{pid_file}; wait"
    started = time.monotonic()
    outcome = check.run_part("step", ["sh", "-c", script], {}, 3)
    assert time.monotonic() - started < 60
    assert len(outcome.rows) == 1
    assert outcome.problem == "It took longer than its 3 s; what it had found is kept"
    child = int(pid_file.read_text())
    while Process.of(child):  # killed already; it goes as soon as the kernel has ended it
        time.sleep(0.01)


def test_time_that_a_part_leaves_is_for_the_others(
    check: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[float] = []

    def run_part(name: str, command: list[str], values: dict[str, Any], limit: float) -> Any:
        limits.append(limit)
        assert values == {"width": 2, "limit_seconds": limit}
        assert command[-2:] == ["--part", name]
        return check.Outcome(name, problem="It failed" if name == "one" else None)

    monkeypatch.setattr(check, "run_part", run_part)
    outcomes = check.measured({"one": 1, "two": 2, "three": 1}, {"width": 2}, 1000)
    assert [outcome.problem for outcome in outcomes] == ["It failed", None, None]
    assert limits == pytest.approx([250, 667, 1000], abs=5)


def test_a_machine_without_a_gpu_gets_one_sentence(
    check: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu_check", "--device", "cuda:99", "--out", str(tmp_path)])
    assert check.main() == 1
    sentence = "Torch finds no GPU cuda:99 on this machine: run this where there is one.\n"
    assert capsys.readouterr().out == sentence
    assert list(tmp_path.iterdir()) == []


def test_results_and_problems_are_in_both_files(check: Any, tmp_path: Path) -> None:
    row = {"what": "a | b", "result": "5 frames/s", "numbers": {"frames_per_second": 5.0}}
    outcomes = [check.Outcome("step", 1.0, [row]), check.Outcome("store", problem="It failed")]
    check.write(tmp_path / "out", outcomes, {**check.machine(), "device": "H1", "minutes": 10})
    content = json.loads((tmp_path / "out" / "gpu_check.json").read_text())
    assert content["parts"][0]["rows"] == [row]
    assert content["parts"][1]["problem"] == "It failed"
    table = (tmp_path / "out" / "gpu_check.md").read_text()
    assert table.startswith("H1, ")
    assert "| step | a / b | 5 frames/s |\n| store | problem | It failed |\n" in table


def test_it_needs_the_packages_of_the_core_only() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    core = {floor.partition(">")[0] for floor in project["dependencies"]}
    modules = {"opencv-python-headless": "cv2", "pillow": "PIL"}
    allowed = {modules.get(name, name) for name in core} | {"cityseg"} | sys.stdlib_module_names
    seen, ahead = set(), ["gpu_check"]
    while ahead:
        path = SCRIPTS / f"{ahead.pop()}.py"
        seen.add(path.stem)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                named = [node.module] if isinstance(node, ast.ImportFrom) else None
                for name in named or [alias.name for alias in node.names]:
                    top = str(name).partition(".")[0]
                    if (SCRIPTS / f"{top}.py").exists():
                        ahead += [top] if top not in seen else []
                    else:
                        assert top in allowed, f"{path.name} imports {name}"
    assert seen >= {"gpu_parts", "bench_steps", "bench_train", "bench_evaluate"}

"""The benchmark of training steps works, on the CPU at tiny size; its figures mean nothing here."""

import importlib
import os
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import make_city
from torch import nn

from cityseg.estimates.measure import measure_here

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module, which starts no process of torch and compiles nothing."""
    monkeypatch.syspath_prepend(SCRIPTS)
    train, encoder = map(importlib.import_module, ("bench_train", "bench_encoder"))
    for module in (train, encoder):
        monkeypatch.setattr(module, "in_fresh_process", lambda function: function())
    monkeypatch.setattr(encoder, "measure_step", measure_here)
    monkeypatch.setattr(train, "worker_counts", lambda cores: [0])
    monkeypatch.setattr(train, "STEPS", 1)
    monkeypatch.setattr(nn.Module, "compile", lambda self, mode: None)
    return train


@pytest.mark.soak
@pytest.mark.filterwarnings("ignore:The image decoding and encoding:DeprecationWarning")
def test_steps_of_both_networks_are_measured(
    bench: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = Namespace(
        size="32x64",
        model="unet",
        decoder_width=0,
        width=2,
        batch_size=[2],
        device="cpu",
        seconds=0.01,
    )
    before = os.environ.get("OMP_WAIT_POLICY")
    bench.run(make_city(tmp_path / "city"), 1, options)
    assert os.environ.get("OMP_WAIT_POLICY") == before
    printed = capsys.readouterr().out
    tables = [line for line in printed.splitlines() if line.startswith("| ")]
    first_cells = [line.split("|")[1].strip() for line in tables]
    assert first_cells.count(bench.CEILING) == 2
    assert first_cells.count(bench.OURS) == 2
    assert first_cells.count("DataLoader over the files, 0 workers") == 2
    assert "fpn:tu-tf_efficientnet_lite2 with a decoder of width 96 at 32×64" in printed
    busy = [line for line in tables if line.startswith("| one busy core")]
    assert len(busy) == 2
    assert all(float(line.split("|")[2]) > 0 for line in busy)
    arithmetic = {cells[1].strip(): cells for cells in (line.split("|") for line in tables)}
    assert float(arithmetic["3×3 convolution, 64 channels"][3].replace(",", "")) > 0
    for network in ("U-Net of width 2", "fpn:tu-tf_efficientnet_lite2"):
        assert float(arithmetic[network][2]) > 0
        assert float(arithmetic[network][4]) > 0

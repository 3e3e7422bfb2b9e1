"""Training changes torch for the whole process, and changes it back however it ends."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tiny_runs import make_city, make_run, tiny_config

from cityseg.errors import ConfigError
from cityseg.estimates.measure import measure_here
from cityseg.training import torch_set_up, train

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _unchanged() -> Iterator[None]:
    """Each test must leave torch's generator and cuDNN's choice as they were."""
    torch.manual_seed(5)
    generator, benchmark = torch.get_rng_state(), torch.backends.cudnn.benchmark
    yield
    assert torch.equal(torch.get_rng_state(), generator)
    assert torch.backends.cudnn.benchmark == benchmark


def test_within_the_block_the_seed_decides_and_cudnn_chooses() -> None:
    with torch_set_up(7, CPU):
        drawn = torch.rand(3)
        assert torch.backends.cudnn.benchmark
    assert torch.equal(drawn, torch.rand(3, generator=torch.Generator().manual_seed(7)))


def test_an_error_changes_nothing_for_others() -> None:
    with pytest.raises(RuntimeError, match="size of tensor"), torch_set_up(7, CPU):
        torch.rand(3) + torch.rand(4)


def test_a_training_changes_nothing_for_others(tmp_path: Path) -> None:
    train(make_run(make_city(tmp_path / "data", 4, 1), epochs=1))


def test_a_training_that_fails_changes_nothing_for_others(tmp_path: Path) -> None:
    run = make_run(make_city(tmp_path / "data", 4, 0), epochs=1)
    with pytest.raises(ConfigError, match="no val frames"):
        train(run)


def test_the_trial_of_a_step_changes_nothing_for_others() -> None:
    assert measure_here(tiny_config(Path("/nowhere")), trial=True).flops_per_second

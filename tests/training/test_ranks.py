"""Several processes that train one run together, against one process.

Most are forked, with what torchrun would give them; tests/jobs/test_ranks.py has torchrun itself.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rank_facts import FRAMES, LOSSES, loss_and_gradient
from rank_processes import (
    TRAIN,
    each_step,
    group_variables,
    new_store,
    start_ranks,
    train_in_ranks,
    wait_for_all,
)
from tiny_runs import (
    epoch_rows,
    make_run,
    results_in,
    state_of,
    timeless,
    trained,
    weights_of,
)
from waiting import until

from cityseg.errors import ConfigError
from cityseg.runs.checkpoints import load_weights
from cityseg.runs.folder import RunDir
from cityseg.training import ranks
from cityseg.training.ranks import ALONE, Ranks
from cityseg.training.state import assemble
from cityseg.training.validation import validate

#: 21 steps; the shares of a batch, and of the last one of validation, are unequal.
SETTINGS: dict[str, Any] = {
    "norm": "group",
    "width": 4,
    "batch_size": 3,
    "epochs": 7,
    "save_every": 1,
    "flip": True,
    "jitter": 0.3,
    "scale_max": 1.4,
}


@pytest.fixture(scope="module")
def of_two(data: Path) -> RunDir:
    run = make_run(data, **SETTINGS)
    train_in_ranks(run.path)
    return run


@pytest.fixture(scope="module")
def of_one(data: Path) -> RunDir:
    return trained(data, **SETTINGS)


def summary(run: RunDir) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run.summary_file.read_bytes())
    return found


def test_losses_of_training_are_those_of_one_process(of_one: RunDir, of_two: RunDir) -> None:
    one, two = of_one.metrics(), of_two.metrics()
    assert [row["step"] for row in one] == [row["step"] for row in two]
    assert two[-1]["step"] == 21
    names = ("loss", "train_loss", "val_loss")
    pairs = [
        (x[name], y[name]) for x, y in zip(one, two, strict=True) for name in names if name in x
    ]
    assert len(pairs) == 7 * 3
    assert np.abs(np.subtract(*np.transpose(pairs))).max() < 1e-4


def test_scores_are_exactly_those_of_the_same_weights_in_one_process(of_two: RunDir) -> None:
    parts = assemble(make_run(of_two.config().data, **SETTINGS), None)
    for row in epoch_rows(of_two):
        weights = load_weights(of_two.of_epoch(row["epoch"])).weights
        parts.model.load_state_dict(weights)
        validation = validate(parts, lambda: False)
        assert validation
        assert validation.scores.mean_iou == row["mean_iou"]
        assert validation.scores.pixel_accuracy == row["pixel_accuracy"]
        assert validation.loss == pytest.approx(row["val_loss"], abs=1e-6)


def test_the_folder_is_that_of_one_process(of_one: RunDir, of_two: RunDir) -> None:
    one, two = results_in(of_one.path), results_in(of_two.path)
    # A training within a test has neither a log nor a job, and writes no summary.
    assert one.keys() == {name for name in two if not name.startswith(("run.log", "job/", "sum"))}
    pictures = [name for name in one if name.startswith("panels/") and "epoch" not in name]
    assert pictures
    assert [one[name] for name in pictures] == [two[name] for name in pictures]
    assert summary(of_two)["status"] == "done"


def test_a_stop_of_one_rank_stops_all_and_the_resumed_run_is_exact(
    data: Path, of_two: RunDir
) -> None:
    run = make_run(data, **SETTINGS)
    with start_ranks([TRAIN, each_step("n > 4")], run.path) as processes:
        assert wait_for_all(processes) == [0, 0]
    assert summary(run)["status"] == "stopped"
    assert 0 < run.metrics()[-1]["step"] < 21
    train_in_ranks(run.path)
    assert summary(run)["status"] == "done"
    assert timeless(run.metrics()) == timeless(of_two.metrics())
    assert weights_of(run.best) == weights_of(of_two.best)
    assert state_of(run) == state_of(of_two)


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("n > 4 and os.kill(os.getpid(), signal.SIGKILL)", "rank_lost"),
        ("n > 4 and fail()", "out_of_memory"),
    ],
    ids=["killed", "failed"],
)
def test_the_end_of_one_rank_ends_the_run_with_a_reason(
    data: Path, action: str, reason: str
) -> None:
    run = make_run(data, **SETTINGS)
    with start_ranks([TRAIN, each_step(action)], run.path) as processes:
        assert processes[0].wait() == 1
    assert summary(run)["status"] == "failed"
    assert summary(run)["reason"] == reason
    assert summary(run)["detail"]


def test_a_group_that_torchrun_starts_again_continues_from_the_last_state(
    data: Path, of_two: RunDir
) -> None:
    run, store = make_run(data, **SETTINGS), new_store()
    killed = each_step("n > 12 and os.kill(os.getpid(), signal.SIGKILL)")
    with start_ranks([TRAIN, killed], run.path, store=store) as processes:
        assert processes[0].wait() == 1
    assert run.last.exists()
    attempt = {"TORCHELASTIC_RESTART_COUNT": "1"}
    with start_ranks([TRAIN, TRAIN], run.path, store=store, **attempt) as processes:
        assert wait_for_all(processes) == [0, 0]
    assert summary(run)["status"] == "done"
    assert weights_of(run.best) == weights_of(of_two.best)


def test_the_keys_of_an_attempt_are_not_those_of_the_one_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = new_store()  # which is alive for as long as it has a name
    for name, value in (group_variables(store, 1) | {"RANK": "0"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "0")
    ranks._store_of_attempt().set("address", "of rank 0")
    assert ranks._store_of_attempt().check(["address"])
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert not ranks._store_of_attempt().check(["address"])


def test_a_request_in_the_folder_stops_ranks_that_have_a_launcher(data: Path) -> None:
    run = make_run(data, **{**SETTINGS, "epochs": 10_000})
    run.begin_attempt()
    with start_ranks([TRAIN, TRAIN], run.path, CITYSEG_LAUNCHER="1") as processes:
        until(lambda: list(run.metrics()))  # a stop before the first step leaves no state
        run.stop_file.touch()
        assert wait_for_all(processes) == [0, 0]
    assert summary(run)["status"] == "stopped"
    assert run.last.exists()


def test_fewer_frames_in_a_batch_than_ranks_are_refused(data: Path) -> None:
    run = make_run(data, **{**SETTINGS, "batch_size": 1})
    with start_ranks([TRAIN, TRAIN], run.path) as processes:
        assert wait_for_all(processes) == [1, 1]
    assert "batch_size is 1, but 2 processes train together" in summary(run)["detail"]


# Frame stores

#: Assembles the parts of a run on a machine of two ranks, and logs which rank builds which store.
_ASSEMBLE = """
import errno, fcntl, os, sys
from pathlib import Path
from cityseg.data.store import store
from cityseg.runs.folder import RunDir
from cityseg.training import state
from cityseg.training.ranks import joined

run, log, *machines = map(Path, sys.argv[1:])
machine, local = divmod(int(os.environ["RANK"]), 2)
os.environ["LOCAL_RANK"] = str(local)
build = store._build

def logged(stores, pairs, *others):
    with log.open("a") as file:
        file.write(f"{os.environ['RANK']} {pairs[0].frame.split('/')[0]}\\n")
    return build(stores, pairs, *others)

def refuse(*arguments):
    raise OSError(errno.ENOLCK, "No locks available")

store._build = logged
if len(machines) > 1:  # each has a disk of its own, and locks keep nobody out
    state.stores_of = lambda *arguments: machines[machine]
    fcntl.flock = refuse
with joined() as ranks:
    parts = state.assemble(RunDir(run), None, ranks)
    assert len(parts.train.store) == 10
"""


@pytest.mark.parametrize("is_shared", [False, True], ids=["own disks", "shared"])
def test_a_store_is_built_once_on_each_machine(data: Path, tmp_path: Path, is_shared: bool) -> None:
    run = make_run(data, **{**SETTINGS, "batch_size": 4, "store": tmp_path / "stores"})
    machines = () if is_shared else (tmp_path / "0", tmp_path / "1")
    with start_ranks([_ASSEMBLE] * 4, run.path, tmp_path / "log", *machines) as processes:
        statuses = wait_for_all(processes)
        assert statuses == [0] * 4, [process.errors.read_text() for process in processes]
    built = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    if is_shared:
        assert sorted(split for _, split in built) == ["train", "val"]
    else:
        assert sorted(built) == [[rank, split] for rank in "02" for split in ("train", "val")]


# What ranks exchange


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("facts") / "facts.pt"
    code = "import pathlib, sys, rank_facts; rank_facts.write(pathlib.Path(sys.argv[1]))"
    with start_ranks([code, code], path) as processes:
        assert wait_for_all(processes) == [0, 0], processes[0].errors.read_text()
    found: dict[str, Any] = torch.load(path)
    return found


@pytest.mark.parametrize("frames", FRAMES)
@pytest.mark.parametrize("name", LOSSES)
def test_loss_and_gradient_are_those_of_the_whole_batch(
    facts: dict[str, Any], name: str, frames: int
) -> None:
    value, gradient = loss_and_gradient(name, frames)
    for rank, (found, part) in enumerate(facts[f"{name} of {frames}"]):
        assert found == pytest.approx(value, rel=1e-6, abs=1e-6)
        torch.testing.assert_close(part, gradient[rank::2], rtol=1e-5, atol=1e-7)


def test_a_flag_or_an_error_of_one_rank_reaches_all(facts: dict[str, Any]) -> None:
    assert facts["any"] == (True, False)
    assert facts["agreed"] == [True, True]


def test_each_rank_has_a_seed_of_its_own(facts: dict[str, Any]) -> None:
    assert len(set(facts["seeds"])) == 2


def test_shares_of_a_batch_are_disjoint_and_complete() -> None:
    batch = np.arange(100, 107)
    shares = [Ranks(number, 3).share(batch) for number in range(3)]
    assert [len(share) for share in shares] == [3, 2, 2]
    assert sorted(np.concatenate(shares)) == batch.tolist()
    for number, share in enumerate(shares):
        assert np.arange(1000)[Ranks(number, 3).positions(100, 7)].tolist() == share.tolist()


def test_alone_everything_stays_as_it_was() -> None:
    tensor = torch.arange(3.0)
    assert ALONE.total(tensor) is ALONE.gathered(tensor, 9, 0) is ALONE.share(tensor) is tensor
    assert ALONE.any(True, False) == (True, False)
    assert ALONE.collected([1]) == [1]
    assert ALONE.largest(5) == 5
    state = torch.random.get_rng_state()
    ALONE.seed(1, 2)
    assert torch.equal(torch.random.get_rng_state(), state)
    model = torch.nn.Linear(1, 1)
    assert ALONE.connected(model, parts_rest=True) is ALONE.normalised_together(model) is model
    with pytest.raises(ConfigError), ALONE.agreeing(ConfigError):
        raise ConfigError("of this one")

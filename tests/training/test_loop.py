"""The loop, in this process, on a city so small that a run takes a fraction of a second.

Also tests: training/rows, training/state.
"""

import itertools
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from reviews import flag, frame_named
from tiny_runs import (
    HEIGHT,
    WIDTH,
    content_of,
    epoch_rows,
    make_city,
    make_run,
    state_of,
    timeless,
    trained,
    weights_of,
)
from torch import Tensor, nn

from cityseg.config import TrainConfig
from cityseg.data.dataset import find_frames
from cityseg.data.mask_files import decode_mask, encode_mask
from cityseg.data.store.store import open_store
from cityseg.errors import CheckpointError, ConfigError, ReviewError, TrainingError
from cityseg.geometry import Geometry
from cityseg.metrics.scores import scores_from_train_confusion
from cityseg.models import build_model, model_of
from cityseg.runs import started_config
from cityseg.runs.checkpoints import load_state, load_weights, save_weights
from cityseg.runs.folder import RunDir
from cityseg.runs.panels import Panel
from cityseg.runs.seen import read_seen
from cityseg.training import loop as training
from cityseg.training import state as training_parts
from cityseg.training.loop import train
from cityseg.training.optimizers import learning_rate
from cityseg.training.validation import Validation

#: All that draws random numbers, remembers steps or depends on the length of a run.
EVERYTHING = {
    "flip": True,
    "scale_min": 0.7,
    "scale_max": 1.5,
    "crop": (32, 48),
    "jitter": 0.4,
    "blur": 1.0,
    "noise": 0.1,
    "schedule": "cosine",
    "warmup_steps": 3,
    "optimizer": "adam",
}


@pytest.fixture(scope="module")
def whole(data: Path) -> RunDir:
    """A run of two epochs that nothing interrupted, with a dropout layer."""
    with pytest.MonkeyPatch.context() as patches:
        add_dropout(patches)
        return trained(data, **EVERYTHING)


def add_dropout(patches: pytest.MonkeyPatch) -> None:
    """Our U-Net draws no random numbers in training; other architectures do."""

    def with_dropout(config: TrainConfig, **settings: Any) -> nn.Module:
        return nn.Sequential(model_of(config, **settings), nn.Dropout2d(0.1))

    patches.setattr(training_parts, "model_of", with_dropout)


def assert_same_end(run: RunDir, whole: RunDir) -> None:
    assert timeless(epoch_rows(run)) == timeless(epoch_rows(whole))
    assert weights_of(run.best) == weights_of(whole.best)
    assert state_of(run) == state_of(whole)


@pytest.fixture(scope="module")
def data(data: Path) -> Path:
    """The city with its frame stores, the building of which would ask `should_stop`, too."""
    train(make_run(data, epochs=1))
    return data


def after(calls: int) -> Callable[[], bool]:
    """A `should_stop` that says so when asked for the `calls`th time."""
    counter = itertools.count(1)
    return lambda: next(counter) >= calls


# Resuming


@pytest.mark.parametrize(
    ("asked", "moment"),
    [
        (1, "after the first step"),
        (3, "in the first epoch"),
        (5, "after its last step"),
        (6, "before its first validation batch"),
        (8, "before its last validation batch"),
        (9, "after the first step of the second epoch"),
        (14, "in its validation"),
    ],
)
def test_a_run_stopped_at_any_moment_ends_as_one_that_was_not(
    data: Path, whole: RunDir, monkeypatch: pytest.MonkeyPatch, asked: int, moment: str
) -> None:
    add_dropout(monkeypatch)
    run = make_run(data, **EVERYTHING)
    torch.manual_seed(asked)
    assert train(run, should_stop=after(asked))["status"] == "stopped", moment
    torch.rand(asked)
    assert train(run)["status"] == "done"
    assert_same_end(run, whole)


def test_a_run_stopped_again_and_again_ends_as_one_that_was_not(
    data: Path, whole: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_dropout(monkeypatch)
    run, starts = make_run(data, **EVERYTHING), 0
    while train(run, should_stop=after(4))["status"] == "stopped":  # three batches validate
        starts += 1
    assert starts == 4
    assert_same_end(run, whole)


class CrashError(BaseException):
    """Ends training as a kill does, but leaves the test alive."""


@pytest.mark.parametrize(
    ("module", "name", "calls"),
    [
        (training, "epoch_row", 1),
        (training, "save_weights", 1),
        (training, "save", 1),
        (training, "epoch_row", 2),
        (training, "save_weights", 2),
        (training, "save", 2),
    ],
)
def test_a_run_killed_between_its_writes_ends_as_one_that_was_not(
    data: Path,
    whole: RunDir,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    name: str,
    calls: int,
) -> None:
    add_dropout(monkeypatch)
    run = make_run(data, **EVERYTHING)
    stop, function = after(calls), getattr(module, name)

    def crash_or_go_on(*arguments: Any) -> Any:
        if stop():
            raise CrashError
        return function(*arguments)

    with monkeypatch.context() as patches:
        patches.setattr(module, name, crash_or_go_on)
        with pytest.raises(CrashError):
            train(run)
    train(run)
    assert_same_end(run, whole)
    assert timeless(run.metrics()) == timeless(whole.metrics())


def test_a_damaged_last_state_costs_time_only(
    data: Path, whole: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_dropout(monkeypatch)
    run = trained(data, **EVERYTHING)
    content = bytearray(run.last.read_bytes())
    content[len(content) // 2] ^= 1
    run.last.write_bytes(content)
    train(run)
    assert_same_end(run, whole)
    assert timeless(run.metrics()) == timeless(whole.metrics())


def test_a_finished_run_that_is_resumed_trains_and_writes_nothing(data: Path) -> None:
    run = trained(data, patience=2, save_every=1)
    before = content_of(run.path)
    stamps = {path: path.stat().st_mtime_ns for path in run.checkpoints.iterdir()}
    summary = train(run)
    assert (summary["status"], summary["epochs"]) == ("done", 2)
    assert content_of(run.path) == before
    assert {path: path.stat().st_mtime_ns for path in run.checkpoints.iterdir()} == stamps


def test_a_resumed_run_asks_for_no_encoder_weights(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def build(config: TrainConfig, *, weights: str) -> nn.Module:
        asked.append(weights)
        return build_model("unet", width=config.width)

    monkeypatch.setattr(training_parts, "model_of", build)
    run = make_run(data, model="unet:resnet18", weights="imagenet", epochs=1)
    train(run, should_stop=after(1))
    train(run)
    assert asked == ["imagenet", "none"]


def test_a_run_stopped_while_its_encoder_is_frozen_ends_as_one_that_was_not(data: Path) -> None:
    settings = {
        "model": "fpn:tu-mobilenetv3_small_050",
        "decoder_width": 32,
        "freeze_steps": 3,
        "encoder_rate": 0.3,
        "ema": 0.9,
        "epochs": 1,
        **{name: EVERYTHING[name] for name in ("optimizer", "schedule")},
    }
    run, whole = make_run(data, **settings), trained(data, **settings)
    for steps in (2, 1):  # within the frozen steps, and at their end
        assert train(run, should_stop=after(steps))["status"] == "stopped"
    train(run)
    assert_same_end(run, whole)


def test_settings_changed_under_a_run_are_a_checkpoint_error(data: Path) -> None:
    run = trained(data, epochs=1)
    text = run.config_file.read_text()
    run.config_file.write_text(text.replace('"width": 2', '"width": 4'))
    with pytest.raises(CheckpointError, match=r"does not fit .*config\.json: undo what was"):
        train(run)


def test_a_state_that_does_not_fit_costs_no_metric_row(data: Path) -> None:
    run, other = trained(data, epochs=2), trained(data, epochs=1, width=3)
    rows = run.metrics_file.read_bytes()
    shutil.copy(other.last, run.last)
    with pytest.raises(CheckpointError, match="does not fit"):
        train(run)
    assert run.metrics_file.read_bytes() == rows


def test_rows_that_a_state_of_another_run_would_cut_are_kept(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run, other = trained(data, epochs=2), trained(data, epochs=1, seed=1)
    rows = run.metrics_file.read_bytes()
    shutil.copy(other.last, run.last)
    train(run)
    assert "or the training state is that of another run" in caplog.text
    assert run.metrics_file.with_name("metrics-found.jsonl").read_bytes() == rows
    assert all(json.loads(line) for line in run.metrics_file.read_bytes().splitlines())


def test_rows_that_were_lost_leave_a_run_that_can_be_resumed(data: Path) -> None:
    run = make_run(data)
    train(run, should_stop=after(9))
    run.metrics_file.unlink()
    train(run)
    assert [row["epoch"] for row in epoch_rows(run)] == [2]


# Stopping


def test_a_stop_in_validation_keeps_the_steps_of_the_epoch(data: Path) -> None:
    run = make_run(data)
    train(run, should_stop=after(5 + 2))
    state = load_state(run)
    assert state
    assert (state["position"]["epoch"], state["position"]["step"]) == (1, 5)


def test_a_stop_while_frames_are_decoded_is_heard(tmp_path: Path) -> None:
    run = make_run(make_city(tmp_path / "data"))
    seen: list[int] = []
    summary = train(run, should_stop=after(3), on_store=lambda done, total: seen.append(done))
    assert (summary["status"], summary["steps"], seen) == ("stopped", 0, [1, 2, 3])
    assert load_state(run) is None
    assert train(run)["status"] == "done"


def test_the_summary_of_a_stopped_run_has_how_far_it_came(data: Path) -> None:
    summary = train(make_run(data), should_stop=after(5 + 3 + 2))
    assert (summary["epochs"], summary["steps"], summary["best_epoch"]) == (1, 7, 1)


# Batches and steps


@pytest.mark.parametrize(
    ("batch_size", "steps"),
    [(1, 10), (2, 5), (3, 3), (4, 3), (5, 2), (9, 1), (10, 1), (16, 1)],
)
def test_a_last_batch_of_one_frame_is_left_out(data: Path, batch_size: int, steps: int) -> None:
    rows = trained(data, batch_size=batch_size).metrics()
    assert {row["steps"] for row in rows if row["kind"] == "train"} == {steps}
    assert [row["step"] for row in rows if row["kind"] == "epoch"] == [steps, 2 * steps]


def test_a_city_of_one_frame_can_be_trained_on(tmp_path: Path) -> None:
    run = trained(make_city(tmp_path / "data", train=1, val=1), epochs=1)
    assert [row["step"] for row in epoch_rows(run)] == [1]


def test_the_training_loss_of_an_epoch_is_the_mean_over_its_frames(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses, step = [], training.take_step

    def remember(parts: Any, inputs: Tensor, truth: Tensor) -> Tensor:
        loss = step(parts, inputs, truth)
        losses.extend([float(loss)] * len(inputs))
        return loss

    monkeypatch.setattr(training, "take_step", remember)
    run = trained(data, batch_size=4, epochs=1)
    assert len(losses) == 10
    assert epoch_rows(run)[0]["train_loss"] == pytest.approx(sum(losses) / 10)


def test_training_rows_come_every_few_steps_and_cover_all_of_them(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "LOG_EVERY", 2)
    rows = trained(data, epochs=1).metrics()
    assert [row["step"] for row in rows if row["kind"] == "train"] == [2, 4, 5]
    losses = [row["loss"] for row in rows if row["kind"] == "train"]
    assert rows[-1]["train_loss"] == pytest.approx(np.average(losses, weights=[2, 2, 1]))


def test_equal_seeds_train_equal_weights(data: Path) -> None:
    first, second, other = (trained(data, epochs=1, seed=seed) for seed in (3, 3, 4))
    assert weights_of(first.best) == weights_of(second.best)
    assert weights_of(first.best) != weights_of(other.best)


# Optimizers, precision, compilation


def test_rows_have_the_learning_rate_of_their_last_step(data: Path) -> None:
    run = trained(data, schedule="poly", warmup_steps=2)
    rates = [learning_rate(run.config(), step, 10) for step in range(10)]
    assert [row["learning_rate"] for row in epoch_rows(run)] == [rates[4], rates[9]]


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_every_optimizer_trains(data: Path, optimizer: str) -> None:
    first, last = epoch_rows(trained(data, optimizer=optimizer, learning_rate=0.02))
    assert last["train_loss"] < first["train_loss"]


def test_clipping_bounds_the_steps(data: Path) -> None:
    def largest_change(clip_norm: float) -> float:
        run = make_run(data, optimizer="sgd", learning_rate=1.0, clip_norm=clip_norm, epochs=1)
        torch.manual_seed(0)
        before = build_model("unet", width=2).state_dict()
        train(run)
        after = load_weights(run.best).weights
        return max(
            float((after[name] - w).abs().max()) for name, w in before.items() if "weight" in name
        )

    # Five steps of at most 0.001, each with the momentum of those before: under 10 times as far.
    assert largest_change(0.001) < 5 * 10 * 0.001 < largest_change(0)


def test_bfloat16_training_runs_on_the_cpu_and_is_not_float32(data: Path) -> None:
    half, full = (epoch_rows(trained(data, epochs=1, amp=amp))[0] for amp in ("bf16", "off"))
    assert half["train_loss"] == pytest.approx(full["train_loss"], rel=0.1)
    assert half["train_loss"] != full["train_loss"]


def test_a_compiled_model_keeps_the_names_of_its_weights(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compiling itself takes 40 s on two cores, so it is left out here."""
    compiled = []
    monkeypatch.setattr(nn.Module, "compile", lambda self: compiled.append(self))
    plain, run = trained(data, epochs=1), trained(data, epochs=1, compile=True)
    assert len(compiled) == 1
    assert weights_of(run.best) == weights_of(plain.best)


def test_training_learns_a_city_whose_colours_give_its_labels_away(data: Path) -> None:
    run = trained(data, width=8, epochs=5, learning_rate=0.02, schedule="cosine", flip=True)
    frames = find_frames(data, ["val"])
    store = open_store(
        frames, data / "masks", run.path.parent / ".store", Geometry((HEIGHT, WIDTH))
    )
    pixels = store.class_pixels[:19]
    majority = pixels.max() / pixels.sum() / (pixels > 0).sum()  # mean IoU of a single answer
    assert epoch_rows(run)[-1]["mean_iou"] > majority + 0.3
    assert epoch_rows(run)[-1]["pixel_accuracy"] > 0.9


# What is kept


def scripted(patches: pytest.MonkeyPatch, *mean_ious: float) -> None:
    """Let validation find these mean IoUs, epoch by epoch."""
    found = iter(mean_ious)

    def validation(parts: Any, should_stop: Any) -> Validation:
        hits = round(200 * next(found))
        confusion = np.zeros((19, 19), np.int64)
        confusion[0, :2] = hits, 100 - hits  # the IoUs of two classes are hits / 100 and 0
        blank = Panel("a", np.zeros((2, 2, 3), np.uint8), *np.zeros((2, 2, 2), np.uint8))
        return Validation(scores_from_train_confusion(confusion), 1.0, [blank])

    patches.setattr(training, "validate", validation)


def kept_epochs(run: RunDir) -> list[str]:
    return sorted(path.name for path in run.checkpoints.glob("epoch-*"))


@pytest.mark.parametrize(("every", "kept"), [(0, []), (1, [1, 2, 3, 4, 5]), (2, [2, 4]), (9, [])])
def test_the_weights_of_every_nth_epoch_are_kept(
    data: Path, monkeypatch: pytest.MonkeyPatch, every: int, kept: list[int]
) -> None:
    scripted(monkeypatch, 0.1, 0.1, 0.1, 0.1, 0.1)
    run = trained(data, epochs=5, batch_size=10, save_every=every)
    assert kept_epochs(run) == [f"epoch-{epoch:03d}.safetensors" for epoch in kept]


def test_best_is_the_first_epoch_of_the_highest_mean_iou(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, 0.1, 0.3, 0.2, 0.3)
    run = make_run(data, epochs=4, batch_size=10, save_every=1)
    summary = train(run)
    assert weights_of(run.best) == weights_of(run.of_epoch(2))
    assert weights_of(run.best) != weights_of(run.of_epoch(4))
    assert (load_weights(run.best).epoch, load_weights(run.best).scores["mean_iou"]) == (2, 0.3)
    assert (summary["best_epoch"], summary["mean_iou"], summary["epochs"]) == (2, 0.3, 4)


@pytest.mark.parametrize(("patience", "epochs"), [(1, 3), (2, 6), (3, 7), (0, 7)])
def test_patience_ends_a_run_that_no_longer_improves(
    data: Path, monkeypatch: pytest.MonkeyPatch, patience: int, epochs: int
) -> None:
    scripted(monkeypatch, 0.1, 0.2, 0.1, 0.3, 0.2, 0.3, 0.25)
    run = make_run(data, epochs=7, batch_size=10, patience=patience)
    summary = train(run)
    assert (summary["status"], summary["epochs"]) == ("done", epochs)
    assert train(run) == summary


def test_the_summary_has_the_scores_of_the_best_epoch(data: Path) -> None:
    run = make_run(data, epochs=3)
    summary = train(run)
    best = max(epoch_rows(run), key=lambda row: row["mean_iou"])
    assert summary["best_epoch"] == best["epoch"]
    for name in ("mean_iou", "pixel_accuracy", "val_loss"):
        assert summary[name] == best[name]


def test_rows_are_shown_as_they_are_written(data: Path) -> None:
    run, shown = make_run(data), []
    train(run, on_row=shown.append)
    assert shown == run.metrics()


def test_training_leaves_the_dataset_as_it_was(tmp_path: Path) -> None:
    data = make_city(tmp_path / "data")
    before = content_of(data)
    trained(data, epochs=1)
    assert content_of(data) == before


# What ends a run early


def break_loss(patches: pytest.MonkeyPatch, failure: Any, calls: int) -> None:
    """Call `failure` on the loss from the `calls`th step on."""
    build, stop = training_parts.build_loss, after(calls)

    def build_broken(*settings: Any) -> Any:
        loss = build(*settings)
        return lambda logits, truth: failure(loss(logits, truth)) if stop() else loss(logits, truth)

    patches.setattr(training_parts, "build_loss", build_broken)


def test_steps_too_large_end_as_nan_loss(data: Path) -> None:
    run = make_run(data, optimizer="sgd", learning_rate=10, weight_decay=1, epochs=50)
    with pytest.raises(TrainingError) as caught:
        train(run)
    assert caught.value.reason == "nan_loss"
    assert "smaller learning rate" in caught.value.hint


@pytest.mark.parametrize("factor", [math.nan, math.inf])
def test_a_loss_that_is_no_number_leaves_the_last_good_state(
    data: Path, monkeypatch: pytest.MonkeyPatch, factor: float
) -> None:
    run = make_run(data, epochs=3)
    train(run, should_stop=after(5 + 3 + 1))
    before = content_of(run.checkpoints)
    with monkeypatch.context() as patches:
        break_loss(patches, lambda loss: loss * factor, calls=3)
        with pytest.raises(TrainingError, match="no longer a number in epoch 2"):
            train(run)
    assert content_of(run.checkpoints) == before
    train(run)
    assert_same_end(run, trained(data, epochs=3))


def test_weights_that_are_no_numbers_are_not_saved(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, step = make_run(data), training.take_step
    train(run, should_stop=after(2))
    before = content_of(run.checkpoints)

    def break_statistics(parts: Any, inputs: Tensor, truth: Tensor) -> Tensor:
        loss = step(parts, inputs, truth)
        next(parts.model.buffers()).fill_(math.inf)
        return loss

    monkeypatch.setattr(training, "take_step", break_statistics)
    with pytest.raises(TrainingError, match="no longer a number"):
        train(run, should_stop=after(1))
    assert content_of(run.checkpoints) == before


def test_a_validation_loss_that_is_no_number_ends_the_run(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(data)
    break_loss(monkeypatch, lambda loss: loss * math.nan, calls=6)
    with pytest.raises(TrainingError, match="no longer a number in epoch 1, step 5"):
        train(run)
    assert epoch_rows(run) == []


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_too_little_memory_ends_as_out_of_memory(
    data: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(loss: Tensor) -> Tensor:
        raise error

    break_loss(monkeypatch, fail, calls=2)
    with pytest.raises(TrainingError) as caught:
        train(make_run(data))
    assert caught.value.reason == "out_of_memory"
    assert "smaller batch_size" in caught.value.hint


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_split_without_frames_is_a_config_error(tmp_path: Path, split: str) -> None:
    counts = {"train": 2, "val": 2} | {split: 0}
    run = make_run(make_city(tmp_path / "data", **counts))
    with pytest.raises(
        ConfigError, match=f"has no {split} frames: training needs frames in train and in val"
    ):
        train(run)


@pytest.mark.parametrize("split", ["train", "val"])
def test_masks_without_a_pixel_of_a_class_are_a_config_error(tmp_path: Path, split: str) -> None:
    data = make_city(tmp_path / "data", train=2, val=2)
    for path in (data / "masks" / split).rglob("*_mask.png"):
        mask = decode_mask(path.read_bytes(), path)
        path.write_bytes(encode_mask(np.full_like(mask, 255), "stamp"))
    with pytest.raises(ConfigError, match=f"^No mask of {split} in .* has a pixel of a class"):
        train(make_run(data))


# Excluded frames


def test_excluded_frames_are_neither_trained_on_nor_validated_also_after_a_resume(
    data: Path, tmp_path: Path
) -> None:
    names = tmp_path / "names.txt"
    names.write_text("train/tiny/tiny_000000_000003  # blurred\nval/tiny/tiny_000000_000000\n")
    run = make_run(data, exclude=names, epochs=1)
    names.unlink()
    train(run, should_stop=lambda: bool(run.metrics()))
    parts = training_parts.assemble(run, None)
    assert parts.train_frames == 9
    assert parts.val_names == [f"val/tiny/tiny_000000_00000{n}" for n in (1, 2, 3, 4)]
    stores = [path.name for path in (run.path.parent / ".store").glob("train-32x64-*")]
    train(run)
    assert epoch_rows(run)
    assert [p.name for p in (run.path.parent / ".store").glob("train-32x64-*")] == stores


def test_a_run_without_a_frame_left_is_refused(data: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("".join(f"val/tiny/tiny_000000_00000{n}\n" for n in range(5)))
    with pytest.raises(ConfigError, match="leaves no val frame: remove names from it"):
        train(make_run(data, exclude=names))


def test_an_unknown_name_is_refused_before_there_is_a_run(data: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("tiny_000000_00003\n")
    before = content_of(data.parent / "runs")
    with pytest.raises(ConfigError, match=r"tiny_000000_00003 \(the nearest is tiny_000000_0000"):
        make_run(data, exclude=names)
    assert content_of(data.parent / "runs") == before


# Reviewed regions


def test_a_run_ignores_the_regions_of_its_own_copy_of_the_review_in_training_only(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="cityseg")
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[:4] = True
    names = ["train/tiny/tiny_000000_000003", "val/tiny/tiny_000000_000000"]
    for name in names:
        flag(tmp_path / "ledger.jsonl", frame_named(data, name), mask)
    run = make_run(data, review=tmp_path / "ledger.jsonl", epochs=1)
    (tmp_path / "ledger.jsonl").unlink()
    train(run, should_stop=lambda: bool(run.metrics()))
    parts = training_parts.assemble(run, None)
    train_masks, val_masks = parts.train.store.masks, parts.val.store.masks
    assert (train_masks[3, :4] == 255).all()
    assert not (train_masks[[0, 1, 2, 4], :4] == 255).any()
    assert not (val_masks[:, :4] == 255).any()
    assert "1 regions of 1 frames are ignored" in caplog.text
    seen = read_seen(run)
    plain = trained(data, epochs=1)
    assert seen
    differing = {
        name for name, each in read_seen(plain).frames.items() if seen.frames[name] != each
    }
    assert differing == {names[0]}


def test_a_missing_ledger_is_refused_before_there_is_a_run(data: Path, tmp_path: Path) -> None:
    before = content_of(data.parent / "runs")
    with pytest.raises(ReviewError, match="There is no review ledger"):
        make_run(data, review=tmp_path / "ledger.jsonl")
    assert content_of(data.parent / "runs") == before


# A start from another network


@pytest.fixture(scope="module")
def source(data: Path) -> RunDir:
    """A trained network to start from."""
    return trained(data, epochs=1)


def test_a_run_starts_from_the_weights_of_another(
    data: Path, source: RunDir, caplog: pytest.LogCaptureFixture
) -> None:
    config = started_config({"start_from": source.path, "data": data, "device": "cpu"})
    assert config.width == source.config().width
    run = make_run(data, start_from=source.path, seed=5)
    with caplog.at_level("INFO"):
        parts = training_parts.assemble(run, None)
    kept = load_weights(source.best).weights
    assert all(torch.equal(parts.model.state_dict()[name], kept[name]) for name in kept)
    assert parts.position.epoch == 1
    assert f"Started from {source.best}" in caplog.text
    assert "at random" not in caplog.text


def test_what_does_not_fit_is_listed(
    data: Path, source: RunDir, caplog: pytest.LogCaptureFixture
) -> None:
    run = make_run(data, start_from=source.path, width=3)
    parts = training_parts.assemble(run, None)
    assert "tensors start at random: down.0" in caplog.text
    bias = parts.model.state_dict()["head.bias"]
    assert torch.equal(bias, load_weights(source.best).weights["head.bias"])


def test_a_head_of_other_classes_starts_at_random(
    data: Path,
    source: RunDir,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    known = load_weights(source.best)
    with monkeypatch.context() as patch:
        patch.setattr("cityseg.runs.checkpoints.CLASS_NAMES", tuple(map(str, range(19))))
        save_weights(tmp_path / "other.safetensors", known.build(), known.config, 1, {})
    with pytest.raises(CheckpointError, match="is a network of 19 classes, and not of the 19 of"):
        load_weights(tmp_path / "other.safetensors")
    run = make_run(data, start_from=tmp_path / "other.safetensors")
    state = training_parts.assemble(run, None).model.state_dict()
    assert torch.equal(state["up.0.weight"], known.weights["up.0.weight"])
    assert not torch.equal(state["head.weight"], known.weights["head.weight"])
    assert "has other classes: the last layer starts at random" in caplog.text


def test_a_resumed_run_does_not_start_again(data: Path, source: RunDir, tmp_path: Path) -> None:
    path = tmp_path / "start.safetensors"
    path.write_bytes(source.best.read_bytes())
    run = make_run(data, start_from=path)
    train(run, should_stop=lambda: bool(run.metrics()))
    path.unlink()
    state = state_of(run)
    parts = training_parts.assemble(run, None)
    assert parts.position.total_steps == state["position"]["total_steps"] > 0


def test_a_run_that_was_killed_before_its_first_checkpoint_needs_no_first_weights_again(
    data: Path, source: RunDir, tmp_path: Path
) -> None:
    path = tmp_path / "start.safetensors"
    path.write_bytes(source.best.read_bytes())
    whole = trained(data, start_from=path, epochs=1)
    run = make_run(data, start_from=path, epochs=1)
    with pytest.raises(KeyboardInterrupt):
        train(run, on_row=interrupt)
    path.unlink()
    train(run)
    assert weights_of(run.best) == weights_of(whole.best)


def interrupt(row: object) -> None:
    raise KeyboardInterrupt


def test_metric_rows_that_were_changed_are_reported_when_the_run_is_resumed(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = make_run(data)
    train(run, should_stop=lambda: len(epoch_rows(run)) == 1)
    rows = run.metrics_file.read_bytes()
    assert train(run, should_stop=lambda: True)["status"] == "stopped"
    assert "checksum" not in caplog.text
    changed = run.metrics_file.read_bytes().replace(b'"mean_iou": 0', b'"mean_iou": 1', 1)
    assert changed[: len(rows)] != rows
    run.metrics_file.write_bytes(changed)
    train(run)
    assert f"{run.metrics_file} is not as it was written (its checksum differs)" in caplog.text

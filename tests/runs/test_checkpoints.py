"""Checkpoints are whole, noticed where damaged, and never run anything."""

import copy
import hashlib
import io
import itertools
import json
import logging
import math
import os
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import forks
import pytest
import safetensors
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_runs import content_of, files_limited_to, tiny_config
from torch import Tensor, nn

from cityseg.config import make_config
from cityseg.errors import CheckpointError
from cityseg.labels import CLASS_NAMES
from cityseg.models import build_model, model_of
from cityseg.runs import checkpoints
from cityseg.runs.checkpoints import (
    load_state,
    load_weights,
    save_for_others,
    save_state,
    save_weights,
)
from cityseg.runs.folder import RunDir

SCORES = {"mean_iou": 0.5, "class_iou": {"road": 0.9, "train": None}}


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(0)
    return build_model("unet", width=2).eval()


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory, model: nn.Module) -> bytes:
    """The content of a weights file, of `model` as training has it in memory."""
    path = tmp_path_factory.mktemp("weights") / "best.safetensors"
    trained = copy.deepcopy(model).to(memory_format=torch.channels_last)
    save_weights(path, trained, tiny_config(Path("/data")), 7, SCORES)
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "best.safetensors"


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return RunDir.create(tmp_path / "runs", tiny_config(tmp_path))


def state(number: int) -> dict[str, Any]:
    return {"number": number, "weights": torch.arange(4.0) + number}


def refusal_of(path: Path) -> str:
    """The one sentence with which loading `path` is refused."""
    with pytest.raises(CheckpointError) as caught:
        load_weights(path)
    sentence = str(caught.value)
    assert str(path) in sentence
    assert "\n" not in sentence
    return sentence


# Weights: one file is enough


def test_one_file_in_an_empty_folder_gives_identical_outputs(
    path: Path, weights: bytes, model: nn.Module
) -> None:
    path.write_bytes(weights)
    images = torch.rand(2, 3, 40, 56, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        assert torch.equal(load_weights(path).build()(images), model(images))


def test_a_built_network_is_in_evaluation_mode(path: Path, weights: bytes) -> None:
    path.write_bytes(weights)
    assert not any(module.training for module in load_weights(path).build().modules())


def test_settings_epoch_and_scores_come_with_the_weights(path: Path, weights: bytes) -> None:
    path.write_bytes(weights)
    loaded = load_weights(path)
    assert (loaded.config, loaded.epoch, loaded.scores) == (tiny_config(Path("/data")), 7, SCORES)


def test_any_safetensors_reader_sees_settings_classes_and_scores(
    path: Path, weights: bytes
) -> None:
    path.write_bytes(weights)
    with safetensors.safe_open(path, "pt") as file:
        about = file.metadata()
    assert json.loads(about["config"])["width"] == 2
    assert json.loads(about["classes"]) == list(CLASS_NAMES)
    assert json.loads(about["scores"]) == SCORES


DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64, torch.int64, torch.bool)


def test_tensors_of_every_kind_come_back_as_they_were(path: Path) -> None:
    module = nn.Module()
    for dtype, shape in itertools.product(DTYPES, [(), (0, 3), (2, 3), (1, 2, 3, 4)]):
        tensor = torch.randint(0, 2, shape).to(dtype)
        module.register_buffer(f"{dtype} {shape}".replace(".", ""), tensor)
    save_weights(path, module, tiny_config(Path("/data")), 1, {})
    loaded = load_weights(path).weights
    assert loaded.keys() == module.state_dict().keys()
    for name, tensor in module.state_dict().items():
        assert loaded[name].dtype == tensor.dtype
        assert torch.equal(loaded[name], tensor)


# Weights: what is refused


@settings(max_examples=150)
@given(choice=st.data())
def test_a_changed_byte_of_weights_is_always_noticed(weights: bytes, choice: st.DataObject) -> None:
    header = 8 + int.from_bytes(weights[:8], "little")
    header -= len(weights[:header]) - len(weights[:header].rstrip())  # blanks mean nothing
    places = st.integers(0, header - 1) | st.integers(len(weights) // 2, len(weights) - 1)
    changed = bytearray(weights)
    changed[choice.draw(places)] ^= choice.draw(st.integers(1, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "best.safetensors")
        path.write_bytes(changed)
        refusal_of(path)


@settings(max_examples=50)
@given(choice=st.data())
def test_cut_weights_are_always_noticed(weights: bytes, choice: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "best.safetensors")
        path.write_bytes(weights[: choice.draw(st.integers(0, len(weights) - 1))])
        assert "damaged" in refusal_of(path)


def rewrite(path: Path, **changes: str) -> None:
    """Write the file anew with other metadata and a digest that is right."""
    with safetensors.safe_open(path, "pt") as file:
        about = file.metadata() | changes
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    del about["digest"]
    about = {name: text for name, text in about.items() if text}
    about["digest"] = checkpoints._digest(tensors, about)
    safetensors.torch.save_file(tensors, path, about)


def test_swapped_tensors_of_one_shape_are_noticed(path: Path, weights: bytes) -> None:
    path.write_bytes(weights)
    with safetensors.safe_open(path, "pt") as file:
        about = file.metadata()
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    first, second = [name for name in tensors if name.endswith("running_var")][:2]
    tensors[first], tensors[second] = tensors[second] + 1, tensors[first]
    safetensors.torch.save_file(tensors, path, about)
    assert "its digest differs" in refusal_of(path)


def test_other_settings_than_those_saved_are_noticed(path: Path, weights: bytes) -> None:
    path.write_bytes(weights.replace(b'\\"width\\":2', b'\\"width\\":4'))
    assert path.read_bytes() != weights
    assert "its digest differs" in refusal_of(path)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_refused(
    path: Path, model: nn.Module, value: float
) -> None:
    diverged = copy.deepcopy(model)
    name, parameter = next(iter(diverged.named_parameters()))
    with torch.no_grad():
        parameter.view(-1)[0] = value
    save_weights(path, diverged, tiny_config(Path("/data")), 1, {})
    assert f"has weights that are not finite, such as {name}" in refusal_of(path)


def test_weights_for_other_classes_are_refused(path: Path, weights: bytes) -> None:
    path.write_bytes(weights)
    rewrite(path, classes=json.dumps(["cat", "dog"]))
    assert "is a network of 2 classes, and not of the 19 of Cityscapes" in refusal_of(path)


def test_another_class_count_is_named_even_if_the_digest_is_wrong(
    path: Path, weights: bytes
) -> None:
    path.write_bytes(weights)
    with safetensors.safe_open(path, "pt") as file:
        about = file.metadata() | {"classes": json.dumps(["a"] * 8)}
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    safetensors.torch.save_file(tensors, path, about)
    assert "its digest differs, and it names 8 classes instead of 19" in refusal_of(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"config": '{"a_setting_of_tomorrow": 1}'},
        {"config": "[]"},
        {"classes": "{"},
        {"epoch": "seven"},
        {"scores": ""},
        {"scores": "7"},
        {"scores": "[" * 100_000},
        {"config": '{"data":' * 100_000},
    ],
)
def test_metadata_of_another_version_is_refused(
    path: Path, weights: bytes, changes: dict[str, str]
) -> None:
    path.write_bytes(weights)
    rewrite(path, **changes)
    assert "another version of cityseg" in refusal_of(path)


def test_weights_for_others_are_half_as_large_and_name_no_folder(tmp_path: Path) -> None:
    model = build_model("unet", width=8)
    folders = {name: tmp_path / name for name in ("masks", "store", "exclude")}
    config = tiny_config(tmp_path, width=8, title="Small", **folders)
    save_weights(tmp_path / "whole.safetensors", model, config, 7, SCORES)
    whole = load_weights(tmp_path / "whole.safetensors")
    save_for_others(whole, tmp_path / "half.safetensors")
    half = load_weights(tmp_path / "half.safetensors")
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("half", "whole")]
    assert sizes[0] < 0.6 * sizes[1]
    assert str(tmp_path).encode() not in (tmp_path / "half.safetensors").read_bytes()
    assert (half.epoch, half.scores, half.config.title) == (7, SCORES, "Small")
    images = torch.rand(1, 3, 32, 48)
    with torch.no_grad():
        assert torch.allclose(half.build()(images), whole.build()(images), atol=0.02)


def test_the_network_of_the_preset_street_fits_the_box(tmp_path: Path) -> None:
    config = make_config({}, "street")
    save_weights(tmp_path / "whole.safetensors", model_of(config), config, 1, {})
    whole = load_weights(tmp_path / "whole.safetensors")
    save_for_others(whole, tmp_path / "half.safetensors")
    assert (tmp_path / "half.safetensors").stat().st_size < 12e6
    half = load_weights(tmp_path / "half.safetensors").build()
    with torch.no_grad():
        assert half(torch.zeros(1, 3, 64, 128)).isfinite().all()


def test_weights_beyond_float16_are_not_halved(tmp_path: Path, model: nn.Module) -> None:
    large = copy.deepcopy(model)
    with torch.no_grad():
        next(large.parameters())[0, 0, 0, 0] = 1e5
    save_weights(tmp_path / "w.safetensors", large, tiny_config(Path("/data")), 7, SCORES)
    with pytest.raises(CheckpointError, match=r"down\.0\.0\.weight in .* beyond float16"):
        save_for_others(load_weights(tmp_path / "w.safetensors"), tmp_path / "half.safetensors")
    assert not (tmp_path / "half.safetensors").exists()


def test_weights_that_misfit_the_model_they_name_are_refused_in_one_sentence(
    path: Path, weights: bytes
) -> None:
    path.write_bytes(weights)
    rewrite(path, config=tiny_config(Path("/data"), width=3).model_dump_json())
    with pytest.raises(CheckpointError, match="do not fit the model 'unet' of width 3") as caught:
        load_weights(path).build()
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("about", [None, {"format": "pt"}])
def test_a_foreign_safetensors_file_is_refused(path: Path, about: dict[str, str] | None) -> None:
    safetensors.torch.save_file({"a": torch.zeros(3)}, path, about)
    assert "has no metadata of cityseg: it is a plain state dict, which does" in refusal_of(path)


def test_missing_weights_are_refused(path: Path) -> None:
    assert "There is no checkpoint" in refusal_of(path)


def test_a_folder_is_refused_as_weights(path: Path) -> None:
    path.mkdir()
    assert "is a folder: name a weights file, or a run's folder" in refusal_of(path)


def test_names_of_a_parallel_network_and_a_suffix_in_capitals_are_accepted(
    tmp_path: Path, path: Path, weights: bytes
) -> None:
    path.write_bytes(weights)
    expected = load_weights(path).weights
    with safetensors.safe_open(path, "pt") as file:
        about = file.metadata()
    wrapped = {f"module.{name}": tensor.clone() for name, tensor in expected.items()}
    safetensors.torch.save_file(wrapped, tmp_path / "UPPER.SAFETENSORS", about)
    assert load_weights(tmp_path / "UPPER.SAFETENSORS").weights.keys() == expected.keys()
    name = next(iter(wrapped))
    wrapped[name] = wrapped[name] + 1
    safetensors.torch.save_file(wrapped, path, about)
    assert "its digest differs" in refusal_of(path)


@pytest.mark.parametrize("name", ["last.pt", "best.ckpt", "best", "best.safetensors.bak"])
def test_another_suffix_is_refused(tmp_path: Path, weights: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(weights)
    assert "of another suffix: name a .safetensors file" in refusal_of(tmp_path / name)


@pytest.mark.parametrize("first_byte", [0x80, 0x50])
def test_a_header_of_any_length_is_no_pickle(tmp_path: Path, first_byte: int) -> None:
    """The first byte of a safetensors file is the lowest of the length of its header."""
    about = {"format": "pt", "padding": ""}
    while (content := safetensors.torch.save({"a": torch.zeros(1)}, about))[0] != first_byte:
        about["padding"] += "x"
    (tmp_path / "best.bak").write_bytes(content)
    assert "of another suffix: name a .safetensors file" in refusal_of(tmp_path / "best.bak")
    (tmp_path / "best.safetensors").write_bytes(content[:-1])
    assert "is damaged or not a safetensors" in refusal_of(tmp_path / "best.safetensors")


def test_weights_that_do_not_fit_on_the_disk_leave_those_before(
    path: Path, weights: bytes, model: nn.Module
) -> None:
    path.write_bytes(weights)
    with files_limited_to(50_000), pytest.raises(OSError, match="File too large"):
        save_weights(path, model, tiny_config(Path("/data")), 8, SCORES)
    assert content_of(path.parent) == {path.name: weights}


# Nothing is ever run


class Bomb:
    """Unpickled without care, it makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)


def as_pickle(bomb: Any) -> bytes:
    return pickle.dumps(bomb)


def as_torch_file(bomb: Any) -> bytes:
    file = io.BytesIO()
    torch.save({"model": {"w": torch.zeros(2)}, "position": bomb}, file)
    return file.getvalue()


def as_old_torch_file(bomb: Any) -> bytes:
    file = io.BytesIO()
    torch.save({"position": bomb}, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def signed(content: bytes) -> bytes:
    return b"cityseg-state-1\n" + hashlib.blake2b(content, digest_size=32).digest() + content


BOMBS = pytest.mark.parametrize("pack", [as_pickle, as_torch_file, as_old_torch_file])


@BOMBS
def test_the_bombs_of_these_tests_do_go_off(tmp_path: Path, pack: Callable[[Any], bytes]) -> None:
    content = pack(Bomb(tmp_path / "marker"))
    if pack == as_pickle:
        pickle.loads(content)  # noqa: S301 - that is the point
    else:
        torch.load(io.BytesIO(content), weights_only=False)
    assert (tmp_path / "marker").exists()


@BOMBS
@pytest.mark.parametrize("sign", [bytes, signed])
def test_a_state_with_code_in_it_is_refused_and_runs_nothing(
    run: RunDir, tmp_path: Path, pack: Callable[[Any], bytes], sign: Callable[[bytes], bytes]
) -> None:
    run.last.write_bytes(sign(pack(Bomb(tmp_path / "marker"))))
    with pytest.raises(
        CheckpointError, match=r"last.pt is (damaged|not a training state)"
    ) as caught:
        load_state(run)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "marker").exists()


@BOMBS
@pytest.mark.parametrize("name", ["best.safetensors", "last.pt", "weights.pkl"])
def test_weights_with_code_in_them_are_refused_and_run_nothing(
    tmp_path: Path, pack: Callable[[Any], bytes], name: str
) -> None:
    (tmp_path / name).write_bytes(pack(Bomb(tmp_path / "marker")))
    refusal_of(tmp_path / name)
    assert not (tmp_path / "marker").exists()


# States


def test_a_run_that_never_saved_has_no_state(run: RunDir) -> None:
    assert load_state(run) is None


def test_a_state_is_loaded_as_it_was_saved(run: RunDir) -> None:
    save_state(run, {"position": {"epoch": 3}, "model": {"w": torch.rand(3)}, "rng": None})
    torch.manual_seed(0)
    loaded = load_state(run)
    assert loaded
    assert loaded["position"] == {"epoch": 3}
    assert isinstance(loaded["model"]["w"], Tensor)


def test_the_state_before_the_last_is_kept(run: RunDir) -> None:
    for number in (1, 2, 3):
        save_state(run, state(number))
    assert sorted(os.listdir(run.checkpoints)) == ["last.pt", "previous.pt"]
    run.last.unlink()
    assert number_of(run) == 2


def number_of(run: RunDir) -> int | None:
    loaded = load_state(run)
    return loaded["number"] if loaded else None


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """A run that saved its state twice."""
    run = RunDir.create(tmp_path_factory.mktemp("saved"), tiny_config(Path("/data")))
    save_state(run, state(1))
    save_state(run, state(2))
    return run


@settings(max_examples=80)
@given(choice=st.data())
def test_a_changed_byte_of_a_state_is_noticed_and_the_one_before_used(
    saved: RunDir, choice: st.DataObject
) -> None:
    whole = saved.last.read_bytes()
    changed = bytearray(whole)
    changed[choice.draw(st.integers(0, len(whole) - 1))] ^= choice.draw(st.integers(1, 255))
    try:
        saved.last.write_bytes(changed)
        assert number_of(saved) == 1
    finally:
        saved.last.write_bytes(whole)


@settings(max_examples=50)
@given(choice=st.data())
def test_a_cut_state_is_noticed_and_the_one_before_used(
    saved: RunDir, choice: st.DataObject
) -> None:
    whole = saved.last.read_bytes()
    try:
        saved.last.write_bytes(whole[: choice.draw(st.integers(0, len(whole) - 1))])
        assert number_of(saved) == 1
    finally:
        saved.last.write_bytes(whole)


def test_a_damaged_state_is_warned_of(run: RunDir, caplog: pytest.LogCaptureFixture) -> None:
    save_state(run, state(1))
    save_state(run, state(2))
    run.last.write_bytes(b"")
    with caplog.at_level(logging.WARNING, "cityseg"):
        load_state(run)
    assert f"{run.last} is damaged (its digest differs). The state before it" in caplog.text


def test_two_damaged_states_are_an_error_that_says_what_to_do(run: RunDir) -> None:
    save_state(run, state(1))
    save_state(run, state(2))
    run.last.write_bytes(run.last.read_bytes()[:-1])
    run.previous.write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"last.pt is damaged .* remove the \.pt files"):
        load_state(run)


def test_a_state_that_cannot_be_read_counts_as_damaged(run: RunDir) -> None:
    save_state(run, state(1))
    save_state(run, state(2))
    run.last.unlink()
    run.last.mkdir()
    assert number_of(run) == 1


@pytest.mark.parametrize("other", [[1], torch.zeros(2), None])
def test_what_is_no_dictionary_is_no_state(run: RunDir, other: Any) -> None:
    file = io.BytesIO()
    torch.save(other, file)
    run.last.write_bytes(signed(file.getvalue()))
    with pytest.raises(CheckpointError, match="is not a training state"):
        load_state(run)


def test_a_state_that_does_not_fit_on_the_disk_leaves_those_before(run: RunDir) -> None:
    save_state(run, state(1))
    save_state(run, state(2))
    before = content_of(run.checkpoints)
    with files_limited_to(1000), pytest.raises(OSError, match="File too large"):
        save_state(run, state(3))
    assert content_of(run.checkpoints) == before


# A crash at any moment of a save


class CrashError(BaseException):
    """Ends a save as a kill does, but leaves the test alive."""


@pytest.fixture(scope="module")
def state_files(tmp_path_factory: pytest.TempPathFactory) -> dict[int, bytes]:
    """The content of last.pt by the number of its state."""
    contents = {}
    for number in range(1, 4):
        run = RunDir.create(tmp_path_factory.mktemp("numbered"), tiny_config(Path("/data")))
        save_state(run, state(number))
        contents[number] = run.last.read_bytes()
    return contents


@pytest.mark.parametrize(
    ("files", "newest"),
    [
        ({"next": 1}, 1),
        ({"next": 2, "last": 1}, 2),
        ({"next": 3, "last": 2, "previous": 1}, 3),
        ({"next": 3, "previous": 2}, 3),
        ({"last": 2, "previous": 1}, 2),
        ({"previous": 1}, 1),
        ({"next": None, "last": 2, "previous": 1}, 2),
        ({"next": None, "previous": 2}, 2),
        ({"next": 3, "last": None, "previous": 1}, 3),
    ],
)
def test_the_newest_whole_state_is_loaded(
    run: RunDir, state_files: dict[int, bytes], files: dict[str, int | None], newest: int
) -> None:
    for name, number in files.items():
        content = state_files[number] if number else b"damaged"
        (run.checkpoints / f"{name}.pt").write_bytes(content)
    assert number_of(run) == newest


@settings(max_examples=60)
@given(crashes=st.lists(st.sampled_from([0, 1, 2, None]), min_size=1, max_size=8))
def test_no_row_of_crashes_goes_back_behind_what_was_saved(crashes: list[int | None]) -> None:
    """Each number says at which rename, from 0, a save is killed; None is a save that ends."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patches:
        run = RunDir.create(Path(folder), tiny_config(Path("/data")))
        committed = None
        for number, crash in enumerate(crashes):
            count_down(patches, crash)
            try:
                save_state(run, state(number))
                committed = number
            except CrashError:
                if crash:  # the first rename commits
                    committed = number
            patches.undo()
            assert number_of(run) == committed


def count_down(patches: pytest.MonkeyPatch, crash: int | None) -> None:
    """Let `crash` renames pass, and raise CrashError in place of the next."""
    renames, replace = itertools.count(), Path.replace

    def replace_or_crash(source: Path, target: Path) -> Path:
        if next(renames) == crash:
            raise CrashError
        return replace(source, target)

    patches.setattr(Path, "replace", replace_or_crash)


NAMES_A_GIANT = """
import resource, sys
from pathlib import Path
from cityseg.runs.checkpoints import load_weights
from cityseg.errors import CheckpointError
resource.setrlimit(resource.RLIMIT_DATA, (3 << 30, 3 << 30))
try:
    load_weights(Path(sys.argv[1])).build()
except CheckpointError as error:
    print(error)
"""


def test_a_small_file_that_names_a_giant_is_refused_without_the_memory_for_it(
    path: Path, weights: bytes
) -> None:
    path.write_bytes(weights)
    giant = tiny_config(Path("/data"), model="dpt:tu-vit_giant_patch16_gap_224")  # 4.5 GB
    rewrite(path, config=giant.model_dump_json())
    process = forks.fork(forks.TRAINING, NAMES_A_GIANT, path)
    assert process.wait() == 0, process.errors.read_text()
    assert "do not fit the model 'dpt:tu-vit_giant" in process.output.read_text()

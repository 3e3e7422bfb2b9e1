"""What ends a run gets a reason code and a hint; real failures where they can be had."""

import errno
from pathlib import Path
from types import SimpleNamespace

import city
import numpy as np
import pytest
import torch

from cityseg.data.dataset import find_frames
from cityseg.data.masks import convert
from cityseg.data.store.store import open_store
from cityseg.errors import ConfigError, StoreError, TrainingError
from cityseg.geometry import Geometry
from cityseg.training.failures import torch_errors_explained


def explanation_of(error):
    with pytest.raises(TrainingError) as caught, torch_errors_explained():
        raise error
    assert caught.value.__cause__ is error
    return caught.value


def test_nothing_happens_without_an_error():
    with torch_errors_explained():
        pass


def cuda_error(message, code):
    """As torch raises it for an error code of CUDA."""
    error = torch.AcceleratorError(message)
    error.error_code = code
    return error


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore"),
        cuda_error("CUDA error: out of memory", code=2),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    ],
)
def test_errors_of_memory_become_out_of_memory(error):
    explained_error = explanation_of(error)
    assert explained_error.reason == "out_of_memory"
    assert "smaller batch_size" in explained_error.hint


def test_only_the_first_line_of_a_long_message_is_shown():
    assert "more" not in explanation_of(torch.OutOfMemoryError("no memory\nmore")).detail


def test_an_allocation_that_torch_cannot_make_is_out_of_memory():
    with (
        pytest.raises(TrainingError, match="1125899906842624 bytes") as caught,
        torch_errors_explained(),
    ):
        torch.empty(1 << 50, dtype=torch.uint8)
    assert caught.value.reason == "out_of_memory"


def test_an_allocation_that_numpy_cannot_make_is_out_of_memory():
    with pytest.raises(TrainingError, match="PiB") as caught, torch_errors_explained():
        np.empty(1 << 50, np.uint8)
    assert caught.value.reason == "out_of_memory"


def test_a_write_to_a_full_device_is_disk_full():
    with (
        pytest.raises(TrainingError, match="No space left on device") as caught,
        torch_errors_explained(),
    ):
        Path("/dev/full").write_bytes(b"a byte")
    assert caught.value.reason == "disk_full"
    assert "resume" in caught.value.hint


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_no_space_no_quota_and_too_large_are_disk_full(number):
    assert explanation_of(OSError(number, "no room")).reason == "disk_full"


def test_other_errors_of_files_name_the_file():
    error = OSError(errno.EROFS, "Read-only file system", "best.safetensors")
    explanation = explanation_of(error)
    assert explanation.reason == "file_error"
    assert explanation.detail == (
        "best.safetensors could not be read or written: Read-only file system"
    )


def test_batch_norm_over_a_single_value_is_batch_too_small():
    norm = torch.nn.BatchNorm2d(3)
    with (
        pytest.raises(TrainingError, match="larger batch_size") as caught,
        torch_errors_explained(),
    ):
        norm(torch.zeros(1, 3, 1, 1))
    assert caught.value.reason == "batch_too_small"


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        cuda_error("CUDA error: an illegal memory access was encountered", code=700),
        FileNotFoundError("gone"),
        ConfigError("epochs is 0"),
        TrainingError("nan_loss", "the loss is no longer a number", "choose a smaller one"),
        ValueError("out of memory of things past"),
        KeyboardInterrupt(),
    ],
)
def test_everything_else_passes_unchanged(error):
    with pytest.raises(type(error)) as caught, torch_errors_explained():
        raise error
    assert caught.value is error


def test_a_frame_store_that_finds_no_space_is_disk_full(tmp_path, monkeypatch):
    city.write_frame(tmp_path, "town_000000_000000")
    convert(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=0))
    with pytest.raises(TrainingError) as caught, torch_errors_explained():
        open_store(
            find_frames(tmp_path), tmp_path / "masks", tmp_path / "stores", Geometry((16, 32))
        )
    assert caught.value.reason == "disk_full"
    assert isinstance(caught.value.__cause__, StoreError)


def test_a_frame_store_that_is_wrong_otherwise_stays_what_it_is(tmp_path):
    city.write_frame(tmp_path, "town_000000_000000")
    with pytest.raises(StoreError, match="convert them first"), torch_errors_explained():
        open_store(
            find_frames(tmp_path), tmp_path / "masks", tmp_path / "stores", Geometry((16, 32))
        )

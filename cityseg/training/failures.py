"""Errors of torch and of the system that end a training, as TrainingError: a code and a hint."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch

from cityseg.errors import StoreError, TrainingError
from cityseg.models.registry import SINGLE_VALUE

_NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CUDA_OUT_OF_MEMORY: Final = 2  # cudaErrorMemoryAllocation
#: In messages of the CPU's allocator, and of cuBLAS and cuDNN, which raise plain RuntimeError.
_OUT_OF_MEMORY: Final = ("DefaultCPUAllocator: can't allocate memory", "STATUS_ALLOC_FAILED")


@contextmanager
def torch_errors_explained() -> Iterator[None]:
    """Raise TrainingError if memory or disk space runs out, a file fails, or a batch is too small.

    All other errors pass through.
    """
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise _out_of_memory(error) from error
    except RuntimeError as error:
        if _is_out_of_memory(error):
            raise _out_of_memory(error) from error
        raise
    except ValueError as error:
        if SINGLE_VALUE in str(error):
            raise TrainingError(
                "batch_too_small",
                "Batch norm needs more than one value in each channel",
                "choose a larger batch_size or crop",
            ) from error
        raise
    except (OSError, StoreError) as error:
        # The cause of a StoreError is the system's error that tells a full disk from others.
        cause = error.__cause__ if isinstance(error, StoreError) else error
        if isinstance(cause, OSError) and cause.errno in _NO_SPACE:
            raise TrainingError(
                "disk_full",
                f"A file could not be written: {cause.strerror}",
                "free some space and resume the run",
            ) from error
        if isinstance(error, OSError) and error.strerror:
            raise TrainingError(
                "file_error",
                f"{error.filename or 'A file'} could not be read or written: {error.strerror}",
                "check the disk and the permissions of its files, and resume the run",
            ) from error
        raise


def _is_out_of_memory(error: RuntimeError) -> bool:
    # Raised by calls of CUDA that do not pass through torch's allocator, such as a new context.
    if isinstance(error, torch.AcceleratorError):
        return getattr(error, "error_code", None) == _CUDA_OUT_OF_MEMORY
    return any(part in str(error) for part in _OUT_OF_MEMORY)


def _out_of_memory(error: BaseException) -> TrainingError:
    first_line = str(error).partition("\n")[0] or "no detail"
    return TrainingError(
        "out_of_memory",
        f"There was not enough memory ({first_line})",
        "choose a smaller batch_size, crop, size or width",
    )

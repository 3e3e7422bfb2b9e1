"""Turn what ends a training run into a reason code and a hint for a person."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch

from cityseg.errors import StoreError, TrainingError

_NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
#: The CPU allocator, older CUDA paths, cuBLAS and cuDNN have no exception type of their own.
_NO_MEMORY: Final = ("DefaultCPUAllocator", "out of memory", "STATUS_ALLOC_FAILED")


@contextmanager
def torch_errors_explained() -> Iterator[None]:
    """Raise TrainingError in place of out of memory and full disks; the rest passes through."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise _out_of_memory(error) from error
    except RuntimeError as error:
        if any(sign in str(error) for sign in _NO_MEMORY):
            raise _out_of_memory(error) from error
        raise
    except ValueError as error:
        if "more than 1 value per channel" in str(error):
            raise TrainingError(
                "batch_too_small",
                "batch norm cannot work on a single value a channel",
                "choose a larger batch_size or crop",
            ) from error
        raise
    except (OSError, StoreError) as error:
        # A store that could not be written says so itself; why, the system said before.
        cause = error.__cause__ if isinstance(error, StoreError) else error
        if isinstance(cause, OSError) and cause.errno in _NO_SPACE:
            raise TrainingError(
                "disk_full",
                f"a file could not be written: {cause.strerror}",
                "free some space and resume the run",
            ) from error
        raise


def _out_of_memory(error: BaseException) -> TrainingError:
    return TrainingError(
        "out_of_memory",
        f"the memory did not suffice ({str(error).splitlines()[0] if str(error) else 'no detail'})",
        "choose a smaller batch_size, crop, size or width",
    )

"""What a training changes in torch for the whole process, and changes back at its end."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def torch_set_up(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's generators, and let cuDNN choose the fastest algorithms, within the block.

    cuDNN times its algorithms at the first convolution of each shape: worth it, as all batches have
    the same. Afterwards generators and cuDNN are as they were before, for what else the process
    does.
    """
    is_gpu = device.type == "cuda"
    chose_before = torch.backends.cudnn.benchmark
    with torch.random.fork_rng([device] if is_gpu else []):
        torch.default_generator.manual_seed(seed)
        if is_gpu:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        torch.backends.cudnn.benchmark = True
        try:
            yield
        finally:
            torch.backends.cudnn.benchmark = chose_before

"""Ranks: what the processes of one training have to agree on, add up and exchange.

Each rank works on its share of every batch. Sums over the batch are added over all ranks before
anything is divided by them, so losses and gradients are those of one process with the whole batch:
a mean of the ranks' means would not be. A training in one process has the rank `ALONE`, for which
every method returns what it was given, and `torch.distributed` is not imported.
"""

import json
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cityseg.errors import CitysegError, TrainingError
from cityseg.models.devices import resolve_device
from cityseg.system import RANK_LOST, Rank

_Item = TypeVar("_Item")
_Batch = TypeVar("_Batch", Tensor, npt.NDArray[np.int64])

#: Longer than a machine builds a frame store while others wait. A rank that dies needs no limit:
#: torchrun ends the others.
_PATIENCE: Final = timedelta(days=1)
#: For the store of the group, which torchrun keeps: it is there from the start.
_STORE_PATIENCE: Final = timedelta(minutes=5)
#: In that store, what ended a rank that was not the first.
_FAILURE: Final = "failure"
_HINT: Final = "see run.log, and resume the run from its last state"


class Ranks(Rank):
    """The place of this process in the group, and the group's collective operations.

    All ranks have to call them in the same order, or they wait for each other.
    """

    __slots__ = ()

    def device(self, name: str) -> torch.device:
        """The device of this rank where the run's is `name`; raises ConfigError."""
        device = resolve_device(name)
        if self.is_alone or device.type == "cpu":
            return device
        return resolve_device(f"cuda:{self.local}")

    def share(self, batch: _Batch) -> _Batch:
        """The part of a batch that is this rank's: every world-th item, none of them twice."""
        return batch if self.is_alone else batch[self.number :: self.world]

    def positions(self, start: int, count: int) -> slice:
        """Where in an epoch the share of a batch of `count` frames is that begins at `start`."""
        return slice(start + self.number, start + count, self.world)

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """Whether each flag is set on any rank."""
        if self.is_alone:
            return flags
        from torch import distributed

        # On the CPU, so that no rank waits for its GPU.
        seen = torch.tensor(flags, dtype=torch.uint8)
        distributed.all_reduce(seen, distributed.ReduceOp.MAX)
        return tuple(map(bool, seen.tolist()))

    @contextmanager
    def agreeing(self, kind: type[Exception]) -> Iterator[None]:
        """Raise `kind` after the block on all ranks if one raises it in the block."""
        try:
            yield
        except kind:
            self.any(True)
            raise
        (is_raised,) = self.any(False)
        if is_raised:
            raise kind

    def total(self, part: Tensor) -> Tensor:
        """The sum of `part` over all ranks, the same tensor on each; with gradients."""
        if self.is_alone:
            return part
        total: Tensor = _Total.apply(part, self.world)
        return total

    def largest(self, size: int) -> int:
        """The largest of all ranks' sizes."""
        if self.is_alone:
            return size
        from torch import distributed

        found = torch.tensor(size)
        distributed.all_reduce(found, distributed.ReduceOp.MAX)
        return int(found)

    def gathered(self, part: Tensor, length: int, fill: float) -> Tensor:
        """The (N,) tensors of all ranks end to end, each with `fill` up to `length`; no gradients.

        The part of this rank begins at `number * length`.
        """
        if self.is_alone:
            return part
        from torch import distributed

        own = part.new_full((length,), fill)
        own[: len(part)] = part.detach()
        parts = [torch.empty_like(own) for _ in range(self.world)]
        distributed.all_gather(parts, own)
        return torch.cat(parts)

    def collected(self, items: Sequence[_Item]) -> list[_Item]:
        """The items of all ranks, those of the first rank first."""
        if self.is_alone:
            return list(items)
        from torch import distributed

        lists: list[Any] = [None] * self.world
        distributed.all_gather_object(lists, list(items))
        return [item for each in lists for item in each]

    def seed(self, seed: int, step: int) -> None:
        """Seed torch for the dropout of a step, so that a resumed run needs no state of a rank."""
        if not self.is_alone:
            numbers = np.random.SeedSequence((seed, step, self.number)).generate_state(1, np.uint64)
            torch.manual_seed(int(numbers[0]) >> 1)

    def normalised_together(self, model: nn.Module) -> nn.Module:
        """`model` with batch norms over the frames of all ranks, on a GPU; with the same weights.

        torch has no such layer for the CPU: there each rank normalises by its own frames.
        """
        if self.is_alone or not all(parameter.is_cuda for parameter in model.parameters()):
            return model
        # torch's own function loses the activation that timm's layers contain.
        from timm import layers

        convert: Callable[[nn.Module], nn.Module] = layers.convert_sync_batchnorm  # type: ignore[attr-defined]
        return convert(model)

    def connected(self, model: nn.Module, *, parts_rest: bool) -> nn.Module:
        """A module whose backward pass leaves in `model` the mean of the ranks' gradients.

        `parts_rest`: some parameters have no gradient in some steps.
        """
        if self.is_alone:
            return model
        # Buffers are shared before scoring, not before each step: no layer reads them in training.
        # The option has a new name in the newest torch, which warns of the one that all have.
        with warnings.catch_warnings(action="ignore", category=FutureWarning):
            return nn.parallel.DistributedDataParallel(
                model, broadcast_buffers=False, find_unused_parameters=parts_rest
            )

    def share_buffers(self, model: nn.Module) -> None:
        """Give all ranks the running statistics of the first one, whose state is saved."""
        if self.is_alone:
            return
        from torch import distributed

        for buffer in model.buffers():
            distributed.broadcast(buffer, 0)


ALONE: Final = Ranks()


class _Total(torch.autograd.Function):
    """A sum over ranks. Every rank computes the same loss from it, so the gradients of all losses
    together are `world` times that of one; DDP divides by `world`.
    """

    @staticmethod
    def forward(context: Any, part: Tensor, world: int) -> Tensor:
        from torch import distributed

        context.world = world
        total = part.detach().clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] * context.world, None


@contextmanager
def joined() -> Iterator[Ranks]:
    """The rank of this process, connected with the others for the duration of the block.

    Waits for all of them. Raises TrainingError if another one ends before the block does: on the
    first rank, whose error people see, with the reason that the other one had.
    """
    ranks = Ranks.this()
    if ranks.is_alone:
        yield ALONE
        return
    from torch import distributed

    on_gpu = torch.cuda.is_available() and distributed.is_nccl_available()
    backend = "cpu:gloo,cuda:nccl" if on_gpu else "gloo"
    if on_gpu:
        torch.cuda.set_device(ranks.local % torch.cuda.device_count())
    store = _store_of_attempt()
    distributed.init_process_group(
        backend, store=store, rank=ranks.number, world_size=ranks.world, timeout=_PATIENCE
    )
    try:
        yield ranks
    except Exception as error:
        # The group is left as it is: the other ranks may never answer.
        if is_lost_peer(error):
            raise _reported(ranks, store) or _rank_lost(ranks) from error
        if not ranks.is_first:
            _report(ranks, store, error)
        raise
    distributed.destroy_process_group()


def _store_of_attempt() -> Any:
    """The store by which ranks find each other.

    torchrun may start the group again with the store that it has: there the addresses of the first
    attempt would be found.
    """
    from torch import distributed
    from torch.distributed.rendezvous import rendezvous

    store, _, _ = next(rendezvous("env://", timeout=_STORE_PATIENCE))
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    kind: Any = distributed.PrefixStore  # type: ignore[attr-defined]
    return kind(f"cityseg/{attempt}", store)


def is_lost_peer(error: BaseException) -> bool:
    """Whether a collective operation failed because another rank has ended."""
    from torch import distributed

    if isinstance(error, TrainingError):
        return error.reason == RANK_LOST
    is_of_group = isinstance(error, distributed.DistError) or "gloo" in str(error)
    return isinstance(error, RuntimeError) and is_of_group


def _report(ranks: Ranks, store: Any, error: Exception) -> None:
    """Leave what ended this rank for the first one."""
    what = str(error) if isinstance(error, CitysegError) else f"{type(error).__name__}: {error}"
    parts = "rank_failed", f"Process {ranks.number + 1} of {ranks.world} has ended: {what}", _HINT
    if isinstance(error, TrainingError):
        parts = error.reason, error.detail, error.hint
    with suppress(RuntimeError):  # the store may be gone
        store.set(_FAILURE, json.dumps(parts))


def _reported(ranks: Ranks, store: Any) -> TrainingError | None:
    """What another rank has left by `_report`, which it does before its connections end."""
    with suppress(RuntimeError):  # the store may be gone
        if ranks.is_first and store.check([_FAILURE]):
            return TrainingError(*json.loads(store.get(_FAILURE)))
    return None


def _rank_lost(ranks: Ranks) -> TrainingError:
    return TrainingError(
        RANK_LOST, f"Another of the {ranks.world} processes of the training has ended", _HINT
    )

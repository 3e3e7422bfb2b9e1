"""Everything cityseg raises on purpose.

CitysegError
├── ConfigError        a setting is unknown or out of bounds
├── DatasetError       the dataset folder, a split or an archive is not what it should be
├── ImageError         a picture cannot be read
├── MaskError          an annotation cannot become a mask; has a reason code
├── StoreError         the frame store cannot be built or read
├── ModelError         a model name or its weights cannot be used
├── CheckpointError    a checkpoint is missing, damaged or does not fit
├── RunError           a run folder is in use, missing or not a run
├── PlaceError         a cluster cannot be reached, or refuses a job
├── TrainingError      a training run ended early; has a reason code and a hint
├── ScoreError         predictions and ground truth cannot be compared
└── ReviewError        a review ledger cannot be read or written

A message says what was found, where, and what to do next: one sentence that begins with a capital
letter or a path and has no full stop, as it is often quoted in another.

A command that ends with such an error has the exit status EXIT_NOTHING. Where one item of many
fails and the others continue, a `Skipped` takes the place of its result, and the status is
EXIT_SOME.
"""

from dataclasses import dataclass
from typing import Final, Self

#: Exit statuses of commands.
EXIT_ALL: Final = 0  # everything was done
EXIT_NOTHING: Final = 1  # nothing was done
EXIT_SOME: Final = 2  # some items were skipped, or a run was stopped


class CitysegError(Exception):
    """Base of all errors that a person can act on."""


class ConfigError(CitysegError):
    """A setting is unknown or out of bounds."""


class DatasetError(CitysegError):
    """The dataset folder, a split or an archive is not what it should be."""


class ImageError(CitysegError):
    """A picture cannot be read."""


class MaskError(CitysegError):
    """An annotation cannot become a mask; `reason` is a key of `data.annotations.REASONS`."""

    def __init__(self, reason: str, detail: str) -> None:
        """Keep the reason code beside the sentence for people."""
        super().__init__(f"{detail} ({reason})")
        self.reason = reason
        self.detail = detail


class StoreError(CitysegError):
    """The frame store cannot be built or read."""


class ModelError(CitysegError):
    """A model name or its weights cannot be used."""


class CheckpointError(CitysegError):
    """A checkpoint is missing, damaged or does not fit."""


class RunError(CitysegError):
    """A run folder is in use, missing or not a run."""


class PlaceError(CitysegError):
    """A cluster cannot be reached, or refuses a job."""


class TrainingError(CitysegError):
    """A training run ended early; `reason` is a code, `hint` says what to try."""

    def __init__(self, reason: str, detail: str, hint: str) -> None:
        """Keep the parts that the run's summary shows separately."""
        super().__init__(f"{detail}; {hint}")
        self.reason = reason
        self.detail = detail
        self.hint = hint


class ScoreError(CitysegError):
    """Predictions and ground truth cannot be compared."""


class ReviewError(CitysegError):
    """A review ledger cannot be read or written."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """What a function returns in place of a result that it could not produce.

    `reason` is a code that can be counted, `detail` the message for people.
    """

    reason: str
    detail: str

    @classmethod
    def of(cls, error: Exception) -> Self:
        """Take the error's own `reason`, or the name of its class if it has none."""
        return cls(getattr(error, "reason", type(error).__name__), str(error))

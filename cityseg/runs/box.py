"""The network in the box as pages and scores see a run: weights, settings, scores."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cityseg.config import TrainConfig
from cityseg.errors import CheckpointError
from cityseg.runs.folder import RunDir
from cityseg.runs.networks import BOX, box_weights
from cityseg.runs.records import MetricRow
from cityseg.runs.weights import read_config, read_metadata
from cityseg.system import parse_as

#: What people call it.
BOX_TITLE: Final = "Street network (in the box)"
#: Of the weights, not of the code; LICENSE.md beside them has the terms.
BOX_LICENCE: Final = "for non-commercial use only"
_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class BoxRun(RunDir):
    """The network in the box, which can be evaluated and compared as a run can.

    The package's folder is never written to: `path` is a hidden folder in a folder of runs, which
    has the scores. It need not exist, and another version of the network has another one.
    """

    @classmethod
    def below(cls, runs: Path) -> "BoxRun":
        """Its folder in `runs`; raises CheckpointError if the box is empty or damaged."""
        return cls(runs / ".box" / read_metadata(box_weights())["digest"][:_DIGITS])

    @property
    def id(self) -> str:
        """As commands call it."""
        return BOX

    @property
    def best(self) -> Path:
        """The weights; raises CheckpointError if there are none."""
        return box_weights()

    def config(self) -> TrainConfig:
        """The settings of its training; raises CheckpointError."""
        return read_config(self.best)

    def metrics(self) -> list[MetricRow]:
        """The row of its best epoch, with the scores of the validation in training."""
        about = read_metadata(self.best)
        scores = parse_as(about["scores"], dict[str, Any])
        return [{"kind": "epoch", "epoch": int(about["epoch"]), **scores}]


def box_card() -> str:
    """The card of the network in the box, in Markdown; raises CheckpointError if there is none."""
    card = box_weights().with_suffix(".md")
    try:
        return card.read_text(encoding="utf-8")
    except OSError as error:
        raise CheckpointError(
            f"{card} cannot be read ({error.strerror}): install cityseg again"
        ) from error

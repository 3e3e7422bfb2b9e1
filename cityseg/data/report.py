"""The outcome of a conversion, frame by frame: the content of report.json beside the masks."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, Strict

from cityseg.data.frame import Frame
from cityseg.data.pixel_aspect import MOST_ASPECT, PixelAspect, prove_pixel_aspect
from cityseg.errors import DatasetError
from cityseg.system import (
    LARGE,
    Count,
    FileModel,
    Stamp,
    file_stamp,
    pausing_collection,
    read_model,
    write_json,
)

REPORT: Final = "report.json"


@dataclass(frozen=True, slots=True)
class FrameOutcome:
    """The outcome of one frame: `status` is "converted" or "skipped".

    A skipped frame has a `reason`, a key of `annotations.REASONS`, and a `detail` for people;
    `reused` marks a converted one whose finished mask was kept; its `warnings` are keys of
    `findings.WARNINGS`.
    """

    frame: str
    status: str
    reason: str | None = None
    detail: str | None = None
    reused: bool = False
    warnings: tuple[str, ...] = ()


#: A word of ours, or of a later version.
_Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]


class _Outcome(FileModel):
    frame: str
    status: Literal["converted", "skipped"]
    reason: _Code | None = None
    detail: str | None = None
    reused: bool = False
    warnings: Annotated[tuple[_Code, ...], Strict(False)] = ()  # JSON has lists


class _PixelAspect(FileModel):
    value: float = Field(ge=1 / MOST_ASPECT, le=MOST_ASPECT)
    evidence: str
    is_named: bool


class _Content(FileModel):
    """What is read of report.json; the counts in it follow from the outcomes."""

    outcomes: list[_Outcome]
    unknown_names: dict[str, Count] = Field(default_factory=dict)
    encoding: str = ""
    evidence: str = ""
    sample: str = ""
    label_map: dict[str, str] = Field(default_factory=dict)
    dataset: str = ""
    layout: _Code | Literal[""] = ""
    layout_chosen: bool = False
    pixel_aspect: _PixelAspect | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """The outcomes of a conversion, one for each frame; frames = converted + skipped.

    `unknown_names` are the names of objects in polygons that are no labels, each with the number
    of its objects in all frames that were skipped for such names. `encoding` is that of the
    annotations, and `evidence` a sentence that says why; both are empty in older reports, in which
    `pixel_aspect` is None. `sample`
    changes with the annotations that were examined, and is empty if a person named the encoding.
    `label_map` has the name of the label, or "ignore", of each name that was assigned. `dataset`
    is the folder of the dataset as seen from the masks, empty in older reports. `layout` is that of
    the dataset, and `layout_chosen` whether somebody named it: then it is that of every later
    command.
    """

    outcomes: list[FrameOutcome]
    unknown_names: Counter[str] = field(default_factory=Counter)
    encoding: str = ""
    evidence: str = ""
    sample: str = ""
    label_map: dict[str, str] = field(default_factory=dict)
    dataset: str = ""
    layout: str = ""
    layout_chosen: bool = False
    pixel_aspect: PixelAspect | None = None

    @classmethod
    @pausing_collection()
    def load(cls, masks: Path) -> "Report | None":
        """Read the report of the last finished conversion to `masks`; None if there is none.

        Raises DatasetError if it is damaged or cannot be read.
        """
        path = masks / REPORT
        content = read_model(
            path, _Content, DatasetError, "is damaged: remove it and convert again", LARGE
        )
        if content is None:
            return None
        named = content.pixel_aspect
        return cls(
            [FrameOutcome(**vars(outcome)) for outcome in content.outcomes],
            Counter(content.unknown_names),
            content.encoding,
            content.evidence,
            content.sample,
            content.label_map,
            content.dataset,
            content.layout,
            content.layout_chosen,
            PixelAspect(**named.model_dump()) if named else None,
        )

    def write(self, masks: Path) -> None:
        """Write report.json into the folder `masks`, whole or not at all. Raises OSError."""
        write_json(masks / REPORT, self.to_json())

    @property
    def converted(self) -> int:
        """Number of frames that have a mask now, including reused ones."""
        return sum(outcome.status == "converted" for outcome in self.outcomes)

    @property
    def reused(self) -> int:
        """Number of frames whose finished mask was kept."""
        return sum(outcome.reused for outcome in self.outcomes)

    @property
    def skipped(self) -> int:
        """Number of frames without a mask."""
        return len(self.outcomes) - self.converted

    @property
    def reasons(self) -> dict[str, int]:
        """Number of skipped frames by reason, most frequent first."""
        return dict(Counter(o.reason for o in self.outcomes if o.reason).most_common())

    @property
    def warnings(self) -> dict[str, int]:
        """Number of converted frames by warning, most frequent first."""
        return dict(Counter(w for o in self.outcomes for w in o.warnings).most_common())

    @property
    def void_splits(self) -> list[str]:
        """Splits other than test of which masks were made, none of them with a pixel of a class."""
        splits: dict[str, bool] = {}
        for outcome in self.outcomes:
            split = outcome.frame.partition("/")[0]
            if outcome.status == "converted" and split != "test":
                splits[split] = splits.get(split, True) and "no_class" in outcome.warnings
        return [split for split, is_void in splits.items() if is_void]

    def to_json(self) -> dict[str, Any]:
        """The content of report.json."""
        return {
            "encoding": self.encoding,
            "evidence": self.evidence,
            "sample": self.sample,
            "label_map": self.label_map,
            "dataset": self.dataset,
            "layout": self.layout,
            "layout_chosen": self.layout_chosen,
            "pixel_aspect": self.pixel_aspect and asdict(self.pixel_aspect),
            "frames": len(self.outcomes),
            "converted": self.converted,
            "reused": self.reused,
            "skipped": self.skipped,
            "reasons": self.reasons,
            "warnings": self.warnings,
            # By name where counts are equal: shards find the names in another order.
            "unknown_names": dict(
                sorted(self.unknown_names.items(), key=lambda each: (-each[1], each[0]))
            ),
            "outcomes": [
                {**asdict(outcome), "warnings": list(outcome.warnings)} for outcome in self.outcomes
            ],
        }


def kept_layout(masks: Path) -> str | None:
    """The layout that somebody chose for the last conversion to `masks`; None if nobody did."""
    with suppress(OSError, DatasetError):  # a damaged report is named where its content is used
        return _kept_layout(masks, file_stamp(masks / REPORT))
    return None


@lru_cache(maxsize=16)  # thousands of outcomes would be read for one word
def _kept_layout(masks: Path, stamp: Stamp) -> str | None:
    report = Report.load(masks)
    return report.layout if report and report.layout_chosen else None


def pixel_aspect_of(root: Path, masks: Path, frames: Sequence[Frame]) -> PixelAspect:
    """The shape of the pixels of `frames` below `root`: from the report beside `masks`, or proven.

    Raises DatasetError if the report is damaged.
    """
    report = Report.load(masks)
    return (report and report.pixel_aspect) or prove_pixel_aspect(root, frames)

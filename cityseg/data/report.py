"""What a conversion did: the content of report.json, which stands beside the masks."""

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from cityseg.errors import DatasetError
from cityseg.system import write_json

REPORT: Final = "report.json"


@dataclass(frozen=True, slots=True)
class FrameOutcome:
    """What became of one frame: `status` is "converted" or "skipped", the latter with a reason.

    `reused` marks a finished mask that was found and kept.
    """

    frame: str
    status: str
    reason: str | None = None
    detail: str | None = None
    reused: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What a conversion did; frames = converted + skipped."""

    outcomes: list[FrameOutcome]

    @classmethod
    def load(cls, masks: Path) -> "Report | None":
        """The report of the last conversion to end in the folder `masks`; None if there was none.

        Raises DatasetError if it is damaged or cannot be read.
        """
        path = masks / REPORT
        try:
            return cls(
                [FrameOutcome(**outcome) for outcome in json.loads(path.read_bytes())["outcomes"]]
            )
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DatasetError(
                f"{path} cannot be read ({error.strerror}): check its permissions"
            ) from error
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise DatasetError(f"{path} is damaged: remove it and convert again") from error

    def write(self, masks: Path) -> None:
        """Write report.json into the folder `masks`, whole or not at all. Raises OSError."""
        write_json(masks / REPORT, self.to_json())

    @property
    def converted(self) -> int:
        """Frames that have a mask now, including reused ones."""
        return sum(outcome.status == "converted" for outcome in self.outcomes)

    @property
    def reused(self) -> int:
        """Frames whose finished mask was found and kept."""
        return sum(outcome.reused for outcome in self.outcomes)

    @property
    def skipped(self) -> int:
        """Frames without a mask."""
        return len(self.outcomes) - self.converted

    @property
    def reasons(self) -> dict[str, int]:
        """Skipped frames by reason, most frequent first."""
        return dict(Counter(o.reason for o in self.outcomes if o.reason).most_common())

    def to_json(self) -> dict[str, Any]:
        """The content of report.json."""
        return {
            "frames": len(self.outcomes),
            "converted": self.converted,
            "reused": self.reused,
            "skipped": self.skipped,
            "reasons": self.reasons,
            "outcomes": [asdict(outcome) for outcome in self.outcomes],
        }

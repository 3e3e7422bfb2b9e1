"""The ways in which pictures are made worse, by name and severity; no torch.

What each does to a picture stands in `prediction.corruptions`.
"""

from typing import Final, NamedTuple, Self

from cityseg.errors import ConfigError

#: Name of each corruption, and what it stands for.
CORRUPTIONS: Final = {
    "noise": "Sensor noise",
    "defocus": "Out of focus",
    "motion": "Motion blur",
    "fog": "Fog",
    "rain": "Rain streaks",
    "night": "Night",
    "brightness": "Overexposed",
    "jpeg": "JPEG compression",
}
SEVERITIES: Final = range(1, 6)
#: In place of a name: every corruption.
ALL: Final = "all"


class Corruption(NamedTuple):
    """One of CORRUPTIONS with a severity of 1–5, written as fog:3; severity 0 changes nothing."""

    name: str
    severity: int

    def __str__(self) -> str:
        """As it is parsed."""
        return f"{self.name}:{self.severity}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """A text such as fog:3; raises ConfigError."""
        name, colon, severity = text.partition(":")
        if name not in CORRUPTIONS:
            raise ConfigError(
                f"There is no corruption {name!r}: choose one of {', '.join(CORRUPTIONS)}"
            )
        if not colon or severity not in map(str, SEVERITIES):
            raise ConfigError(
                f"{text!r} has no severity of {SEVERITIES[0]} to {SEVERITIES[-1]}: write {name}:3"
            )
        return cls(name, int(severity))


def parse_corruptions(text: str) -> list[Corruption]:
    """A list such as fog:3,rain; a name alone has all severities, and `all` stands for every name.

    Raises ConfigError.
    """
    parts = [part.strip().partition(":") for part in text.split(",")]
    written = (
        f"{name}:{severity}"
        for wanted, colon, given in parts
        for name in (CORRUPTIONS if wanted == ALL else (wanted,))
        for severity in ((given,) if colon else SEVERITIES)
    )
    return list(dict.fromkeys(map(Corruption.parse, written)))

"""Words that messages and pages share."""


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 frame", "2,975 frames"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"

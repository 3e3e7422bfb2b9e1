"""Seconds, for people."""

from typing import Final

#: Up to how many seconds a unit is used, its name, and its seconds.
_UNITS: Final = ((100.0, "s", 1.0), (6000.0, "min", 60.0), (3e5, "h", 3600.0))


def duration(seconds: float) -> str:
    """About how long: "45 s", "12 min", "2.5 h", "6 days"."""
    name, unit = _unit(seconds)
    return f"{_number(seconds / unit)} {name}"


def span(shortest: float, longest: float) -> str:
    """About how long, between two: "4–8 min"."""
    name, unit = _unit(longest)
    low, high = _number(shortest / unit), _number(longest / unit)
    return f"{high} {name}" if low == high else f"{low}–{high} {name}"


def _unit(seconds: float) -> tuple[str, float]:
    found = ((name, unit) for limit, name, unit in _UNITS if seconds < limit)
    return next(found, ("days", 86400.0))


def _number(value: float) -> str:
    """Two digits that mean something."""
    if value >= 100:
        return f"{round(value, -1):.0f}"
    return f"{value:.0f}" if value >= 9.5 else f"{value:.1f}".removesuffix(".0")

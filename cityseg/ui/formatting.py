"""Numbers as people read them: durations, shares, counts."""

import math
from typing import Final

#: Up to how many seconds a unit is used, its name, and its seconds.
_UNITS: Final = ((100.0, "s", 1.0), (6000.0, "min", 60.0), (3e5, "h", 3600.0))


def duration(seconds: float) -> str:
    """A duration with two significant digits: "45 s", "12 min", "2.5 h", "6 days"."""
    name, unit = _unit(seconds)
    return f"{_two_digits(seconds / unit)} {name}"


def duration_range(shortest: float, longest: float) -> str:
    """Two durations in the unit of the longer one: "4–8 min"."""
    name, unit = _unit(longest)
    low, high = _two_digits(shortest / unit), _two_digits(longest / unit)
    return f"{high} {name}" if low == high else f"{low}–{high} {name}"


def _unit(seconds: float) -> tuple[str, float]:
    found = ((name, unit) for limit, name, unit in _UNITS if seconds < limit)
    return next(found, ("days", 86400.0))


def _two_digits(value: float) -> str:
    if value >= 100:
        return f"{round(value, -1):.0f}"
    return f"{value:.0f}" if value >= 9.5 else f"{value:.1f}".removesuffix(".0")


def percent(share: float | None) -> str:
    """A share of 0–1 with one decimal, "41.5%"; "–" where it is undefined."""
    return "–" if share is None or math.isnan(share) else f"{share:.1%}"


def bounds(low: float, high: float) -> str:
    """Two shares of 0–1 in percent with one decimal: "41.2–43.0"."""
    return f"{100 * low:.1f}–{100 * high:.1f}"


def points(share: float) -> str:
    """A share or a difference of shares in percentage points with one decimal: "1.3"."""
    return f"{100 * share:.1f}"


def short_percent(share: float) -> str:
    """A share with two significant digits, however small: "74%", "0.012%", "3e-06%"."""
    if share >= 0.0995:
        return f"{share:.0%}"
    return f"{100 * share:.2g}%" if share >= 1e-6 else f"{100 * share:.0e}%"

"""Words that messages and pages share."""

from typing import Final

#: Decimal units of bytes.
_SIZES: Final = (("kB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12))


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 frame", "2,975 frames"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def utf8(text: object) -> str:
    """`text` for what takes UTF-8 only: tables, JSON, Streamlit.

    Names of files are bytes on Linux; what of them is no UTF-8 becomes `?`.
    """
    return str(text).encode(errors="replace").decode()


def readable_size(size_bytes: float) -> str:
    """A number of bytes in the unit that suits it: "812 bytes", "4.2 kB", "120 MB", "1.3 GB"."""
    if size_bytes < 1000:
        return counted(round(size_bytes), "byte")
    unit, size = next((each for each in _SIZES if size_bytes < 999.5 * each[1]), _SIZES[-1])
    amount = size_bytes / size
    return f"{amount:.0f} {unit}" if amount >= 9.95 else f"{amount:.1f} {unit}"

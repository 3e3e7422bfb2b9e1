"""Tables as CSV files that spreadsheets open, in which no text becomes a formula."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

#: How a cell begins that a spreadsheet calculates.
_FORMULA: Final = re.compile(r"^[=+\-@\t\r]")


def spreadsheet_text(text: str) -> str:
    """Text for a cell of a CSV file; what would be a formula gets an apostrophe in front."""
    return _FORMULA.sub(r"'\g<0>", text)


def records_csv(records: Sequence[Mapping[str, Any]], names: Sequence[str] = ()) -> str:
    """Records with the same fields as CSV; empty where undefined, no text a formula.

    `names` are those of the fields where there may be no record.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(records[0] if records else names)
    for record in records:
        values = record.values()
        writer.writerow(spreadsheet_text(v) if isinstance(v, str) else v for v in values)
    return text.getvalue()

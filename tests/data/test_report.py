"""The report beside the masks: read as it was written, or refused."""

from pathlib import Path

import city
import pytest

from cityseg.data.masks import convert
from cityseg.data.report import REPORT, FrameOutcome, Report
from cityseg.errors import DatasetError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A Cityscapes folder with two good frames and an empty annotation."""
    for stem in ("a_0_0", "a_1_0", "a_2_0"):
        city.write_frame(tmp_path, stem)
    city.annotation_path(tmp_path, "a_2_0").write_bytes(b"")
    return tmp_path


def test_a_report_is_read_as_it_was_written(root: Path) -> None:
    report = convert(root)
    assert Report.load(root / "masks") == report


def test_without_a_conversion_there_is_no_report(tmp_path: Path) -> None:
    assert Report.load(tmp_path) is None


def test_a_report_counts_its_outcomes() -> None:
    report = Report(
        [
            FrameOutcome("a", "converted"),
            FrameOutcome("b", "converted", reused=True),
            FrameOutcome("c", "skipped", "palette", "c.png is a palette picture"),
            FrameOutcome("d", "skipped", "empty_file", "d.png is empty"),
            FrameOutcome("e", "skipped", "empty_file", "e.png is empty"),
        ]
    )
    assert (report.converted, report.reused, report.skipped) == (2, 1, 3)
    assert list(report.reasons.items()) == [("empty_file", 2), ("palette", 1)]


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"outcomes": 1}', b'{"outcomes": [{"x": 1}]}', b"[" * 100_000],
)
def test_a_damaged_report_is_an_error(root: Path, content: bytes) -> None:
    convert(root)
    (root / "masks" / REPORT).write_bytes(content)
    with pytest.raises(DatasetError, match=r"report\.json is damaged: remove it and convert again"):
        Report.load(root / "masks")

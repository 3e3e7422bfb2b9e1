"""The tour of the app: one animated picture."""

import importlib
from pathlib import Path

import pytest
from PIL import Image

SCRIPTS = Path(__file__).parents[2] / "scripts"


def test_each_picture_is_shown_as_long_as_it_should(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(SCRIPTS)
    tour = importlib.import_module("tour")
    colors = {"red": 700, "blue": 1500}
    shots = [tour.Shot(Image.new("RGB", (128, 90), color), ms) for color, ms in colors.items()]
    tour.write(tmp_path / "tour.webp", shots)
    durations = []
    with Image.open(tmp_path / "tour.webp") as written:
        for position in range(written.n_frames):
            written.seek(position)
            written.load()
            durations.append(written.info["duration"])
        assert written.info["loop"] == 0  # without an end
    assert durations == [700, 1500]

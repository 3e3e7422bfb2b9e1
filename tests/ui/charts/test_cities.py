"""The figure of frames by city: its numbers, and names that stay text."""

from pathlib import Path

import city

from cityseg.data.catalogue import load_catalogue
from cityseg.data.dataset import find_frames
from cityseg.data.masks import convert
from cityseg.ui.charts.cities import city_bars


def test_bars_add_up_to_the_frames_of_each_city(tmp_path: Path) -> None:
    city.write_frame(tmp_path, "aachen_0_0")
    city.write_frame(tmp_path, "ulm_0_0", "val")
    convert(tmp_path)
    city.write_frame(tmp_path, "ulm_1_0", "val")
    figure = city_bars(load_catalogue(find_frames(tmp_path), tmp_path / "masks"))
    bars = {trace.name: (list(trace.x[1]), list(trace.y)) for trace in figure.data}
    assert bars == {
        "With a mask": (["aachen", "ulm"], [1, 1]),
        "Not converted yet": (["aachen", "ulm"], [0, 1]),
    }


def test_names_of_cities_are_no_markup(tmp_path: Path) -> None:
    city.write_frame(tmp_path, "<b>x_0_0")
    catalogue = load_catalogue(find_frames(tmp_path), tmp_path / "masks")
    assert list(city_bars(catalogue).data[0].x[1]) == ["&lt;b&gt;x"]


def test_long_names_are_cut(tmp_path: Path) -> None:
    city.write_frame(tmp_path, "monchengladbach_0_0")
    catalogue = load_catalogue(find_frames(tmp_path), tmp_path / "masks")
    assert list(city_bars(catalogue).data[0].x[1]) == ["monchengladba…"]

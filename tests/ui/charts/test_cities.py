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
    bars = {trace.name: (list(trace.y), list(trace.x)) for trace in figure.data}
    assert bars == {
        "With a mask": (["train · aachen", "val · ulm"], [1, 1]),
        "Not converted yet": (["train · aachen", "val · ulm"], [0, 1]),
    }
    assert figure.layout.xaxis.dtick == 1  # no half frames


def test_names_of_cities_are_no_markup(tmp_path: Path) -> None:
    city.write_frame(tmp_path, "<b>x_0_0")
    catalogue = load_catalogue(find_frames(tmp_path), tmp_path / "masks")
    assert list(city_bars(catalogue).data[0].y) == ["train · &lt;b&gt;x"]


def test_every_city_has_a_row_and_names_of_cityscapes_are_whole(tmp_path: Path) -> None:
    cities = ["monchengladbach", "schweinfurt", *(f"city{number:02}" for number in range(25))]
    for name in cities:
        city.write_frame(tmp_path, f"{name}_0_0")
    catalogue = load_catalogue(find_frames(tmp_path), tmp_path / "masks")
    figure = city_bars(catalogue)
    assert set(figure.data[0].y) == {f"train · {name}" for name in cities}
    assert figure.layout.height >= 20 * len(cities)


def test_very_long_names_are_cut(tmp_path: Path) -> None:
    city.write_frame(tmp_path, f"{'x' * 40}_0_0")
    catalogue = load_catalogue(find_frames(tmp_path), tmp_path / "masks")
    assert list(city_bars(catalogue).data[0].y) == [f"train · {'x' * 27}…"]

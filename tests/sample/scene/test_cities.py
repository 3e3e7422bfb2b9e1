"""The invented cities are complete and plausible, and a faulty table is refused."""

from importlib.resources import files

import pytest

from cityseg.sample import SPLITS
from cityseg.sample.scene.cities import CITIES, parse_cities

TEXT = (files("cityseg.sample.scene") / "cities.toml").read_text("utf-8")


def test_every_split_has_cities_of_its_own() -> None:
    assert tuple(CITIES) == SPLITS
    names = [city.name for cities in CITIES.values() for city in cities]
    assert len(names) == len(set(names)) == 8


def test_ranges_ascend_and_colors_have_eight_bits() -> None:
    for city in (city for cities in CITIES.values() for city in cities):
        for low, high in (city.floors, city.lanes, city.pavement, city.trees, city.elevation,
                          city.direct, city.clouds, city.visibility):  # fmt: skip
            assert 0 <= low <= high
        for color in (*city.walls, *city.roofs, city.leaves, city.zenith, city.haze, city.livery):
            assert all(0 <= value <= 255 for value in color)


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("verge = 0.35", "verge = 1.35", r"train\.0\.verge\n.* less than or equal to 1"),
        ("verge = 0.35", "", r"train\.0\.verge\n.* required"),
        ("verge = 0.35", "verges = 0.35", r"train\.0\.verges\n.*Unexpected keyword"),
        ("floors = [3, 5]", "floors = [3.5, 5]", r"train\.0\.floors\.0\n.* integer"),
        ("leaves = [74, 88, 46]", "leaves = [74, 88]", r"train\.0\.leaves\.2\n.* required"),
    ],
)
def test_a_faulty_table_is_refused(old: str, new: str, where: str) -> None:
    assert old in TEXT
    with pytest.raises(ValueError, match=where):
        parse_cities(TEXT.replace(old, new, 1))

"""The invented cities, whose houses, streets, trees and weather differ; `cities.toml` has them."""

import tomllib
from importlib.resources import files
from typing import Annotated, Final

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from cityseg.sample.scene.light import Color

Range = tuple[float, float]
Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class City:
    """The properties that the streets of a city share.

    Colours are RGB, 0–255; a range is (lowest, highest), from which each street or frame draws.
    """

    name: str
    #: Colours and styles (`Facade.style`) of the house fronts; one listed twice is twice as likely.
    walls: tuple[Color, ...]
    styles: tuple[str, ...]
    roofs: tuple[Color, ...]
    #: Share of houses with a pitched roof.
    pitched: Share
    floors: tuple[int, int]
    #: Lanes in each direction.
    lanes: tuple[int, int]
    #: Width in metres.
    pavement: Range
    #: Shares of streets with a grass verge, and with gardens before the houses.
    verge: Share
    garden: Share
    #: Shares of houses with a gap beside them, and with a shop.
    gaps: Share
    shops: Share
    #: Share of places along the kerb that have a tree.
    trees: Range
    leaves: Color
    #: Share of street sides with a parking lane.
    parking: Share
    #: Density of cars and of people on foot, 1 for an average city.
    traffic: float
    people: float
    #: Weight of a tram in `plan_street`.
    tram: Share
    #: The sun's elevation in degrees, and its share of the light, 0 under clouds.
    elevation: Range
    direct: Range
    clouds: Range
    zenith: Color
    haze: Color
    #: In metres.
    visibility: Range
    asphalt: Color
    paving: Color
    #: Of the city's buses and trams.
    livery: Color
    #: Gain of red, green and blue of the camera's picture.
    tint: Color = (0.96, 1.02, 0.97)


def parse_cities(text: str) -> dict[str, tuple[City, ...]]:
    """Read the cities of each split from the text of a file such as `cities.toml`.

    Raises ValueError if a value is missing, unknown or out of bounds.
    """
    return TypeAdapter(dict[str, tuple[City, ...]]).validate_python(tomllib.loads(text))


#: Split -> its cities. Their order decides which frame of a seed is in which city.
CITIES: Final = parse_cities((files(__package__) / "cities.toml").read_text("utf-8"))

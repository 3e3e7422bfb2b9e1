"""The invented cities, each with houses, streets, green and weather of its own."""

from dataclasses import dataclass
from typing import Final

from cityseg.sample.scene.light import Color

Range = tuple[float, float]


@dataclass(frozen=True)
class City:
    """What the streets of a city have in common; shares are 0–1, lengths metres, angles degrees."""

    name: str
    walls: tuple[Color, ...]
    styles: tuple[str, ...]
    roofs: tuple[Color, ...]
    pitched: float
    floors: tuple[int, int]
    lanes: tuple[int, int]
    pavement: Range
    verge: float
    garden: float
    gaps: float
    shops: float
    trees: Range
    leaves: Color
    parking: float
    traffic: float
    people: float
    tram: float
    elevation: Range
    direct: Range
    clouds: Range
    zenith: Color
    haze: Color
    visibility: Range
    asphalt: Color
    paving: Color
    livery: Color
    #: Gain of red, green, blue of the camera's picture.
    tint: Color = (0.96, 1.02, 0.97)


_BRICK: Final[tuple[Color, ...]] = (
    (128, 76, 62),
    (112, 66, 56),
    (142, 92, 72),
    (120, 84, 72),
    (158, 140, 122),
)
_PASTEL: Final[tuple[Color, ...]] = (
    (190, 178, 148),
    (176, 160, 128),
    (160, 166, 150),
    (186, 154, 134),
    (196, 190, 176),
    (150, 156, 164),
    (182, 164, 112),
)
_GREY: Final[tuple[Color, ...]] = (
    (150, 150, 146),
    (128, 130, 130),
    (168, 164, 154),
    (142, 136, 126),
    (112, 116, 120),
)
_CREAM: Final[tuple[Color, ...]] = (
    (204, 192, 160),
    (196, 178, 138),
    (206, 200, 184),
    (180, 158, 126),
    (188, 132, 98),
    (170, 170, 160),
)
_SLATE: Final[tuple[Color, ...]] = ((66, 68, 74), (80, 80, 84), (92, 78, 72))
_CLAY: Final[tuple[Color, ...]] = ((126, 72, 54), (112, 66, 52), (138, 84, 62), (88, 74, 68))

TRAIN_CITIES: Final = (
    City(
        name="lindhafen",
        walls=_BRICK + _PASTEL[:3],
        styles=("brick", "brick", "plaster"),
        roofs=_SLATE,
        pitched=0.7,
        floors=(3, 5),
        lanes=(1, 1),
        pavement=(2.6, 4.2),
        verge=0.35,
        garden=0.2,
        gaps=0.14,
        shops=0.4,
        trees=(0.35, 0.75),
        leaves=(74, 88, 46),
        parking=0.6,
        traffic=0.9,
        people=0.9,
        tram=0.2,
        elevation=(35, 55),
        direct=(0.0, 0.15),
        clouds=(0.75, 1.0),
        zenith=(184, 192, 195),
        haze=(214, 219, 219),
        visibility=(220, 420),
        asphalt=(86, 87, 86),
        paving=(116, 114, 108),
        livery=(178, 58, 50),
    ),
    City(
        name="torbruck",
        walls=_CREAM,
        styles=("plaster",),
        roofs=_CLAY,
        pitched=0.85,
        floors=(3, 5),
        lanes=(1, 1),
        pavement=(2.0, 3.2),
        verge=0.1,
        garden=0.05,
        gaps=0.08,
        shops=0.6,
        trees=(0.05, 0.3),
        leaves=(86, 98, 50),
        parking=0.75,
        traffic=0.8,
        people=1.4,
        tram=0.15,
        elevation=(36, 58),
        direct=(0.75, 0.95),
        clouds=(0.0, 0.45),
        zenith=(112, 150, 196),
        haze=(214, 222, 223),
        visibility=(300, 600),
        asphalt=(100, 98, 94),
        paving=(134, 128, 116),
        livery=(62, 94, 150),
        tint=(1.02, 1.0, 0.93),
    ),
    City(
        name="mohnstadt",
        walls=_GREY + _PASTEL[2:5],
        styles=("concrete", "glass", "concrete", "plaster"),
        roofs=_SLATE,
        pitched=0.15,
        floors=(5, 9),
        lanes=(1, 2),
        pavement=(3.4, 5.0),
        verge=0.45,
        garden=0.1,
        gaps=0.2,
        shops=0.5,
        trees=(0.2, 0.6),
        leaves=(70, 86, 48),
        parking=0.35,
        traffic=1.4,
        people=1.0,
        tram=0.5,
        elevation=(40, 58),
        direct=(0.15, 0.5),
        clouds=(0.4, 0.8),
        zenith=(150, 172, 190),
        haze=(212, 219, 219),
        visibility=(240, 480),
        asphalt=(92, 93, 93),
        paving=(122, 121, 117),
        livery=(190, 158, 40),
    ),
    City(
        name="grauwerder",
        walls=_PASTEL + _BRICK[:2],
        styles=("plaster", "brick"),
        roofs=_CLAY + _SLATE[:1],
        pitched=1.0,
        floors=(2, 3),
        lanes=(1, 1),
        pavement=(1.8, 2.8),
        verge=0.5,
        garden=0.85,
        gaps=0.45,
        shops=0.06,
        trees=(0.4, 0.9),
        leaves=(82, 100, 48),
        parking=0.45,
        traffic=0.6,
        people=0.5,
        tram=0.05,
        elevation=(25, 50),
        direct=(0.2, 0.6),
        clouds=(0.3, 0.8),
        zenith=(150, 174, 194),
        haze=(218, 221, 217),
        visibility=(110, 240),
        asphalt=(94, 94, 91),
        paving=(124, 120, 110),
        livery=(60, 120, 92),
        tint=(0.98, 1.02, 0.96),
    ),
)

VAL_CITIES: Final = (
    City(
        name="falkenrode",
        walls=_PASTEL + _GREY[:2],
        styles=("plaster", "plaster", "concrete", "brick"),
        roofs=_SLATE + _CLAY[:1],
        pitched=0.6,
        floors=(3, 6),
        lanes=(1, 2),
        pavement=(2.4, 4.0),
        verge=0.3,
        garden=0.25,
        gaps=0.18,
        shops=0.4,
        trees=(0.25, 0.7),
        leaves=(76, 92, 48),
        parking=0.6,
        traffic=1.0,
        people=1.0,
        tram=0.25,
        elevation=(32, 55),
        direct=(0.05, 0.4),
        clouds=(0.5, 0.95),
        zenith=(172, 186, 194),
        haze=(214, 219, 219),
        visibility=(200, 420),
        asphalt=(90, 91, 89),
        paving=(120, 118, 111),
        livery=(178, 74, 40),
    ),
    City(
        name="silberquell",
        walls=_CREAM[:4] + _GREY[:3],
        styles=("plaster", "concrete"),
        roofs=_CLAY,
        pitched=0.6,
        floors=(3, 5),
        lanes=(1, 2),
        pavement=(2.4, 4.4),
        verge=0.4,
        garden=0.3,
        gaps=0.2,
        shops=0.35,
        trees=(0.3, 0.7),
        leaves=(86, 100, 50),
        parking=0.5,
        traffic=0.9,
        people=0.9,
        tram=0.25,
        elevation=(35, 55),
        direct=(0.6, 0.9),
        clouds=(0.1, 0.5),
        zenith=(118, 156, 196),
        haze=(214, 221, 222),
        visibility=(260, 520),
        asphalt=(98, 97, 94),
        paving=(130, 126, 116),
        livery=(52, 110, 116),
        tint=(0.99, 1.01, 0.95),
    ),
)

TEST_CITIES: Final = (
    City(
        name="ostermund",
        walls=_BRICK[1:] + _CREAM[:3],
        styles=("plaster", "brick", "concrete"),
        roofs=_SLATE + _CLAY,
        pitched=0.7,
        floors=(3, 5),
        lanes=(1, 2),
        pavement=(2.2, 3.8),
        verge=0.3,
        garden=0.25,
        gaps=0.2,
        shops=0.4,
        trees=(0.25, 0.7),
        leaves=(78, 92, 46),
        parking=0.55,
        traffic=1.0,
        people=1.0,
        tram=0.25,
        elevation=(20, 40),
        direct=(0.4, 0.8),
        clouds=(0.2, 0.6),
        zenith=(120, 140, 168),
        haze=(206, 198, 184),
        visibility=(160, 360),
        asphalt=(94, 92, 89),
        paving=(124, 120, 112),
        livery=(120, 60, 110),
        tint=(1.04, 1.0, 0.9),
    ),
    City(
        name="hohenlee",
        walls=_GREY + _PASTEL[:2],
        styles=("concrete", "plaster"),
        roofs=_SLATE,
        pitched=0.4,
        floors=(3, 7),
        lanes=(1, 2),
        pavement=(2.6, 4.2),
        verge=0.4,
        garden=0.3,
        gaps=0.25,
        shops=0.3,
        trees=(0.3, 0.8),
        leaves=(70, 88, 48),
        parking=0.5,
        traffic=1.1,
        people=0.8,
        tram=0.3,
        elevation=(30, 50),
        direct=(0.0, 0.1),
        clouds=(0.85, 1.0),
        zenith=(178, 186, 190),
        haze=(208, 214, 213),
        visibility=(120, 260),
        asphalt=(82, 84, 84),
        paving=(112, 112, 108),
        livery=(60, 90, 140),
        tint=(0.95, 1.01, 1.0),
    ),
)

#: Split -> its cities; as in the real dataset, no city is in two splits.
CITIES: Final = {"train": TRAIN_CITIES, "val": VAL_CITIES, "test": TEST_CITIES}

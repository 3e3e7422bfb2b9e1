"""One frame of an invented city: plan a street, place its objects, paint them."""

from typing import Final

import numpy as np

from cityseg.arrays import Uint8Array
from cityseg.sample.scene.canvas import Camera, Canvas, Polygon
from cityseg.sample.scene.chance import Chance
from cityseg.sample.scene.cities import CITIES, City
from cityseg.sample.scene.film import border_polygons, develop, paint_bonnet
from cityseg.sample.scene.ground import Ground, footprint
from cityseg.sample.scene.layout import Thing, painting_order
from cityseg.sample.scene.light import Light
from cityseg.sample.scene.nature import paint_sky
from cityseg.sample.scene.roadside import Roadside
from cityseg.sample.scene.street import lay_street, plan_street
from cityseg.sample.scene.traffic import Traffic

#: Objects that frames must have in turn; the eight together have every class.
ROTATION: Final = tuple(
    frozenset(names)
    for names in (
        ("bus", "fence", "rider"),
        ("train", "wall", "traffic light"),
        ("truck", "motorcycle", "guard rail"),
        ("junction", "fence", "rider", "persongroup"),
        ("parking", "wall", "caravan", "bus"),
        ("truck", "fence", "bridge", "polegroup"),
        ("train", "motorcycle", "junction", "dynamic"),
        ("rider", "wall", "trailer", "cargroup"),
    )
)


def place_of(split: str, index: int) -> tuple[str, int]:
    """The name of the city of frame `index` of a split, and the frame's number in that city."""
    return _city(split, index).name, index // len(CITIES[split])


def _city(split: str, index: int) -> City:
    """The city of a frame: the cities of a split take turns."""
    return CITIES[split][index % len(CITIES[split])]


def render(
    split: str, index: int, size_hw: tuple[int, int], seed: int
) -> tuple[Uint8Array, list[Polygon]]:
    """Paint a picture, (H, W, 3) uint8 RGB, and its annotation's polygons in painting order.

    The result depends on the arguments only.
    """
    key = (seed, tuple(CITIES).index(split), index)
    plans, lights, stands, moves, paint = (np.random.default_rng((*key, part)) for part in range(5))
    city = _city(split, index)
    light = _light(lights, city)
    camera = Camera(
        size_hw,
        horizon=0.44 + plans.uniform(-0.012, 0.012),
        yaw=plans.normal(0.0, 0.025),
        bend=plans.choice((0.0, 0.0, -1 / 500, 1 / 600, 1 / 1200)),
    )
    # Shifted by one every eight frames, so that no city always gets the same ones.
    wanted = ROTATION[(index + index // len(ROTATION)) % len(ROTATION)]
    street = plan_street(plans, city, wanted)
    canvas = Canvas(camera, light)
    paint_sky(canvas, int(paint.integers(1 << 30)))
    ground = Ground(canvas)
    lay_street(ground, street, city, paint)
    things = [
        *Roadside(street, city, Chance(stands), wanted, camera.bend).things(),
        *Traffic(street, city, Chance(moves), wanted).things(),
    ]
    _cast_shadows(ground, things, light)
    ground.finish()
    for thing in painting_order(things, camera.bend):
        middle = (thing.left + thing.right) / 2
        canvas.sunlit = ground.sunlit(middle, max(thing.near - 0.1, 2)) if thing.height else 1.0
        thing.paint(canvas)
    paint_bonnet(canvas)
    exposure = lights.uniform(0.9, 1.08)
    picture = develop(canvas, int(paint.integers(1 << 30)), city.tint, exposure)
    return picture, canvas.polygons + border_polygons(size_hw, _tilt(city))


def blank_annotation(split: str, index: int, size_hw: tuple[int, int]) -> list[Polygon]:
    """Annotate all as void, as the real test split is."""
    height, width = size_hw
    frame = [(0, 0), (width - 1, 0), (width - 1, height), (0, height)]
    return [Polygon("out of roi", frame), *border_polygons(size_hw, _tilt(_city(split, index)))]


def _tilt(city: City) -> float:
    """Tilt of the camera in this city's car, −1 to 1."""
    return (len(city.name) * 7 % 9 - 4) / 4


def _light(random: np.random.Generator, city: City) -> Light:
    return Light(
        azimuth=random.choice((0, 180)) + random.normal(0, 40),
        elevation=random.uniform(*city.elevation),
        direct=random.uniform(*city.direct),
        visibility=random.uniform(*city.visibility),
        haze=city.haze,
        zenith=city.zenith,
        clouds=random.uniform(*city.clouds),
    )


def _cast_shadows(ground: Ground, things: list[Thing], light: Light) -> None:
    for thing in things:
        if not thing.height or thing.near > 140:
            continue
        box = thing.left, thing.right, max(thing.near, 1.5), thing.far
        if light.direct > 0.1:
            shadow = footprint(*box, light.shadow(thing.height))
            shadow[:, 2] = np.maximum(shadow[:, 2], 1.2)
            ground.shade(shadow)
        if thing.near < 90:
            grown = (box[0] - 0.12, box[1] + 0.12, box[2] - 0.12, box[3] + 0.12)
            ground.shade(footprint(*grown, (0, 0)), contact=True)

"""Place what moves or is parked in a street: vehicles and people."""

from collections.abc import Iterator
from functools import partial
from typing import Final

import numpy as np

from cityseg.sample.scene.canvas import Canvas
from cityseg.sample.scene.cars import COLORS, SHAPES, Car, paint_car
from cityseg.sample.scene.chance import Chance
from cityseg.sample.scene.cities import City
from cityseg.sample.scene.layout import Thing
from cityseg.sample.scene.light import Color, mix
from cityseg.sample.scene.people import Person, TwoWheeler, paint_person, paint_two_wheeler
from cityseg.sample.scene.street import Side, Street
from cityseg.sample.scene.vehicles import SIZES, Box, paint_box

AWAY: Final = 0.0
TOWARDS: Final = np.pi
_TRUCKS: Final[tuple[Color, ...]] = (
    (196, 196, 190),
    (170, 172, 172),
    (70, 96, 130),
    (150, 60, 48),
    (190, 170, 90),
)


class Traffic:
    """Vehicles and people in a street of a city, drawn at random; `wanted` must be among them."""

    def __init__(self, street: Street, city: City, chance: Chance, wanted: frozenset[str]) -> None:
        """Draw from `chance`."""
        self.street, self.city, self.chance, self.wanted = street, city, chance, wanted

    def things(self) -> Iterator[Thing]:
        """Yield all vehicles and people."""
        for side in self.street.sides:
            yield from self._parked(side)
            yield from self._walkers(side)
            yield from self._parked_bicycles(side)
        yield from self._driving()
        yield from self._crossing()
        yield from self._big_vehicles()
        yield from self._tram()
        yield from self._on_hooks()
        yield from self._riders()
        yield from self._groups()

    # -- cars -------------------------------------------------------------------------------

    def _car(self, u: float, z: float, heading: float) -> Thing:
        chance = self.chance
        kinds = tuple(SHAPES)
        kind = kinds[int(chance.random.choice(len(kinds), p=(0.32, 0.2, 0.24, 0.16, 0.08)))]
        color = COLORS[int(chance.random.integers(len(COLORS)))]
        car = Car(u, z, heading, kind, color, chance.seed(), chance.happens(0.4))
        half, wide = SHAPES[kind].length / 2, SHAPES[kind].width / 2
        if abs(np.sin(heading)) > 0.5:
            half, wide = wide, half
        paint = partial(paint_car, car=car)
        return Thing(u - wide, u + wide, z - half, z + half, paint, SHAPES[kind].height * 0.9)

    def _parked(self, side: Side) -> Iterator[Thing]:
        if side.parking < 1:
            return
        chance = self.chance
        full = chance.between(0.35, 0.9)
        z = chance.between(8, 16)
        while z < 95:
            away = side.side > 0 or chance.happens(0.15)
            u = side.side * (side.kerb - 1.12) + chance.between(-0.1, 0.1)
            car = self._car(u, z, AWAY if away else TOWARDS)
            clear = self.street.crossing is None or not -3 < z - self.street.crossing < 7
            if chance.happens(full) and clear and not self.street.blocked(z, z):
                yield car
            z += chance.between(5.3, 6.6)

    def _driving(self) -> Iterator[Thing]:
        """Cars in the camera's direction and oncoming cars."""
        chance = self.chance
        lanes = [(u, AWAY) for u in self.street.ahead]
        lanes += [(u, TOWARDS) for u in self.street.oncoming]
        for u, heading in lanes:
            z = chance.between(11, 38) if heading == AWAY else chance.between(10, 34)
            while z < 130:
                car = self._car(u + float(chance.random.normal(0, 0.2)), z, heading)
                if chance.happens(0.62 * self.city.traffic) and not self._reserved(u, z):
                    yield car
                z += chance.between(9, 34)

    def _reserved(self, u: float, z: float) -> bool:
        """Whether a wanted object needs this place or a free view past it."""
        if "motorcycle" in self.wanted and z < 22:
            return True
        if "cargroup" in self.wanted and u == self.street.oncoming[-1] and z > 14:
            return True
        lanes = self.street.ahead[-1], self.street.oncoming[-1]
        return bool({"bus", "truck"} & self.wanted) and u in lanes and 14 < z < 70

    def _crossing(self) -> Iterator[Thing]:
        """Cars on the crossing street, and people on the pedestrian crossing."""
        chance, street = self.chance, self.street
        if street.junction:
            near, far = street.junction
            for heading, z in ((np.pi / 2, near + 2.2), (-np.pi / 2, far - 2.2)):
                if chance.happens(0.6):
                    yield self._car(chance.between(-14, 14), z, heading)
        if street.crossing and chance.happens(0.5):
            for _ in range(int(chance.random.integers(1, 4))):
                u = chance.between(-street.left.kerb, street.right.kerb)
                turn = 0.0 if chance.happens(0.5) else np.pi
                yield self._person(u, street.crossing + chance.between(0.3, 2.6), turn)

    # -- big vehicles -----------------------------------------------------------------------

    def _box(
        self, kind: str, u: float, z: float, heading: float, color: Color, accent: Color
    ) -> Thing:
        box = Box(kind, u, z, heading, color, accent)
        length, width, height, _ = SIZES[kind]
        half, wide = length / 2, width / 2
        return Thing(u - wide, u + wide, z - half, z + half, partial(paint_box, box=box), height)

    def _big_vehicles(self) -> Iterator[Thing]:
        """A bus or a truck where it is wanted, and sometimes elsewhere."""
        chance, livery = self.chance, self.city.livery
        for kind in ("bus", "truck"):
            if kind in self.wanted or chance.happens(0.06):
                ahead = chance.happens(0.5)
                lane = (self.street.ahead if ahead else self.street.oncoming)[-1]
                color, accent = livery, mix(livery, (210, 210, 206), 0.7)
                if kind == "truck":
                    color, accent = chance.color(_TRUCKS), chance.color(_TRUCKS)
                z = chance.between(30, 58)
                yield self._box(kind, lane, z, AWAY if ahead else TOWARDS, color, accent)

    def _tram(self) -> Iterator[Thing]:
        if self.street.median != "tracks":
            return
        chance, livery = self.chance, self.city.livery
        left, right = self.street.median_span
        towards = chance.happens(0.6)
        share = 0.25 if towards else 0.75
        z = chance.between(42, 72)
        if "train" in self.wanted or chance.happens(0.3):
            pale = mix(livery, (214, 212, 204), 0.75)
            u = left + (right - left) * share
            yield self._box("train", u, z, TOWARDS if towards else AWAY, pale, livery)

    def _on_hooks(self) -> Iterator[Thing]:
        """A trailer or a caravan parked at the kerb."""
        side = self.street.right if self.street.right.parking > 1 else self.street.left
        u = side.side * (side.kerb - (1.2 if side.parking > 1 else -1.5))
        paints: dict[str, Color] = {"trailer": (96, 104, 98), "caravan": (206, 204, 196)}
        for kind, color in paints.items():
            if kind in self.wanted:
                z = self.chance.between(16, 30)
                yield self._box(kind, u, z, AWAY, color, self.city.livery)

    # -- people -----------------------------------------------------------------------------

    def _walkers(self, side: Side) -> Iterator[Thing]:
        chance = self.chance
        inner, outer = side.walk
        for _ in range(chance.count(3.2 * self.city.people)):
            z = 8 + float(chance.random.gamma(2.0, 11))
            u = side.side * chance.between(inner + 0.4, max(outer - 0.4, inner + 0.5))
            turn = float(chance.random.choice((-1, 1)) * np.pi / 2 + chance.random.normal(0, 0.7))
            for number in range(2 if chance.happens(0.25) else 1):
                yield self._person(u + 0.55 * number, z + 0.3 * number, turn)

    def _person(self, u: float, z: float, turn: float) -> Thing:
        chance = self.chance
        height = chance.between(1.56, 1.9) if chance.happens(0.88) else chance.between(1.1, 1.4)
        person = Person(u, z, height, turn, chance.happens(0.72), chance.seed())
        paint = partial(paint_person, person=person)
        return Thing(u - 0.25, u + 0.25, z - 0.1, z + 0.1, paint, height * 0.9)

    def _ride(self, kind: str, u: float, z: float, turn: float, *, ridden: bool) -> Thing:
        ride = TwoWheeler(kind, u, z, turn, ridden, self.chance.seed())
        paint = partial(paint_two_wheeler, ride=ride)
        return Thing(u - 0.15, u + 0.15, z - 0.5, z + 0.5, paint, 1.4)

    def _parked_bicycles(self, side: Side) -> Iterator[Thing]:
        chance = self.chance
        for _ in range(chance.count(0.8)):
            z, turn = chance.between(9, 45), chance.between(-1.2, 1.2)
            u = side.side * (side.walk[1] - 0.8)
            for number in range(int(chance.random.integers(1, 5))):
                ride = TwoWheeler("bicycle", u, z + 0.7 * number, turn, False, chance.seed())
                paint = partial(paint_two_wheeler, ride=ride)
                yield Thing(u - 0.4, u + 0.4, ride.z, ride.z + 0.1, paint, 0.5)

    def _riders(self) -> Iterator[Thing]:
        chance, street = self.chance, self.street
        for _ in range(int("rider" in self.wanted) + chance.count(0.25)):
            u = street.right.kerb - street.right.parking - chance.between(0.4, 0.9)
            z, turn = chance.between(10, 26), chance.between(1.1, 1.45)
            yield self._ride("bicycle", u, z, turn, ridden=True)
        if "motorcycle" in self.wanted or chance.happens(0.05):
            yield self._motorcycle()
        if street.junction and chance.happens(0.6):
            u, z = chance.between(-9, 9), street.junction[0] + chance.between(0.5, 1.5)
            turn = 0.1 if chance.happens(0.5) else np.pi - 0.1
            yield self._ride("bicycle", u, z, turn, ridden=True)

    def _motorcycle(self) -> Thing:
        """A motorcycle ahead, oncoming or parked, near the camera and within the picture."""
        chance, street = self.chance, self.street
        role = chance.word(("ahead", "ahead", "oncoming", "oncoming", "parked"))
        if role == "parked" and street.right.parking > 1:
            role = "ahead"  # parked cars would hide it
        places = {
            "ahead": (street.ahead[-1], chance.between(1.15, 1.5)),
            "oncoming": (street.oncoming[0], -chance.between(1.1, 1.5)),
            "parked": (street.right.kerb + 0.9, chance.between(0.2, 1.0)),
        }
        u, turn = places[role]
        u += chance.between(-0.6, 0.6) * (role != "parked")
        z = max(8.0, abs(u) / 0.4) + chance.between(0, 5)
        return self._ride("motorcycle", u, z, turn, ridden=role != "parked")

    def _groups(self) -> Iterator[Thing]:
        """Groups, too far away to separate: annotators draw one outline around them."""
        chance = self.chance
        if "cargroup" in self.wanted:
            u, z = self.street.oncoming[-1], chance.between(50, 60)
            row = [self._car(u, z + 6.5 * number, TOWARDS) for number in range(4)]
            paint = partial(_paint_group, label="cargroup", members=row[::-1])
            yield Thing(row[0].left, row[0].right, row[0].near, row[-1].far, paint, 1.3)
        if "persongroup" in self.wanted:
            side, z = self.street.left, chance.between(30, 48)
            places = [side.side * (side.walk[0] + 0.6 + 0.42 * number) for number in range(5)]
            crowd = [self._person(u, z, np.pi / 2) for u in places]
            left, right = side.span(*side.walk)
            paint = partial(_paint_group, label="persongroup", members=crowd)
            yield Thing(left, right, z, z + 0.2, paint, 1.5)


def _paint_group(canvas: Canvas, label: str, members: list[Thing]) -> None:
    with canvas.thing(label):
        for member in members:
            member.paint(canvas)

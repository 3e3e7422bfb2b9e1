"""Place what stands beside the road: houses, gaps between them, trees, poles, signs, bins."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import numpy as np

from cityseg.sample.scene.buildings import (
    Bridge,
    Building,
    Front,
    Wall,
    paint_bridge,
    paint_building,
    paint_front,
    paint_wall,
)
from cityseg.sample.scene.canvas import Canvas
from cityseg.sample.scene.chance import Chance
from cityseg.sample.scene.cities import City
from cityseg.sample.scene.facades import Facade
from cityseg.sample.scene.furniture import (
    CLUTTER_KINDS,
    SIGN_KINDS,
    STEEL,
    Barrier,
    Clutter,
    Pole,
    Sign,
    TrafficLight,
    paint_barrier,
    paint_clutter,
    paint_pole,
    paint_sign,
    paint_traffic_light,
)
from cityseg.sample.scene.layout import Thing
from cityseg.sample.scene.light import Color, mix, scale
from cityseg.sample.scene.nature import Hedge, Tree, paint_hedge, paint_tree
from cityseg.sample.scene.street import Side, Street

#: How far the rows of houses reach, in metres.
_REACH: Final = 190.0
_FENCES: Final[tuple[Color, ...]] = ((70, 76, 74), (112, 92, 70), (150, 150, 144), (54, 72, 60))
_WALLS: Final[tuple[Color, ...]] = (
    (134, 126, 112),
    (118, 116, 112),
    (128, 82, 66),
    (156, 148, 130),
)
_CLUTTER: Final[tuple[Color, ...]] = ((92, 96, 92), (60, 76, 64), (84, 84, 88), (120, 116, 100))


class Roadside:
    """Objects beside a street of a city, drawn at random; `wanted` must be among them."""

    def __init__(
        self, street: Street, city: City, chance: Chance, wanted: frozenset[str], bend: float
    ) -> None:
        """Draw from `chance`; `bend` is the street's, in 1/m."""
        self.street, self.city, self.chance = street, city, chance
        self.wanted, self.bend = wanted, bend

    def things(self) -> Iterator[Thing]:
        """Yield all objects that do not move."""
        yield from self._street_end()
        yield from self._junction_corners()
        for side in self.street.sides:
            yield from self._row(side)
            yield from self._trees(side)
            yield from self._lamps(side)
            yield from self._signs(side)
            yield from self._clutter(side)
        yield from self._signals()
        yield from self._extras()

    # -- houses -----------------------------------------------------------------------------

    def _facade(self, width: float) -> Facade:
        city, chance = self.city, self.chance
        wall = chance.color(city.walls)
        return Facade(
            width=width,
            floors=int(chance.random.integers(city.floors[0], city.floors[1] + 1)),
            style=chance.word(city.styles),
            wall=wall,
            trim=mix(wall, (206, 204, 196), chance.between(0.2, 0.75)),
            shop=chance.happens(city.shops),
            seed=chance.seed(),
        )

    def _row(self, side: Side) -> Iterator[Thing]:
        """Houses along one side, with gaps between some."""
        chance, city = self.chance, self.city
        z = max(3.0, side.front / 0.62 - chance.between(0, 8))
        end, top = 0.0, 0.0  # of the previous house
        while z < _REACH:
            width = chance.between(8, 17) * (1 if z < 80 else 1.6)
            if self.street.blocked(z, z + width):
                z = (self.street.junction or (0, z))[1] + 4.5
            elif chance.happens(city.gaps):
                yield from self._gap(side, z, z + width * 0.8)
                z += width * 0.8
            else:
                facade = self._facade(width)
                exposed = z > end + 1 or facade.height > top + 1
                end, top = z + width, facade.height
                yield self._house(side, z, facade, exposed=exposed)
                if side.garden:
                    yield from self._boundary(side, z, end)
                z = end + (chance.between(2, 6) if city.garden > 0.5 else 0)

    def _house(self, side: Side, z: float, facade: Facade, *, exposed: bool) -> Thing:
        chance = self.chance
        front = side.front + (chance.between(0, 1.5) if side.garden else 0)
        pitched = chance.happens(self.city.pitched) and facade.style != "glass"
        house = Building(
            side=side.side,
            u=side.side * front,
            near=z,
            far=z + facade.width,
            facade=facade,
            roof="pitched" if pitched else "flat",
            tiles=chance.color(self.city.roofs),
            exposed=exposed,
        )
        left, right = side.span(front, front + house.depth)
        paint = partial(paint_building, building=house)
        return Thing(left, right, house.near, house.far, paint, facade.height)

    def _gap(self, side: Side, near: float, far: float) -> Iterator[Thing]:
        yield from self._boundary(side, near, far)
        for _ in range(int(self.chance.random.integers(2, 5))):
            u = side.side * (side.front + self.chance.between(3, 12))
            yield self._tree(u, self.chance.between(near, far), 7, 12)

    def _boundary(self, side: Side, near: float, far: float) -> Iterator[Thing]:
        """Hedge, fence, wall or nothing between pavement and garden."""
        chance = self.chance
        u = side.side * (side.walk[1] + 0.15)
        kind = chance.between(0, 1)
        if far - near < 2 or near > 110:
            return
        if kind < 0.45:
            hedge = Hedge(u, near, far, chance.between(1.0, 2.1), self._leaf(), chance.seed())
            yield _along(u, near, far, partial(paint_hedge, hedge=hedge), hedge.height)
        elif kind < 0.7:
            yield self._fence(u, near, far)
        elif kind < 0.9:
            yield self._wall(side, u, near, far)

    def _fence(self, u: float, near: float, far: float) -> Thing:
        chance = self.chance
        kind = "pickets" if chance.happens(0.4) else "fence"
        barrier = Barrier(kind, u, near, far, chance.between(1.0, 1.7), chance.color(_FENCES))
        return _along(u, near, far, partial(paint_barrier, barrier=barrier), 0.4)

    def _wall(self, side: Side, u: float, near: float, far: float) -> Thing:
        chance = self.chance
        height, color = chance.between(1.1, 2.4), chance.color(_WALLS)
        wall = Wall(side.side, u, near, far, height, color, chance.seed())
        return _along(u, near, far, partial(paint_wall, wall=wall), height)

    def _street_end(self) -> Iterator[Thing]:
        """Houses across the street's end, and trees."""
        z = _REACH + 15
        left = -130.0 - self.bend / 2 * z * z
        right = left + 260
        while left < right:
            width = self.chance.between(14, 26)
            if self.chance.happens(0.6):
                yield self._front(left, z, width)
            else:
                yield self._tree(left + width / 2, z - 4, 10, 16)
            left += width

    def _junction_corners(self) -> Iterator[Thing]:
        """Houses on the far side of the crossing street, seen from the front."""
        if self.street.junction is None:
            return
        z = self.street.junction[1] + 4.6
        for side in self.street.sides:
            distance = side.front + 10.2
            while distance < 0.62 * z + 6:
                width = self.chance.between(9, 15)
                if self.chance.happens(0.8):
                    yield self._front(side.span(distance, distance + width)[0], z, width)
                distance += width

    def _front(self, left: float, z: float, width: float) -> Thing:
        front = Front(left, z, self._facade(width), self.chance.color(self.city.roofs))
        paint = partial(paint_front, front=front)
        return Thing(left, left + width, z, z + 9, paint, front.facade.height)

    # -- trees ------------------------------------------------------------------------------

    def _leaf(self) -> Color:
        autumn = max(0.0, self.chance.between(-0.25, 0.25))
        leaf = scale(self.city.leaves, self.chance.between(0.85, 1.12))
        return mix(leaf, (120, 112, 44), autumn)

    def _tree(self, u: float, z: float, low: float, high: float) -> Thing:
        chance = self.chance
        height = chance.between(low, high)
        radius = height * chance.between(0.26, 0.38)
        tree = Tree(u, z, height, radius, self._leaf(), chance.seed())
        return _upright(u, z, partial(paint_tree, tree=tree), height * 0.8, 0.2)

    def _trees(self, side: Side) -> Iterator[Thing]:
        """A row of trees at the kerb, with some places empty."""
        chance = self.chance
        share = chance.between(*self.city.trees)
        pitch = chance.between(8, 13)
        u = side.side * (side.kerb + (side.verge / 2 if side.verge else 0.8))
        tall = chance.between(6.5, 12)
        for z in np.arange(chance.between(11, 20), 150, pitch):
            tree = self._tree(u, float(z) + chance.between(-1, 1), tall * 0.85, tall * 1.1)
            if chance.happens(share) and not self.street.blocked(z - 2, z + 2, 2):
                yield tree

    # -- furniture --------------------------------------------------------------------------

    def _lamps(self, side: Side) -> Iterator[Thing]:
        chance = self.chance
        u = side.side * (side.kerb + 0.45)
        for z in np.arange(chance.between(9, 26), 130, chance.between(24, 34)):
            arm = -side.side * chance.between(1.4, 2.4)
            pole = Pole(u, float(z), chance.between(7, 9), 0.15, arm)
            if not self.street.blocked(pole.z, pole.z, 1):
                yield _upright(u, pole.z, partial(paint_pole, pole=pole), 7)

    def _signs(self, side: Side) -> Iterator[Thing]:
        chance = self.chance
        u = side.side * (side.kerb + 0.45)
        for _ in range(chance.count(2.0)):
            z = chance.between(8, 60)
            if chance.happens(0.04):
                pole, signs = Pole(u, z, 4.4, 0.2), [Sign("board", u, 3.8, z - 0.2)]
            else:
                heights = (2.6, 1.85)[: 1 + chance.happens(0.3)]
                pole = Pole(u, z, 2.9, 0.08)
                signs = [Sign(chance.word(SIGN_KINDS), u, y, z - 0.2) for y in heights]
            yield _upright(u, z, partial(paint_pole, pole=pole), 2.5)
            for sign in signs:
                yield _upright(u, sign.z, partial(paint_sign, sign=sign), 0)

    def _clutter(self, side: Side) -> Iterator[Thing]:
        chance = self.chance
        for _ in range(chance.count(2.2)):
            kind = chance.word(CLUTTER_KINDS)
            inside = kind in ("cabinet", "bench", "column")
            u = side.side * (side.walk[1] - 0.5 if inside else side.kerb + 0.5)
            clutter = Clutter(kind, u, chance.between(9, 50), chance.color(_CLUTTER))
            yield _upright(u, clutter.z, partial(paint_clutter, clutter=clutter), 1)

    def _signals(self) -> Iterator[Thing]:
        """Traffic lights at both kerbs of the crossing, sometimes one over the road."""
        chance, z = self.chance, self.street.crossing
        certain = self.street.junction is not None or "traffic light" in self.wanted
        if z is None and "traffic light" in self.wanted:
            z = chance.between(18, 32)
        if z is None or not (certain or chance.happens(0.4)):
            return
        shows = int(chance.random.integers(3))
        for side in self.street.sides:
            u = side.side * (side.kerb + 0.5)
            arm = -3.2 if side.side > 0 and chance.happens(0.5) else 0.0
            pole = Pole(u, z, 5.6 if arm else 3.5, 0.13)
            yield _upright(u, z, partial(paint_pole, pole=pole), 3)
            places = [(u, 2.3)]
            if arm:
                beam = Pole(u, z + 0.2, 5.5, 0.12, arm)
                yield _upright(u, beam.z, partial(paint_pole, pole=beam), 0)
                places.append((u + arm, 4.75))
            for place, low in places:
                light = TrafficLight(place, z - 0.2, low, shows)
                yield _upright(u, light.z, partial(paint_traffic_light, light=light), 0)

    # -- wanted objects -----------------------------------------------------------------------

    def _extras(self) -> Iterator[Thing]:
        chance, street, wanted = self.chance, self.street, self.wanted
        side = street.sides[int(chance.random.integers(2))]
        curb, house = side.side * (side.kerb + 0.4), side.side * (side.walk[1] - 0.1)
        near = chance.between(10, 15)
        far = near + chance.between(9, 16)
        if street.junction and far > street.junction[0] - 4:
            near, far = 8.0, street.junction[0] - 4
        if "fence" in wanted:
            yield self._fence(house, near, far)
        if "wall" in wanted:
            yield self._wall(side, house, near, far)
        if "guard rail" in wanted:
            rail = Barrier("guard rail", curb, near, near + 34, 0.75, scale(STEEL, 1.35))
            yield _along(curb, near, near + 34, partial(paint_barrier, barrier=rail), 0.4)
        if "bridge" in wanted:
            half = max(street.left.front, street.right.front) - 0.5
            bridge = Bridge(chance.between(75, 110), half, 5.2, (138, 134, 124))
            paint = partial(paint_bridge, bridge=bridge)
            yield Thing(-half - 40, half + 40, bridge.z, bridge.z + 9, paint)
        if "polegroup" in wanted:
            pole = Pole(curb, chance.between(12, 20), 5, 0.14, 0, "polegroup")
            yield _upright(curb, pole.z, partial(paint_pole, pole=pole), 4)
        if "dynamic" in wanted:
            u = side.side * (side.walk[0] + 1)
            pram = Clutter("pram", u, chance.between(11, 20), (60, 62, 92))
            yield _upright(u, pram.z, partial(paint_clutter, clutter=pram), 0.8)


def _along(
    u: float, near: float, far: float, paint: Callable[[Canvas], None], height: float
) -> Thing:
    """A thin object along the street."""
    return Thing(u - 0.15, u + 0.15, near, far, paint, height)


def _upright(
    u: float, z: float, paint: Callable[[Canvas], None], height: float, half: float = 0.08
) -> Thing:
    """A slim object at one place."""
    return Thing(u - half, u + half, z - half, z + half, paint, height)

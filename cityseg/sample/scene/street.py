"""The plan of a street: lanes, kerbs, pavements, verges and the building line."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from cityseg.sample.scene.cities import City
from cityseg.sample.scene.ground import FAR, NEAR, Ground, Strip, dashes, strip_points
from cityseg.sample.scene.light import Color, scale

LANE: Final = 3.3
_GRASS: Final = (86, 100, 52)
_TRACK: Final = (104, 98, 90)


@dataclass(frozen=True)
class Side:
    """One side of the street (-1 left, 1 right); distances from the camera's path, outwards.

    The road ends at `kerb`, and its last `parking` metres are for parking. Then come the widths of
    grass (`verge`), `pavement` and `garden`, and the houses at `front`.
    """

    side: int
    kerb: float
    parking: float
    verge: float
    pavement: float
    garden: float

    @property
    def walk(self) -> tuple[float, float]:
        """Distances of the pavement's inner and outer edge."""
        return self.kerb + self.verge, self.kerb + self.verge + self.pavement

    @property
    def front(self) -> float:
        """Distance of the houses."""
        return self.walk[1] + self.garden

    def span(self, inner: float, outer: float) -> tuple[float, float]:
        """Convert two distances to u, the smaller first."""
        edges = sorted((self.side * inner, self.side * outer))
        return edges[0], edges[1]


@dataclass(frozen=True)
class Street:
    """The whole plan; `ahead` and `oncoming` are the u of the lanes' middles.

    `median` divides the directions: "" (a line), "grass" or "tracks", over `median_span` in u.
    `junction` is the extent in z of a crossing street, `crossing` the z of a pedestrian crossing.
    """

    left: Side
    right: Side
    ahead: tuple[float, ...]
    oncoming: tuple[float, ...]
    median: str
    median_span: tuple[float, float]
    junction: tuple[float, float] | None
    crossing: float | None
    parking_label: str = "road"
    sides: tuple[Side, Side] = field(init=False)

    def __post_init__(self) -> None:
        """Set `sides`, both sides in one tuple."""
        object.__setattr__(self, "sides", (self.left, self.right))

    def blocked(self, near: float, far: float, margin: float = 4.0) -> bool:
        """Whether the crossing street overlaps this stretch."""
        if self.junction is None:
            return False
        return near < self.junction[1] + margin and far > self.junction[0] - margin


def plan_street(random: np.random.Generator, city: City, wanted: frozenset[str]) -> Street:
    """Plan a street of this city at random; `wanted` names what it must have."""
    lanes = int(random.integers(city.lanes[0], city.lanes[1] + 1))
    own = int(random.integers(lanes))  # number of lanes between the camera's and the kerb
    aside = random.uniform(-0.25, 0.25)
    middle = aside - LANE / 2 - (lanes - 1 - own) * LANE
    median, width = "", 0.0
    if "train" in wanted or random.random() < city.tram * 0.4:
        median, width = "tracks", 6.6
    elif lanes > 1 and random.random() < 0.5:
        median, width = "grass", random.uniform(2.0, 4.5)
    ahead = tuple(middle + LANE * (i + 0.5) for i in range(lanes))
    oncoming = tuple(middle - width - LANE * (i + 0.5) for i in range(lanes))
    junction = None
    if "junction" in wanted or random.random() < 0.22:
        start = random.uniform(20, 42)
        junction = start, start + random.uniform(8, 13)
    crossing = junction[0] - 4.5 if junction else None
    if crossing is None and random.random() < 0.3:
        crossing = random.uniform(16, 40)
    return Street(
        left=_plan_side(random, city, -1, -(middle - width - lanes * LANE), wanted),
        right=_plan_side(random, city, 1, middle + lanes * LANE, wanted),
        ahead=ahead,
        oncoming=oncoming,
        median=median,
        median_span=(middle - width, middle),
        junction=junction,
        crossing=crossing,
        parking_label="parking" if "parking" in wanted else "road",
    )


def _plan_side(
    random: np.random.Generator, city: City, side: int, road: float, wanted: frozenset[str]
) -> Side:
    parking = 2.2 if "parking" in wanted or random.random() < city.parking else 0.3
    verge = random.uniform(1.4, 3.0) if random.random() < city.verge else 0.0
    pavement = random.uniform(*city.pavement)
    garden = random.uniform(3.0, 7.0) if random.random() < city.garden else 0.0
    return Side(side, road + parking, parking, verge, pavement, garden)


def lay_street(ground: Ground, street: Street, city: City, random: np.random.Generator) -> None:
    """Lay the ground, from the land below to the markings on the road."""
    open_land = city.garden > 0.4 or random.random() < 0.4
    label, color = ("terrain", _GRASS) if open_land else ("ground", scale(city.paving, 0.92))
    ground.lay(Strip(label, color, -400, 400, roughness=14))
    for side in street.sides:
        _lay_side(ground, side, city)
    # Each strip reaches under its neighbour, so that rounding leaves no gap between them.
    road = Strip(
        "road", city.asphalt, -street.left.kerb - 0.3, street.right.kerb + 0.3, roughness=6
    )
    if street.junction:
        near, far = street.junction
        ground.lay(Strip("sidewalk", city.paving, -400, 400, near - 3, near, slabs=0))
        ground.lay(Strip("sidewalk", city.paving, -400, 400, far, far + 3, slabs=0))
        ground.lay(Strip("road", city.asphalt, -400, 400, near, far, roughness=6))
    ground.lay(road)
    _lay_repairs(ground, street, city, random)
    for side in street.sides:
        _lay_kerb(ground, side, street, city)
    _lay_median(ground, street)
    _mark_lanes(ground, street, random)
    if street.crossing:
        _mark_crossing(ground, street, street.crossing, zebra=random.random() < 0.6)


def _lay_side(ground: Ground, side: Side, city: City) -> None:
    if side.garden:
        ground.lay(
            Strip("terrain", _GRASS, *side.span(side.walk[1] - 0.3, side.front + 2), roughness=16)
        )
    ground.lay(
        Strip(
            "sidewalk",
            city.paving,
            *side.span(side.kerb, side.walk[1] + (0 if side.garden else 0.6)),
            slabs=1.0,
        )
    )


def _lay_kerb(ground: Ground, side: Side, street: Street, city: City) -> None:
    """Lay the kerb, up to the crossing street and beyond it, then verge and parking lane."""
    stretches = [(NEAR, FAR)]
    if street.junction:
        stretches = [(NEAR, street.junction[0]), (street.junction[1], FAR)]
    for near, far in stretches:
        left, right = side.span(side.kerb, side.kerb + 0.5)
        ground.lay(Strip("sidewalk", city.paving, left, right, near, far, kerb=-side.side))
        if side.verge:
            inside = side.span(side.kerb + 0.2, side.kerb + side.verge)
            ground.lay(Strip("terrain", _GRASS, *inside, near, far, roughness=16, ragged=0.06))
        if side.parking > 1:
            cobbles = scale(city.paving, 0.8)
            lane = side.span(side.kerb - side.parking, side.kerb - 0.25)
            if street.parking_label == "parking":
                ground.lay(Strip("parking", cobbles, *lane, near, far, roughness=12, slabs=1.0))


def _lay_repairs(ground: Ground, street: Street, city: City, random: np.random.Generator) -> None:
    """Mark patches and manhole covers."""
    for _ in range(int(random.integers(2, 6))):
        z = random.uniform(5, 30)
        u = random.uniform(-street.left.kerb, street.right.kerb - 2)
        patch = strip_points(u, u + random.uniform(0.5, 2), z, z + random.uniform(1, 8))
        ground.mark(patch, scale(city.asphalt, random.uniform(0.84, 1.06)), wear=0)
    for _ in range(int(random.integers(0, 3))):
        z, u = random.uniform(6, 24), random.uniform(-2.5, 2.5)
        turn = np.linspace(0, 2 * np.pi, 17)[:-1]
        for radius, shade in ((0.36, 0.62), (0.3, 0.78)):
            cover = np.stack(
                (u + radius * np.cos(turn), 0 * turn, z + radius * np.sin(turn)), axis=1
            )
            ground.mark(cover, scale(city.asphalt, shade), wear=0)


def _lay_median(ground: Ground, street: Street) -> None:
    left, right = street.median_span
    stretches = [(NEAR, FAR)]
    if street.junction:
        stretches = [(NEAR, street.junction[0]), (street.junction[1], FAR)]
    if street.median == "grass":
        for near, far in stretches:
            ground.lay(
                Strip(
                    "terrain", _GRASS, left + 0.2, right - 0.2, near, far, roughness=16, ragged=0.05
                )
            )
            for edge, side in ((left, 1), (right, -1)):
                ground.mark(
                    strip_points(edge, edge + 0.2 * side, near, far), (150, 150, 144), wear=0.1
                )
    elif street.median == "tracks":
        ground.lay(Strip("rail track", _TRACK, left + 0.15, right - 0.15, roughness=10))
        for middle in ((left * 0.75 + right * 0.25), (left * 0.25 + right * 0.75)):
            for rail in (-0.72, 0.72):
                ground.mark(
                    strip_points(middle + rail - 0.09, middle + rail + 0.09, NEAR, FAR),
                    (66, 64, 62),
                    wear=0,
                )
                ground.mark(
                    strip_points(middle + rail - 0.04, middle + rail + 0.04, NEAR, FAR),
                    (168, 168, 166),
                    wear=0,
                )


def _mark_lanes(ground: Ground, street: Street, random: np.random.Generator) -> None:
    stop = street.crossing - 1.5 if street.crossing else FAR
    edges = [(street.ahead[i] + street.ahead[i + 1]) / 2 for i in range(len(street.ahead) - 1)]
    edges += [
        (street.oncoming[i] + street.oncoming[i + 1]) / 2 for i in range(len(street.oncoming) - 1)
    ]
    if not street.median:
        edges.append(street.median_span[1])
    offset = random.uniform(0, 6)
    for edge in edges:
        for start, end in dashes(NEAR + offset, 110, 3.0, 4.5):
            if not street.blocked(start, end, 0) and (end < stop or start > stop + 7):
                ground.mark_line(edge, start, end)
    for side in street.sides:
        if side.parking > 1 and street.parking_label == "road":
            line = side.side * (side.kerb - side.parking)
            for start, end in dashes(NEAR, 70, 0.8, 0.8):
                if not street.blocked(start, end, 0):
                    ground.mark_line(line, start, end, 0.1)
    if random.random() < 0.2:
        _mark_arrow(ground, 0.0 + street.ahead[-1], random.uniform(10, 15))


def _mark_arrow(ground: Ground, u: float, z: float) -> None:
    ground.mark(strip_points(u - 0.08, u + 0.08, z, z + 2.6))
    ground.mark(np.array(((u - 0.35, 0, z + 2.6), (u, 0, z + 4.2), (u + 0.35, 0, z + 2.6))))


def _mark_crossing(ground: Ground, street: Street, z: float, *, zebra: bool) -> None:
    """Mark a pedestrian crossing at z, with a stop line before it."""
    left, right = -street.left.kerb, street.right.kerb
    if zebra:
        for u in np.arange(left + 0.5, right - 0.4, 1.0):
            ground.mark(strip_points(float(u), float(u) + 0.5, z, z + 3.2))
    else:
        for line in (z, z + 3.2):
            for u in np.arange(left + 0.3, right - 0.4, 0.9):
                ground.mark(strip_points(float(u), float(u) + 0.5, line, line + 0.15))
    middle = street.median_span[1]
    stop_line: Color = (200, 200, 194)
    ground.mark(strip_points(middle + 0.1, right - 0.3, z - 1.6, z - 1.15), stop_line)

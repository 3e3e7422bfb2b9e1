"""Sky, trees, hedges and bushes."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from cityseg.sample.scene.canvas import Canvas, Floats, Floats32, noise
from cityseg.sample.scene.ground import FAR
from cityseg.sample.scene.light import FACING, UP, Color, mix, scale

_BARK: Final = (74, 66, 56)


def paint_sky(canvas: Canvas, seed: int) -> None:
    """Fill everything above the horizon: a gradient, and clouds that flatten towards it."""
    light = canvas.light
    width = canvas.rgb.shape[1]
    horizon = int(canvas.xy([(0, 0, FAR)])[0, 1]) + 3
    up = np.linspace(1, 0, horizon, dtype=np.float32)[:, None]
    across = np.linspace(-1, 1, width, dtype=np.float32)[None]
    distance = 0.35 / (up + 0.12)
    offset = np.float32(seed % 997 / 997)
    field = noise(across * distance * 0.6 + offset, distance + 0 * across + offset)
    share = np.clip((field + 2.2 * light.clouds - 1.0) * 0.7, 0, 1) * 0.85
    base = np.stack(
        [
            light.zenith[i] + (light.haze[i] - light.zenith[i]) * (1 - up) ** 2 + 0 * across
            for i in range(3)
        ],
        axis=-1,
    )
    relief = noise(across * distance * 0.6 + offset + 0.02, distance + 0 * across + offset - 0.03)
    white = np.array(mix((238, 240, 240), light.haze, 0.35), np.float32)
    cloud = white * (1.02 + 0.1 * np.clip(field - relief, -1.5, 1.5))[..., None]
    with canvas.thing("sky"):
        base *= np.float32(1.1)
        rgb = base + (cloud - base) * share[..., None]
        canvas.paste(0, 0, rgb, np.ones((horizon, width), np.float32))


@dataclass(frozen=True)
class Tree:
    """A tree at (u, z); sizes in metres, and the colour of its leaves."""

    u: float
    z: float
    height: float
    radius: float
    color: Color
    seed: int
    trunk: float = 0.32


def paint_tree(canvas: Canvas, tree: Tree) -> None:
    """Paint a trunk that forks into a crown of two or three clouds of leaves."""
    random = np.random.default_rng(tree.seed)
    lean = random.uniform(-0.3, 0.3)
    crown = tree.height * 0.62
    with canvas.thing("vegetation"):
        _paint_trunk(canvas, tree, lean, crown)
        for _ in range(3):
            aside = random.uniform(-0.45, 0.45) * tree.radius
            lift = random.uniform(-0.12, 0.2) * tree.height
            size = random.uniform(0.62, 0.8)
            paint_leaves(
                canvas,
                (tree.u + lean + aside, crown + lift, tree.z),
                (tree.radius * size, tree.height * 0.36 * size),
                scale(tree.color, random.uniform(0.85, 1.1)),
                int(random.integers(1 << 30)),
            )


def _paint_trunk(canvas: Canvas, tree: Tree, lean: float, crown: float) -> None:
    foot, fork = tree.trunk * 0.62, tree.trunk * 0.4
    bark = canvas.light.shade(_BARK, FACING, tree.z, canvas.sunlit)
    u, z = tree.u, tree.z
    outline = (
        (u - foot, 0, z),
        (u + foot, 0, z),
        (u + lean + fork, crown, z),
        (u + lean - fork, crown, z),
    )
    canvas.fill(canvas.xy(outline), scale(bark, 0.8))
    side = 1 if canvas.light.sun[0] > 0 else -1
    edge = np.array(outline)
    edge[:, 0] = (edge[:, 0] + edge[:, 0].mean() + side * foot) / 2
    canvas.fill(canvas.xy(edge), scale(bark, 1.12))
    for fork_to in (-0.5, 0.45):
        branch = canvas.xy(
            ((u + lean * 0.6, crown * 0.72, z), (u + fork_to * tree.radius, crown * 1.15, z))
        )
        canvas.stroke(branch, scale(bark, 0.85), canvas.pixels(tree.trunk * 0.4, z))


def paint_leaves(
    canvas: Canvas,
    center: tuple[float, float, float],
    radii: tuple[float, float],
    color: Color,
    seed: int,
) -> None:
    """Paint a cloud of leaves, `radii` in metres across and up, lit by the sun."""
    middle = canvas.xy([center])[0]
    reach = np.array((canvas.pixels(radii[0], center[2]), canvas.pixels(radii[1], center[2])))
    left, top, right, bottom = canvas.window(
        np.stack((middle - 1.25 * reach, middle + 1.25 * reach))
    )
    if right - left < 1 or bottom - top < 1 or reach.min() < 0.5:
        return
    alpha, tone = _leaves(canvas, (left, top, right, bottom), (middle, reach), max(radii), seed)
    sun = canvas.light.sun
    lit = canvas.light.on((sun[0] * 0.5, 0.6, -0.5), canvas.sunlit)
    clear = np.float32(canvas.light.clearness(center[2]))
    warmth = np.clip(tone - 0.7, 0, 1)
    rgb = np.empty((*tone.shape, 3), np.float32)
    for channel, yellow in enumerate((0.1, 0.0, -0.2)):
        leaf = np.float32(color[channel] * lit[channel]) * clear
        haze = np.float32(canvas.light.haze[channel]) * (1 - clear)
        rgb[..., channel] = tone * (1 + np.float32(yellow) * warmth) * leaf + haze
    canvas.paste(left, top, rgb, alpha)


def _leaves(
    canvas: Canvas,
    box: tuple[int, int, int, int],
    ellipse: tuple[Floats, Floats],
    span: float,
    seed: int,
) -> tuple[Floats32, Floats32]:
    """(H, W) alpha and (H, W) tone: dark gaps, lit clumps, brighter at the top and sunward."""
    left, top, right, bottom = box
    middle, reach = ellipse
    size = right - left, bottom - top
    columns, rows = (max(1, length // canvas.scale) for length in size)
    x = (left + (np.arange(columns) + 0.5) * size[0] / columns - middle[0]) / reach[0]
    y = (top + (np.arange(rows) + 0.5) * size[1] / rows - middle[1]) / reach[1]
    across, down = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
    offset, wide = np.float32(seed % 9973 / 9973), np.float32(span)
    clumps = noise(across * (wide * 0.11) + offset, down * (wide * 0.11) + 3 * offset)
    twigs = noise(across * (wide * 0.45) + 5 * offset, down * (wide * 0.45))
    twigs += 0.55 * noise(across * (wide * 1.9), down * (wide * 1.9) + offset)
    if reach.min() > 40 * canvas.scale:
        twigs += 0.4 * noise(across * (wide * 5.7) + offset, down * (wide * 5.7))
    field = 1 - across**2 - down**2 + 0.2 * clumps + 0.15 * twigs
    alpha = np.clip(field * np.float32(max(2.0, float(reach.min()) * 0.25)), 0, 1)
    sunward = np.float32(0.16 * np.sign(canvas.light.sun[0]) * canvas.light.direct)
    tone = 0.62 - 0.24 * down + sunward * across + 0.12 * clumps + 0.14 * twigs
    tone = np.clip(tone, 0.22, 1.35)
    if canvas.scale > 1:
        alpha, tone = cv2.resize(alpha, size), cv2.resize(tone, size)
    return np.asarray(alpha, np.float32), np.asarray(tone, np.float32)


@dataclass(frozen=True)
class Hedge:
    """A clipped or ragged hedge along the street at u, from near to far."""

    u: float
    near: float
    far: float
    height: float
    color: Color
    seed: int


def paint_hedge(canvas: Canvas, hedge: Hedge) -> None:
    """Paint a row of clouds of leaves in front of a dark green slab."""
    slab: Floats = np.array(
        [
            (hedge.u, y, z)
            for y, z in (
                (0, hedge.near),
                (hedge.height, hedge.near),
                (hedge.height, hedge.far),
                (0, hedge.far),
            )
        ]
    )
    random = np.random.default_rng(hedge.seed)
    step = hedge.height * 0.8
    with canvas.thing("vegetation"):
        canvas.face(slab * (1, 0.9, 1), scale(hedge.color, 0.6), UP)
        z = hedge.far
        while z > hedge.near:
            place = (hedge.u, hedge.height * random.uniform(0.44, 0.54), z)
            radii = (hedge.height * 0.75, hedge.height * random.uniform(0.48, 0.58))
            paint_leaves(canvas, place, radii, hedge.color, int(random.integers(1 << 30)))
            z -= step * max(1.0, z / 22)

"""Turn the canvas into a camera picture: the bonnet, the frame's border, tone and grain."""

from typing import Final

import cv2
import numpy as np

from cityseg.arrays import Uint8Array
from cityseg.sample.scene.canvas import Canvas, Floats32, Polygon, noise
from cityseg.sample.scene.light import Color

#: Mean brightness, 0–1, that the camera's automatic exposure tries to reach.
_AIM: Final = 0.4


def border_polygons(size_hw: tuple[int, int], tilt: float) -> list[Polygon]:
    """The border of every frame: what rectification lost at the top, and margins out of the roi.

    `tilt` (−1 to 1) is the camera's: on which side of the top edge rectification loses more.
    """
    height, width = size_hw
    last_x = width - 1
    edge = max(1, round(width * 5 / 2048))
    wedge = max(1, round(edge * (1 + abs(tilt))))
    top = [(0, 0), (last_x, 0), (last_x, wedge if tilt > 0 else 0), (0, 0 if tilt > 0 else wedge)]
    margins = (
        (0, 0, last_x, edge),  # a polygon covers its last column, but not its last row
        (0, 0, edge - 1, height),
        (width - edge, 0, last_x, height),
        (0, height - edge, last_x, height),
    )
    return [
        *(
            Polygon("out of roi", [(left, up), (right, up), (right, down), (left, down)])
            for left, up, right, down in margins
        ),
        Polygon("rectification border", top),
    ]


def paint_bonnet(canvas: Canvas) -> None:
    """Paint the camera car's own bonnet, which mirrors some sky."""
    height, width = canvas.rgb.shape[:2]
    across = np.linspace(0, 1, 33)
    crest = height * (0.925 + 0.085 * np.abs(2 * across - 1.05) ** 2.2)
    arc = np.stack((across * (width - 1), crest), axis=1)
    outline = np.concatenate((arc, [(width + 2, height + 2), (-2, height + 2)]))
    light = canvas.light
    with canvas.thing("ego vehicle"):
        canvas.fill(outline, light.shade((40, 44, 43), (0, 0.6, -0.4)))
    shine = light.shade((70, 76, 76), (0, 0.9, -0.2))
    rim = np.concatenate((arc, arc[::-1] + np.array((0, height * 0.008))))
    canvas.fill(rim, shine)
    for share in (0.32, 0.68):  # creases towards the windscreen
        start = np.array((width * (0.5 + (share - 0.5) * 0.8), height * 0.945))
        canvas.stroke(np.stack((start, (width * share, height * 1.01))), shine, width / 900)


def develop(canvas: Canvas, seed: int, tint: Color, exposure: float) -> Uint8Array:
    """The picture at the frame's size as the camera saves it: (H, W, 3) uint8 RGB."""
    height, width = canvas.camera.size_hw
    small = cv2.resize(canvas.rgb, (width, height), interpolation=cv2.INTER_AREA)
    picture: Floats32 = np.asarray(small, np.float32) * np.float32(1 / 255)
    picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), max(0.35, width / 3600)), np.float32)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    exposure *= float(np.clip(_AIM / picture.mean(), 0.8, 1.7))  # the automatic exposure
    falloff = exposure * (1 - 0.2 * (0.75 * x * x + 0.35 * y * y))
    random = np.random.default_rng(seed)
    wander = noise(x + 0 * y + np.float32(random.random()), y + 0 * x) * np.float32(0.012)
    noisy = 0.5 + 0.5 * width / 2048  # each pixel of a smaller picture averages more
    grain = random.standard_normal((height, width), np.float32) * np.float32(0.008 * noisy)
    speckle = random.standard_normal((height, width, 3), np.float32) * np.float32(0.005 * noisy)
    picture = picture * (falloff + wander)[..., None] * np.array(tint, np.float32)
    picture = picture ** np.float32(1.12) * np.float32(0.96) + np.float32(0.015)
    picture = picture + grain[..., None] + speckle
    return np.clip(picture * 255, 0, 255).astype(np.uint8)

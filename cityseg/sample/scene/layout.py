"""The objects of a street and the order in which they are painted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cityseg.sample.scene.canvas import Canvas


@dataclass(frozen=True)
class Thing:
    """An object on the street: its footprint in metres, and how it is painted.

    `height` is that of its shadow's source, in metres; 0 for no shadow.
    """

    left: float
    right: float
    near: float
    far: float
    paint: Callable[[Canvas], None]
    height: float = 0.0


def painting_order(things: Sequence[Thing], bend: float) -> list[Thing]:
    """Sort from back to front, so that an object comes after those that it covers.

    An object is behind another that ends before it begins. Of two beside each other, the one
    further from the camera's path is behind; in a bend, the line of sight replaces the path.
    """
    if not things:
        return []
    box = np.array([(t.left, t.right, t.near, t.far) for t in things])
    left, right, near, far = box.T
    middle = (near + far) / 2
    path = bend / 2 * middle**2
    aside = np.minimum(np.abs(left - path), np.abs(right - path))
    aside[(left <= path) & (right >= path)] = 0
    behind = near[:, None] >= far[None] - 1e-6
    together = ~behind & ~behind.T
    same_side = np.sign(left + right - 2 * path)[:, None] == np.sign(left + right - 2 * path)[None]
    first = behind | (together & same_side & (aside[:, None] > aside[None] + 1e-6))
    np.fill_diagonal(first, False)
    waits = first.sum(axis=0)
    order: list[Thing] = []
    open_things = np.ones(len(things), bool)
    while open_things.any():
        # The farthest of those that cover no unpainted object; a cycle is broken at its farthest.
        free = open_things & (waits == 0)
        candidates = np.flatnonzero(free if free.any() else open_things)
        chosen = int(candidates[np.argmax(middle[candidates])])
        open_things[chosen] = False
        waits -= first[chosen]
        order.append(things[chosen])
    return order

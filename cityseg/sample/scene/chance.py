"""One source of chance, asked in a fixed order."""

import numpy as np

from cityseg.sample.scene.light import Color, scale


class Chance:
    """Draws that read like sentences; `random` is there for everything else."""

    def __init__(self, random: np.random.Generator) -> None:
        """Draw from `random`."""
        self.random = random

    def seed(self) -> int:
        """A seed of its own for a thing, so that its details move nothing else."""
        return int(self.random.integers(1 << 30))

    def happens(self, share: float) -> bool:
        """True in this share of all cases, 0–1."""
        return bool(self.random.random() < share)

    def between(self, low: float, high: float) -> float:
        """Any number between two."""
        return float(self.random.uniform(low, high))

    def count(self, mean: float) -> int:
        """How many of something that comes by itself, at this mean."""
        return int(self.random.poisson(mean))

    def color(self, colors: tuple[Color, ...]) -> Color:
        """One of the colours, a little lighter or darker."""
        jitter = self.between(0.88, 1.08)
        return scale(colors[int(self.random.integers(len(colors)))], jitter)

    def word(self, words: tuple[str, ...]) -> str:
        """One of the words."""
        return words[int(self.random.integers(len(words)))]

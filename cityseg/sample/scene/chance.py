"""Random draws; the scenes ask for them in a fixed order, so a seed always gives one picture."""

import numpy as np

from cityseg.sample.scene.light import Color, scale


class Chance:
    """Named draws from one generator; `random` is the generator for all others."""

    def __init__(self, random: np.random.Generator) -> None:
        """Draw from `random`."""
        self.random = random

    def seed(self) -> int:
        """A seed for one object, so that its details change no other object."""
        return int(self.random.integers(1 << 30))

    def happens(self, share: float) -> bool:
        """True with this probability, 0–1."""
        return bool(self.random.random() < share)

    def between(self, low: float, high: float) -> float:
        """A uniform number between the two."""
        return float(self.random.uniform(low, high))

    def count(self, mean: float) -> int:
        """A Poisson number with this mean."""
        return int(self.random.poisson(mean))

    def color(self, colors: tuple[Color, ...]) -> Color:
        """One of the colours, slightly lighter or darker."""
        jitter = self.between(0.88, 1.08)
        return scale(colors[int(self.random.integers(len(colors)))], jitter)

    def word(self, words: tuple[str, ...]) -> str:
        """One of the words."""
        return words[int(self.random.integers(len(words)))]

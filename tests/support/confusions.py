"""Confusion stores of small maps: by hand, or at random."""

import numpy as np

from cityseg.metrics import ConfusionStore, count_frame


def store_of_maps(*frames: tuple[list[int], list[int]]) -> ConfusionStore:
    """A frame for each pair of label ids: ground truth, prediction."""
    maps = [[np.array([ids], np.uint8) for ids in pair] for pair in frames]
    counts = [count_frame(f"val/a/{number}", *each) for number, each in enumerate(maps)]
    return ConfusionStore.of(counts)


def random_store(frames: int = 5, seed: int = 0) -> ConfusionStore:
    """Frames of 6×6 pixels with instances."""
    rng = np.random.default_rng(seed)
    counts = []
    for index in range(frames):
        truth, predicted = rng.choice([0, 7, 23, 24, 26, 29], (2, 6, 6)).astype(np.uint8)
        ids = np.where(truth >= 24, truth * np.uint16(1000) + rng.integers(0, 2), truth)
        counts.append(count_frame(f"frame {index}", truth, predicted, ids.astype(np.uint16)))
    return ConfusionStore.of(counts)

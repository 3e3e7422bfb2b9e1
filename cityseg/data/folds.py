"""Folds: parts of the training frames, one of which a training leaves out so as to be judged on it.

Frames of one city or drive show the same streets, so a part is made of whole ones. Where a dataset
has no cities, the drive is what comes before the last "_" of a frame's name.
"""

from collections import Counter
from collections.abc import Sequence

from cityseg.data.frame import Frame
from cityseg.errors import ConfigError


def part_of_frames(frames: Sequence[Frame], fold: str) -> list[Frame]:
    """The part `fold` of `frames`, such as "2/3": part 2 of 3, counted from 1.

    The parts hold about as many frames each, and depend on their number and the frames alone.
    Raises ConfigError if there are fewer cities or drives than parts.
    """
    index, count = map(int, fold.split("/"))
    groups = _groups(frames)
    sizes = Counter(groups)
    if len(sizes) < count:
        raise ConfigError(
            f"The training frames come from {len(sizes)} {'place' if len(sizes) == 1 else 'places'}"
            f" (cities or drives), which makes fewer than {count} parts: choose a smaller number"
        )
    totals = [0] * count
    part_of: dict[str, int] = {}
    for group, size in sorted(sizes.items(), key=lambda each: (-each[1], each[0])):
        smallest = totals.index(min(totals))
        part_of[group] = smallest + 1
        totals[smallest] += size
    return [frame for frame, group in zip(frames, groups, strict=True) if part_of[group] == index]


def _groups(frames: Sequence[Frame]) -> list[str]:
    """The city of each frame, or where all have one, its drive."""
    cities = [frame.city for frame in frames]
    if len(set(cities)) > 1:
        return cities
    return [frame.stem.rpartition("_")[0] or frame.stem for frame in frames]

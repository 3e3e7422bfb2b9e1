"""Label maps stored as colours or palettes that show their very values, and those that do not."""

import city
import numpy as np
import pytest
from encoded import palette_picture, write
from PIL import Image

from cityseg.data.annotations import read_grey_png, read_label_ids
from cityseg.data.masks import convert
from cityseg.errors import MaskError, ScoreError
from cityseg.labels import TRAIN_ID_OF_LABEL_ID

STREET = city.street()
SHUFFLED = np.random.default_rng(0).permutation(34).astype(np.uint8)


def shuffled_greys(values):
    """A palette picture as programs that make files small write it: any order, few entries."""
    palette = np.zeros((34, 3), np.uint8)
    palette[SHUFFLED] = np.arange(34)[:, np.newaxis]
    return palette_picture(SHUFFLED[values], palette)


def with_alpha(values, alpha):
    return np.dstack([values] * 3 + [np.broadcast_to(np.uint8(alpha), values.shape)])


STORED = {
    "three equal channels": lambda values: np.dstack([values] * 3),
    "opaque": lambda values: with_alpha(values, 255),
    "a palette of greys": lambda values: palette_picture(
        values, np.repeat(np.arange(256, dtype=np.uint8)[:, np.newaxis], 3, axis=1)
    ),
    "a palette of greys in any order": shuffled_greys,
}
NO_VALUES = {
    "a palette that was lost": lambda values: palette_picture(values, np.zeros((256, 3), np.uint8)),
    "another channel": lambda values: np.dstack([values, values, values // 2]),
    "opacity that varies": lambda values: with_alpha(values, values),
}


def stored(tmp_path, how, values=STREET):
    return city.write(tmp_path / "map.png", city.encode(how(values)))


@pytest.mark.parametrize("how", STORED)
def test_the_values_of_a_map_of_greys_are_read(tmp_path, how):
    path = stored(tmp_path, STORED[how])
    assert np.array_equal(read_label_ids(path), STREET)
    assert np.array_equal(read_grey_png(path, np.uint8), STREET)


@pytest.mark.parametrize("how", NO_VALUES)
def test_a_picture_that_shows_no_values_is_refused(tmp_path, how):
    path = stored(tmp_path, NO_VALUES[how])
    with pytest.raises(MaskError, match="one grey channel of 8 bits are needed"):
        read_label_ids(path)
    with pytest.raises(ScoreError):
        read_grey_png(path, np.uint8)


@pytest.mark.parametrize("how", ["three equal channels", "a palette of greys in any order"])
def test_the_encoding_of_a_dataset_of_such_maps_is_judged_by_their_values(tmp_path, how):
    write(tmp_path, [STREET], lambda ids: STORED[how](ids))
    report = convert(tmp_path)
    assert (report.encoding, report.converted) == ("labelids", 1)
    (mask,) = (tmp_path / "masks").rglob("*_mask.png")
    assert np.array_equal(np.array(Image.open(mask)), TRAIN_ID_OF_LABEL_ID[STREET])

"""JPEG files that were cut and closed again, beside whole ones."""

from pathlib import Path

import city
import numpy as np
import pytest

from cityseg.data.images import decode_frame, is_whole
from cityseg.data.jpeg import find_end, is_cut_and_closed
from cityseg.errors import ImageError
from cityseg.labels import LABEL_ID_PALETTE


def picture(bar: int = 0) -> np.ndarray:
    """A noisy street, (256, 512, 3) uint8, with `bar` black rows at its bottom."""
    noise = np.random.default_rng(0).integers(-9, 10, (256, 512, 3))
    pixels = (LABEL_ID_PALETTE[city.street(256, 512)] + noise).clip(0, 255).astype(np.uint8)
    pixels[len(pixels) - bar :] = 0
    return pixels


OPTIONS = [{}, {"quality": 95, "subsampling": 0}, {"optimize": True}, {"progressive": True}]


@pytest.mark.parametrize("options", OPTIONS[:3])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_what_was_cut_and_closed_is_found(options, share):
    whole = city.encode(picture(), "JPEG", **options)
    cut = whole[: int(len(whole) * share)] + b"\xff\xd9"
    assert is_cut_and_closed(cut, city.decode(cut))


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("bar", [0, 40, 100, 256])
def test_a_whole_picture_is_whole_with_a_black_bar_too(options, bar):
    whole = city.encode(picture(bar), "JPEG", **options)
    assert not is_cut_and_closed(whole, city.decode(whole))


def test_a_picture_of_one_channel_is_looked_at():
    whole = city.encode(picture()[..., 0], "JPEG")
    cut = whole[: len(whole) // 2] + b"\xff\xd9"
    assert is_cut_and_closed(cut, np.dstack([city.decode(cut)] * 3))


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize(
    "behind",
    [b"", b"\n", b"\0" * 9, b"SEFH\x6b\0\xff\xd8SEFT", b"\0\0\0\x18ftypmp42 a video"],
)
def test_what_a_camera_adds_behind_a_picture_does_no_harm(options, behind):
    whole = city.encode(picture(40), "JPEG", **options)
    assert find_end(whole + behind) == len(whole)
    assert np.array_equal(decode_frame(whole + behind, Path("x.jpg")), city.decode(whole))
    assert not is_cut_and_closed(whole + behind, city.decode(whole))


@pytest.mark.parametrize("share", [0.01, 0.3, 0.99])
def test_the_end_of_a_preview_is_not_that_of_the_picture(share):
    preview = city.encode(picture()[:64, :64], "JPEG")
    whole = city.encode(picture(), "JPEG", exif=b"Exif\0\0" + preview)
    assert preview in whole
    end = whole.index(preview) + len(preview)
    cut = whole[: end + int(share * (len(whole) - end))] + b"\n"
    assert not is_whole(cut)
    with pytest.raises(ImageError, match="is damaged or no picture"):
        decode_frame(cut, Path("x.jpg"))
    assert find_end(whole) == len(whole)

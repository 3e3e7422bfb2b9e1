"""A mask's file holds exactly its train ids; what is no mask is refused."""

import zlib
from pathlib import Path

import city
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from cityseg.data.mask_files import decode_mask, encode_mask
from cityseg.errors import MaskError


@settings(deadline=None)  # other work on the same cores must fail no test
@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2), elements=st.integers(0, 18)))
def test_a_mask_survives_encoding_and_decoding(mask):
    assert np.array_equal(decode_mask(encode_mask(mask, "stamp"), Path("m.png")), mask)


def test_a_mask_of_another_tool_is_decoded():
    mask = city.train_ids_of(city.street())
    assert np.array_equal(decode_mask(city.encode(mask), Path("m.png")), mask)


@pytest.mark.parametrize(
    "content",
    [
        city.encode(np.zeros((9, 9, 3), np.uint8)),
        city.encode(np.zeros((9, 9), np.uint16)),
        city.grey_png(9, 9),
        city.grey_png(9, 9, city.chunk(b"IDAT", b"not deflated")),
        city.grey_png(1 << 19, 1 << 19, city.chunk(b"IDAT", b"")),
        city.grey_png(9, 0, city.chunk(b"IDAT", zlib.compress(b""))),
    ],
    ids=["RGB", "16-bit", "no pixels", "not deflated", "enormous", "no rows"],
)
def test_what_is_no_mask_is_not_decoded(content):
    with pytest.raises(MaskError, match=r"m\.png is damaged or no mask: convert again"):
        decode_mask(content, Path("m.png"))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "is truncated"),
        (b"text", "is no PNG"),
        (encode_mask(np.zeros((9, 9), np.uint8), "stamp")[:-1], "is truncated"),
    ],
)
def test_a_mask_that_is_no_whole_png_is_not_decoded(content, found):
    with pytest.raises(MaskError, match=rf"^m\.png {found}: convert again"):
        decode_mask(content, Path("m.png"))


@pytest.mark.parametrize("value", [19, 33, 254])
def test_a_mask_with_a_value_that_is_no_train_id_is_not_decoded(value):
    content = encode_mask(np.full((9, 9), value, np.uint8), "stamp")
    with pytest.raises(MaskError, match="other than 0–18 and 255"):
        decode_mask(content, Path("m.png"))

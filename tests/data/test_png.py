"""PNG files of ours against Pillow and OpenCV, whole and damaged at every byte."""

import io

import city
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from cityseg.data import png

#: Other work on the same cores must fail no test.
unhurried = settings(deadline=None)

pictures = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=40))
latin_1 = st.text(st.characters(max_codepoint=255, exclude_characters="\0"), max_size=100)

SMALL = png.encode_grey(np.arange(12, dtype=np.uint8).reshape(3, 4), "keyword", "text")


@unhurried
@given(pictures, latin_1)
def test_pixels_survive_encoding_and_decoding(pixels, text):
    decoded = png.decode_grey(png.encode_grey(pixels, "keyword", text))
    assert decoded.dtype == np.uint8
    assert np.array_equal(decoded, pixels)


@unhurried
@given(pictures)
def test_pillow_reads_what_was_encoded(pixels):
    with Image.open(io.BytesIO(png.encode_grey(pixels, "keyword", "text"))) as picture:
        assert picture.mode == "L"
        assert np.array_equal(np.array(picture), pixels)


@unhurried
@given(pictures)
def test_opencv_reads_what_was_encoded(pixels):
    content = np.frombuffer(png.encode_grey(pixels, "keyword", "text"), np.uint8)
    assert np.array_equal(cv2.imdecode(content, cv2.IMREAD_UNCHANGED), pixels)


@unhurried
@given(pictures)
def test_pillow_verifies_what_was_encoded(pixels):
    Image.open(io.BytesIO(png.encode_grey(pixels, "keyword", "text"))).verify()


@pytest.mark.parametrize(
    "pixels", [city.street(1024, 2048), np.zeros((1024, 2048), np.uint8)], ids=["street", "blank"]
)
def test_a_full_size_label_map_survives(pixels):
    assert np.array_equal(png.decode_grey(png.encode_grey(pixels, "keyword", "text")), pixels)


@unhurried
@given(latin_1)
def test_pillow_finds_the_text(text):
    content = png.encode_grey(np.zeros((1, 1), np.uint8), "keyword", text)
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.text == {"keyword": text}


@unhurried
@given(latin_1)
def test_the_leading_text_is_what_was_encoded(text):
    content = png.encode_grey(np.zeros((1, 1), np.uint8), "keyword", text)
    assert png.leading_text(content, "keyword") == text


def test_the_first_bytes_suffice_for_the_text():
    assert png.leading_text(SMALL[:64], "keyword") == "text"


@unhurried
@given(arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))))
def test_pillow_and_opencv_read_an_rgb_picture_that_was_encoded(pixels):
    content = png.encode_rgb(pixels)
    by_opencv = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.array_equal(city.decode(content), pixels)
    assert np.array_equal(by_opencv, pixels)


@unhurried
@given(pictures)
def test_a_palette_picture_that_was_encoded_has_the_colors_of_its_pixels(pixels):
    palette = np.random.default_rng(0).integers(0, 256, (256, 3), np.uint8)
    with Image.open(io.BytesIO(png.encode_palette(pixels, palette))) as picture:
        assert picture.mode == "P"
        assert np.array_equal(np.array(picture), pixels)
        assert np.array_equal(np.array(picture.convert("RGB")), palette[pixels])


def test_the_kinds_of_chunks_are_those_in_the_file():
    assert png.chunk_kinds(SMALL) == {b"IHDR", b"tEXt", b"IDAT", b"IEND"}


def test_another_keyword_has_no_text():
    assert png.leading_text(SMALL, "key") is None


def test_a_file_of_pillow_has_no_leading_text():
    assert png.leading_text(city.encode(np.zeros((3, 4), np.uint8)), "keyword") is None


def test_a_cut_file_has_no_other_leading_text_than_a_part_of_what_was_written():
    found = {png.leading_text(SMALL[:cut], "keyword") for cut in range(len(SMALL))}
    assert found == {None, "", "t", "te", "tex", "text"}


@pytest.mark.parametrize(
    ("mode", "bit_depth", "color_type"),
    [
        ("L", 8, png.GREY),
        ("1", 1, png.GREY),
        ("I;16", 16, png.GREY),
        ("LA", 8, png.GREY_ALPHA),
        ("P", 1, png.PALETTE),  # Pillow packs what has few colours
        ("RGB", 8, png.RGB),
        ("RGBA", 8, png.RGBA),
    ],
)
def test_the_header_of_a_file_of_pillow(mode, bit_depth, color_type):
    content = city.encode(Image.new(mode, (7, 5)))
    assert png.read_header(content) == png.Header(7, 5, bit_depth, color_type)


def test_the_header_needs_the_first_33_bytes_only():
    assert png.read_header(SMALL[:33]) == png.Header(4, 3, 8, png.GREY)


@pytest.mark.parametrize(
    "content",
    [b"", SMALL[:32], b"\0" + SMALL[1:], SMALL.replace(b"IHDR", b"IDAT"), b"\xff\xd8\xff" * 20],
    ids=["empty", "cut in header", "other signature", "no IHDR", "JPEG"],
)
def test_what_is_no_png_has_no_header(content):
    assert png.read_header(content) is None


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "I;16"])
def test_a_file_of_pillow_has_no_damage(mode):
    assert png.find_damage(city.encode(Image.new(mode, (7, 5)))) is None


def test_our_own_file_has_no_damage():
    assert png.find_damage(SMALL) is None


@pytest.mark.parametrize("content", [SMALL, city.encode(city.street())], ids=["ours", "Pillow's"])
def test_every_cut_is_called_truncated(content):
    cuts = range(len(png.SIGNATURE), len(content))
    assert {png.find_damage(content[:cut]) for cut in cuts} == {"truncated"}


def test_every_change_of_a_byte_is_noticed():
    unnoticed = []
    for position in range(len(SMALL)):
        for flip in range(1, 256):
            changed = bytearray(SMALL)
            changed[position] ^= flip
            if png.read_header(changed) and not png.find_damage(bytes(changed)):
                unnoticed.append((position, flip))
    assert unnoticed == []


def test_no_cut_of_a_file_is_decoded():
    assert [cut for cut in range(len(SMALL)) if png.decode_grey(SMALL[:cut]) is not None] == []


@pytest.mark.parametrize(
    "content",
    [
        city.encode(Image.new("RGB", (7, 5))),
        city.broken_annotations()["palette"].content,
        city.encode(Image.new("I;16", (7, 5))),
        city.four_bit_png(np.ones((4, 8), np.uint8)),
        city.grey_png(9, 9),
        city.grey_png(9, 9, city.chunk(b"IDAT", b"not deflated")),
        city.grey_png(9, 9, city.chunk(b"IDAT", b"")),
        city.broken_annotations()["too few rows"].content,
        city.grey_png((1 << 32) - 1, (1 << 32) - 1, city.chunk(b"IDAT", b"")),
        city.encode(city.street(), compress_level=9),
    ],
    ids=[
        "RGB",
        "palette",
        "16-bit",
        "4-bit",
        "no pixels",
        "not deflated",
        "empty pixels",
        "too few rows",
        "enormous",
        "filtered rows",
    ],
)
def test_another_kind_of_file_is_not_decoded(content):
    assert png.decode_grey(content) is None

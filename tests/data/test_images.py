"""Pictures of every mode and orientation are read as a person sees them; bad ones are refused."""

import contextlib
import io
import os
import re
import resource
import struct
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import child
import city
import cv2
import numpy as np
import pillow_heif
import pytest
from PIL import Image, PngImagePlugin

from cityseg.data import images, png
from cityseg.data.dataset import find_frames
from cityseg.data.images import decode_frame, read_image
from cityseg.errors import ImageError

RED, GREEN, BLUE, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255,) * 3, (0,) * 3
#: (2, 3, 3): six colours, so that no turn or mirroring of it equals another.
UPRIGHT = np.array([[RED, GREEN, BLUE], [WHITE, BLACK, (255, 255, 0)]], np.uint8)
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "JPEG2000", "PPM")


def encode(pixels, kind="PNG", mode=None, **options):
    """A row of pixels, or an array, as a file's bytes; `mode` is Pillow's."""
    if mode is None:
        return city.encode(pixels, kind, **options)
    picture = Image.new(mode, (len(pixels), 1))
    picture.putdata(pixels)
    return city.encode(picture, kind, **options)


def png_file(width, height, depth, color_type, rows, *chunks):
    """A PNG of any depth and colour type; `rows` are the bytes of each row."""
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
    return b"".join(
        (
            png.SIGNATURE,
            city.chunk(b"IHDR", header),
            *chunks,
            city.chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))),
            city.chunk(b"IEND", b""),
        )
    )


def first_row(content):
    pixels = read_image(content)
    assert pixels.dtype == np.uint8
    return [tuple(pixel) for pixel in pixels[0].tolist()]


# --- modes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "PPM"])
def test_rgb_is_returned_as_it_is(kind):
    content = encode(UPRIGHT, kind)
    assert np.array_equal(read_image(content), UPRIGHT)


def test_lossless_webp_is_returned_as_it_is():
    assert np.array_equal(read_image(encode(UPRIGHT, "WEBP", lossless=True)), UPRIGHT)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF", "JPEG2000"])
def test_lossy_formats_come_close(kind):
    pixels = np.full((32, 32, 3), (200, 40, 90), np.uint8)
    found = read_image(encode(pixels, kind)).astype(int)
    assert found.shape == pixels.shape
    assert np.abs(found - pixels).max() <= 6


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "PPM", "GIF"])
def test_grey_has_three_equal_channels(kind):
    assert first_row(encode([0, 7, 255], kind, "L")) == [(0,) * 3, (7,) * 3, (255,) * 3]


def test_black_and_white_has_the_values_0_and_255():
    assert first_row(encode([0, 255], mode="1")) == [BLACK, WHITE]


def test_a_palette_gives_its_colours():
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, *BLUE])
    picture.putdata([0, 1])
    assert first_row(city.encode(picture)) == [(10, 20, 30), BLUE]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_transparent_pixels_show_black(kind):
    row = [(*WHITE, 255), (*WHITE, 0), (200, 100, 50, 128)]
    opaque, clear, half = first_row(encode(row, kind, "RGBA"))
    assert (opaque, clear) == (WHITE, BLACK)
    assert half == pytest.approx((100, 50, 25), abs=1)


def test_transparent_grey_shows_black():
    assert first_row(encode([(90, 255), (90, 0)], mode="LA")) == [(90,) * 3, BLACK]


def test_a_palette_entry_may_be_transparent():
    picture = Image.new("P", (2, 1))
    picture.putpalette([*RED, *BLUE])
    picture.putdata([0, 1])
    assert first_row(city.encode(picture, transparency=0)) == [BLACK, BLUE]


@pytest.mark.parametrize(
    ("color_type", "key", "row"),
    [
        (png.RGB, struct.pack(">HHH", *RED), bytes((*RED, *GREEN))),
        (png.GREY, b"\0\x09", b"\x09\xff"),
    ],
)
def test_a_png_may_declare_one_colour_transparent(color_type, key, row):
    content = png_file(2, 1, 8, color_type, [row], city.chunk(b"tRNS", key))
    assert first_row(content) == [BLACK, GREEN if color_type == png.RGB else WHITE]


def test_cmyk_is_converted():
    row = [(0, 0, 0, 0), (255, 0, 0, 0), (0, 0, 0, 255), (0, 255, 255, 0)]
    assert first_row(encode(row, "TIFF", "CMYK")) == [WHITE, (0, 255, 255), BLACK, RED]


def test_cmyk_jpeg_is_not_inverted():
    picture = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    red, green, blue = read_image(city.encode(picture, "JPEG"))[8, 8]
    assert red > 230
    assert max(green, blue) < 25


SIXTEEN_BITS = [0, 100, 257, 200 * 257, 65535]
AS_EIGHT = [0, 0, 1, 200, 255]


def test_16_bit_grey_png_is_scaled_down():
    content = png_file(5, 1, 16, png.GREY, [struct.pack(">5H", *SIXTEEN_BITS)])
    assert first_row(content) == [(value,) * 3 for value in AS_EIGHT]


def test_every_8_bit_value_survives_16_bits():
    values = np.arange(256)
    content = png_file(256, 1, 16, png.GREY, [(values * 257).astype(">u2").tobytes()])
    assert np.array_equal(read_image(content)[0, :, 0], values)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_files_are_scaled_by_the_range_of_their_values(bits, channels, kind):
    """A camera's 12 bits would be nearly black otherwise."""
    most = 2**bits - 1
    shares = np.array([[[0, 0, 1], [0.5, 0.25, 0.75]]])
    wide = np.rint(shares * most).astype(np.uint16)
    expected = np.rint(shares * 255)
    if channels == 4:
        wide = np.concatenate([wide, np.full((1, 2, 1), 65535, np.uint16)], axis=2)
    if channels == 1:
        wide, expected = wide[..., 2], expected[..., 2:].repeat(3, axis=2)
    order = {1: slice(None), 3: (..., [2, 1, 0]), 4: (..., [2, 1, 0, 3])}[channels]
    done, content = cv2.imencode(f".{kind.lower()}", np.ascontiguousarray(wide[order]))
    assert done
    assert np.abs(read_image(content.tobytes()) - expected).max() <= 1
    if kind == "PNG":  # the only format of 16 bits that frames of a dataset have
        assert np.abs(decode_frame(content.tobytes(), Path("x.png")) - expected).max() <= 1


def test_a_dark_16_bit_picture_stays_dark():
    content = png_file(1, 1, 16, png.GREY, [struct.pack(">H", 2**12)])
    assert first_row(content) == [(64, 64, 64)], "the range of 14 bits"


def test_16_bit_colours_are_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    chunk = city.chunk(b"eXIf", exif.tobytes()[6:])
    turned = png_file(2, 1, 16, png.RGB, [struct.pack(">6H", 65535, 0, 0, 0, 65535, 0)], chunk)
    assert read_image(turned).tolist() == [[list(RED)], [list(GREEN)]]


def test_16_bit_pgm_is_scaled_down():
    content = b"P5 5 1 65535\n" + struct.pack(">5H", *SIXTEEN_BITS)
    assert first_row(content) == [(value,) * 3 for value in AS_EIGHT]


@pytest.mark.parametrize("kind", ["<u2", ">u2"])
def test_16_bit_tiff_of_either_byte_order_is_scaled_down(kind):
    assert first_row(tiff(np.array([SIXTEEN_BITS], kind))) == [(value,) * 3 for value in AS_EIGHT]


def test_32_bit_integers_are_taken_for_16_bits():
    content = tiff(np.array([[-5, 257, 70_000]], np.int32))
    assert first_row(content) == [BLACK, (1, 1, 1), WHITE]


def test_16_bit_rgb_png_is_scaled_down():
    content = png_file(1, 1, 16, png.RGB, [struct.pack(">3H", 0, 200 * 257, 65535)])
    assert first_row(content) == [(0, 200, 255)]


@pytest.mark.parametrize(
    ("floats", "expected"),
    [
        ([0, 0.5, 1], [0, 128, 255]),
        ([0, 127.6, 300], [0, 128, 255]),
        ([0, 1.6, 2], [0, 2, 2]),
        ([-1, np.nan, 1], [0, 0, 255]),
    ],
)
def test_floats_go_from_0_to_1_or_to_255(floats, expected):
    assert first_row(tiff(np.array([floats], np.float32))) == [(value,) * 3 for value in expected]


def tiff(grey):
    """A TIFF of one strip, uncompressed, in the byte order and sample type of (1, W) `grey`."""
    order, samples = ("<", b"II") if grey.dtype.str[0] == "<" else (">", b"MM")
    depth, kind = 8 * grey.itemsize, 1 + "uif".index(grey.dtype.kind)
    fields = {256: grey.shape[1], 257: 1, 258: depth, 259: 1, 262: 1, 273: 0, 277: 1, 278: 1}
    fields |= {279: grey.nbytes, 339: kind}
    fields[273] = 8 + 2 + 12 * len(fields) + 4
    entries = (struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in fields.items())
    header = samples + struct.pack(f"{order}HI", 42, 8) + struct.pack(f"{order}H", len(fields))
    return header + b"".join(entries) + bytes(4) + grey.tobytes()


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame_is_taken(kind):
    frames = [Image.new("RGB", (4, 4), color) for color in (RED, BLUE)]
    options = {"lossless": True} if kind == "WEBP" else {}
    content = city.encode(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.n_frames == 2
    assert first_row(content) == [RED] * 4


def test_gamma_and_profile_chunks_change_nothing():
    chunks = city.chunk(b"gAMA", struct.pack(">I", 100_000)), city.chunk(b"sRGB", b"\0")
    content = png_file(2, 1, 8, png.RGB, [bytes((100, 50, 25, *RED))], *chunks)
    assert first_row(content) == [(100, 50, 25), RED]


def test_a_side_longer_than_opencv_allows_is_read():
    side = (1 << 20) + 1
    content = png_file(side, 1, 8, png.RGB, [bytes(RED) * side])
    assert np.array_equal(read_image(content), np.full((1, side, 3), RED))


def test_genuine_frames_are_read_as_pillow_reads_them(genuine: Path):
    frame = find_frames(genuine)[0].image
    assert frame
    with Image.open(frame) as picture:
        assert np.array_equal(read_image(frame), np.array(picture.convert("RGB")))


# --- orientation ------------------------------------------------------------------------------

#: EXIF orientation: how UPRIGHT is stored. 6: the first row is its right side, from the top down.
STORED = {
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.swapaxes(0, 1),
    6: np.rot90(UPRIGHT),
    7: UPRIGHT[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90(UPRIGHT, -1),
}


def exif_of(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", STORED)
def test_a_picture_is_turned_upright(orientation, kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    content = encode(STORED[orientation], kind, exif=exif_of(orientation), **options)
    assert np.array_equal(read_image(content), UPRIGHT)


@pytest.mark.parametrize("orientation", STORED)
def test_a_jpeg_is_turned_upright(orientation):
    large = STORED[orientation].repeat(16, 0).repeat(16, 1)
    content = encode(large, "JPEG", exif=exif_of(orientation), quality=95, subsampling=0)
    found = read_image(content)
    assert found.shape == (32, 48, 3)
    assert np.abs(found[8::16, 8::16].astype(int) - UPRIGHT).max() <= 8


def test_a_png_with_exif_in_a_text_chunk_is_turned_upright():
    raw = exif_of(6).tobytes()
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Raw profile type exif", f"\nexif\n{len(raw):8}\n{raw.hex()}\n")
    assert np.array_equal(read_image(encode(STORED[6], pnginfo=notes)), UPRIGHT)


def test_a_png_with_its_orientation_in_xmp_is_turned_upright():
    notes = PngImagePlugin.PngInfo()
    notes.add_itxt("XML:com.adobe.xmp", '<rdf:Description tiff:Orientation="6"/>')
    assert np.array_equal(read_image(encode(STORED[6], pnginfo=notes)), UPRIGHT)


@pytest.mark.parametrize(
    "exif", [b"", b"garbage", b"II*\0\xff\xff\xff\xff", exif_of(9).tobytes()[6:]]
)
def test_broken_exif_leaves_the_picture_as_stored(exif):
    row = UPRIGHT[0].tobytes()
    content = png_file(3, 1, 8, png.RGB, [row], city.chunk(b"eXIf", exif))
    assert first_row(content) == [RED, GREEN, BLUE]


# --- what is refused -------------------------------------------------------------------------


@contextlib.contextmanager
def little_memory(spare: int = 64 << 20) -> Iterator[None]:
    """Limit memory to `spare` more bytes: a decoder that starts on a bomb fails otherwise."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + spare, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def bomb(kind, side):
    """A file of a few bytes whose header claims a square of `side` pixels."""
    small = bytearray(city.encode(Image.new("RGB", (8, 8)), kind))
    if kind == "PNG":
        return png_file(side, side, 8, png.RGB, [bytes(24)])
    if kind == "JPEG":
        start = small.index(b"\xff\xc0") + 5
        small[start : start + 4] = struct.pack(">HH", side, side)
    elif kind == "GIF":
        small[6:10] = struct.pack("<HH", side, side)
    elif kind == "BMP":
        small[18:26] = struct.pack("<ii", side, side)
    elif kind == "TIFF":
        for tag in (256, 257):
            start = small.index(struct.pack("<HHI", tag, 4, 1)) + 8
            small[start : start + 4] = struct.pack("<I", side)
    elif kind == "WEBP":
        small = bytearray(city.encode(Image.new("RGB", (8, 8)), kind, lossless=True))
        bits = (side - 1) | (side - 1) << 14
        (old,) = struct.unpack_from("<I", small, 21)
        struct.pack_into("<I", small, 21, old & 0xF0000000 | bits)
    return bytes(small)


BOMBS = [
    *((kind, side) for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF") for side in (9000, 16_383)),
    ("PNG", 60_000),
    ("JPEG", 65_000),
    ("WEBP", 16_383),
]


@pytest.mark.parametrize(("kind", "side"), BOMBS)
def test_a_bomb_is_refused_by_its_header(kind, side):
    content = bomb(kind, side)
    assert len(content) < 2000
    start = time.process_time()
    with little_memory(), pytest.raises(ImageError, match=r"^The picture has more than 67 million"):
        read_image(content)
    assert time.process_time() - start < 0.5


def test_a_smaller_webp_bomb_is_refused_too():
    """Without the limit: Pillow reserves memory for it, though it never touches it."""
    with pytest.raises(ImageError, match=r"^The picture has more than 67 million"):
        read_image(bomb("WEBP", 9000))


@pytest.mark.parametrize(("kind", "side"), [("PNG", 9000), ("PNG", 60_000), ("JPEG", 65_000)])
def test_a_frame_that_is_a_bomb_is_refused(kind, side):
    content = bomb(kind, side)
    with little_memory(), pytest.raises(ImageError, match="more than 67 million pixels"):
        decode_frame(content, Path("frame"))


def test_pillow_may_only_warn_of_what_is_refused():
    """As outside these tests, where warnings are no errors."""
    with (
        pytest.warns(Image.DecompressionBombWarning),
        pytest.raises(ImageError, match="more than 67 million pixels"),
    ):
        read_image(bomb("PNG", 9500))


def test_importing_the_module_leaves_the_warning_filters_of_the_process_alone():
    code = (
        "import warnings, PIL.Image, cityseg.data.images\n"
        "print([f for f in warnings.filters if f[2] is PIL.Image.DecompressionBombWarning])"
    )
    assert child.output(code) == "[]\n"


def test_exactly_the_limit_is_read_and_a_pixel_more_is_not(monkeypatch):
    monkeypatch.setattr(images, "MAX_PIXELS", 12)
    assert read_image(encode(np.zeros((3, 4), np.uint8))).shape == (3, 4, 3)
    with pytest.raises(ImageError):
        read_image(encode(np.zeros((1, 13), np.uint8)))


def test_a_huge_file_is_refused_unread(tmp_path):
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(1 << 40)
    with little_memory(), pytest.raises(ImageError, match=r"huge\.png has 1048576 MiB.*256"):
        read_image(tmp_path / "huge.png")


def test_many_bytes_are_refused(monkeypatch):
    monkeypatch.setattr(images, "MAX_BYTES", 50)
    with pytest.raises(ImageError, match="make it smaller"):
        read_image(encode(UPRIGHT))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("eighths", range(8))
def test_a_truncated_file_is_refused(kind, eighths):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    content = encode(pixels, kind)
    assert read_image(content).shape == pixels.shape
    with pytest.raises(ImageError, match=r"^The picture is damaged or no picture: "):
        read_image(content[: len(content) * eighths // 8])


def test_a_png_is_refused_wherever_it_ends():
    content = encode(UPRIGHT)
    for end in range(len(content)):
        with pytest.raises(ImageError):
            read_image(content[:end])


def test_a_png_is_refused_whichever_bit_is_flipped():
    content = encode(UPRIGHT)
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 4
        with pytest.raises(ImageError):
            read_image(bytes(damaged))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        b"GIF89a",
        b"\xff\xd8\xff\xd9",
        png.SIGNATURE,
        bytes(4096),
    ],
)
def test_what_is_no_picture_is_refused(content):
    with pytest.raises(ImageError, match=r"^The picture is damaged or no picture: "):
        read_image(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "X is damaged or no picture: its file is empty"),
        (b"%PDF-1.7\n", "X is no picture but a PDF document: export its page as PNG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "X is no picture but a drawing in SVG: "),
        (b"\n<!doctype html><html>", "X is no picture but a web page: download the file itself"),
        (b"\0\0\0\x20ftypisom\0\0\2\0", "X is a video: predict it with python -m cityseg predict"),
        (b"RIFF\x24\0\0\0AVI LIST", "X is a video: predict it with python -m cityseg predict"),
        (b"\x1aE\xdf\xa3\x01\0\0\0", "X is a video: predict it with python -m cityseg predict"),
    ],
)
def test_what_is_taken_for_a_picture_is_called_by_its_name(content, message):
    with pytest.raises(ImageError, match="^" + re.escape(message)):
        read_image(content, "X")


def test_a_video_above_the_limit_is_called_a_video(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_BYTES", 100)
    path = city.write(tmp_path / "street.mp4", b"\0\0\0\x20ftypisom" + bytes(200))
    with pytest.raises(ImageError, match=r"street\.mp4 is a video: predict it with"):
        read_image(path)


def test_heic_is_read():
    pillow_heif.register_heif_opener()
    pixels = np.full((64, 64, 3), (200, 40, 90), np.uint8)
    found = read_image(encode(pixels, "HEIF")).astype(int)
    assert np.abs(found - pixels).max() <= 6


def test_heic_without_its_package_says_what_to_install(monkeypatch):
    pillow_heif.register_heif_opener()
    content = encode(np.zeros((64, 64, 3), np.uint8), "HEIF")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # as if it were not installed
    message = "X is a HEIC picture, which needs the package pillow-heif: install it by"
    with pytest.raises(ImageError, match=message):
        read_image(content, "X")


def test_postscript_is_not_run():
    content = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.format == "EPS"
    with pytest.raises(ImageError, match="its format is unknown"):
        read_image(content)


def test_a_message_names_the_file(tmp_path):
    (tmp_path / "a.png").write_bytes(b"text")
    with pytest.raises(ImageError, match=f"^{tmp_path}/a.png is damaged"):
        read_image(tmp_path / "a.png")
    with pytest.raises(ImageError, match=r"^upload.png is damaged"):
        read_image(b"text", "upload.png")


def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "link.png").symlink_to("gone.png")
    for path, message in (
        (tmp_path, f"There is no file {tmp_path}: name a picture"),
        (tmp_path / "missing.png", f"There is no file {tmp_path}/missing.png: name a picture"),
        (tmp_path / "pipe.png", f"{tmp_path}/pipe.png is a pipe or a device, not a file: name a"),
        (Path("/dev/zero"), "/dev/zero is a pipe or a device, not a file: name a picture"),
        (tmp_path / "link.png", f"{tmp_path}/link.png is a link to gone.png, which cannot be"),
    ):
        with pytest.raises(ImageError, match=f"^{message}"):
            read_image(path)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_that_ends_too_early_is_called_that(kind):
    content = encode(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8), kind)
    for end in (30, 200, len(content) // 2, len(content) - 3):
        with pytest.raises(ImageError, match=r"ends too early|is truncated"):
            read_image(content[:end], "X")


def test_a_pointer_of_git_lfs_is_called_one():
    with pytest.raises(
        ImageError, match=r"X is no picture but only a pointer of Git LFS: fetch the file"
    ):
        read_image(b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\n", "X")


def test_a_link_to_a_picture_is_read(tmp_path):
    (tmp_path / "link.png").symlink_to(city.write(tmp_path / "a.png", encode(UPRIGHT)))
    assert np.array_equal(read_image(tmp_path / "link.png"), UPRIGHT)


def test_a_name_need_not_be_utf_8(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    assert np.array_equal(read_image(city.write(path, encode(UPRIGHT))), UPRIGHT)


# --- frames ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_a_frame_is_decoded_as_stored(kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    content = encode(UPRIGHT, kind, exif=exif_of(6), **options)
    assert np.array_equal(decode_frame(content, Path("frame")), UPRIGHT)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("eighths", range(8))
def test_a_truncated_frame_is_refused(kind, eighths):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    content = encode(pixels, kind)
    assert decode_frame(content, Path("frame")).shape == pixels.shape
    with pytest.raises(ImageError, match=r"^frame is damaged or no picture: "):
        decode_frame(content[: len(content) * eighths // 8], Path("frame"))


def test_a_jpeg_frame_is_decoded_by_opencv():
    content = encode(UPRIGHT.repeat(16, 0).repeat(16, 1), "JPEG")
    expected = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.array_equal(decode_frame(content, Path("frame")), expected)

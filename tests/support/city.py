"""Tiny frames in the Cityscapes layout, and broken annotations for every reason code."""

import functools
import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from PIL import Image

from cityseg.arrays import Uint8Array
from cityseg.data import png
from cityseg.labels import LABEL_ID_PALETTE, TRAIN_ID_OF_LABEL_ID

EGO_VEHICLE, ROAD, SIDEWALK, BUILDING, POLE = 1, 7, 8, 11, 17
SIGN, VEGETATION, SKY, PERSON, CAR, BICYCLE = 20, 21, 23, 24, 26, 33


@functools.cache
def street(height: int = 128, width: int = 256, seed: int = 0) -> Uint8Array:
    """(H, W) uint8 label ids with the edges of a street: large surfaces, poles, ragged people."""
    rng = np.random.default_rng(seed)
    label_ids = np.full((height, width), SKY, np.uint8)
    ground = height // 2
    for label in (BUILDING, VEGETATION) * 4:
        left, top = int(rng.integers(width)), int(rng.integers(height // 8, ground))
        label_ids[top:ground, left : left + width // 5] = label
    label_ids[ground:] = ROAD
    label_ids[ground : ground + height // 8, : width // 2] = SIDEWALK
    for _ in range(5):
        left, top = int(rng.integers(width)), int(rng.integers(height // 4, ground))
        label_ids[top : ground + 4, left : left + 2] = POLE
        label_ids[top : top + 5, left : left + 6] = SIGN
    for label in (CAR, PERSON) * 6:
        center = int(rng.integers(width)), int(rng.integers(ground, height))
        axes = (14, 8) if label == CAR else (4, 12)
        cv2.ellipse(label_ids, (center, axes, int(rng.integers(360))), label, -1)
    label_ids[-height // 12 :] = EGO_VEHICLE
    label_ids.flags.writeable = False
    return label_ids


def train_ids_of(label_ids: Uint8Array) -> Uint8Array:
    return TRAIN_ID_OF_LABEL_ID[label_ids]


def encode(pixels: Any, kind: str = "PNG", **options: Any) -> bytes:
    """An array or a Pillow image as a file's bytes, by Pillow."""
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def decode(content: bytes) -> Uint8Array:
    with Image.open(io.BytesIO(content)) as picture:
        return np.array(picture)


def chunk(kind: bytes, payload: bytes) -> bytes:
    checksum = zlib.crc32(kind + payload)
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", checksum)


def grey_png(width: int, height: int, *chunks: bytes) -> bytes:
    """An 8-bit grey PNG with these chunks between header and end, all with correct checksums."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, png.GREY, 0, 0, 0))
    return b"".join((png.SIGNATURE, header, *chunks, chunk(b"IEND", b"")))


def write(path: Path, content: bytes = b"") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def image_path(root: Path, stem: str, split: str = "train", suffix: str = ".png") -> Path:
    return root / "leftImg8bit" / split / stem.split("_")[0] / f"{stem}_leftImg8bit{suffix}"


def annotation_path(
    root: Path, stem: str, split: str = "train", kind: str = "labelIds.png"
) -> Path:
    return root / "gtFine" / split / stem.split("_")[0] / f"{stem}_gtFine_{kind}"


def write_frame(root: Path, stem: str, split: str = "train", *, label_ids: Any = None) -> Path:
    """An image and its annotation, by default of a street; the annotation's path."""
    label_ids = street() if label_ids is None else label_ids
    write(image_path(root, stem, split), encode(np.zeros_like(label_ids)))
    return write(annotation_path(root, stem, split), encode(label_ids))


def write_many(root: Path, count: int) -> None:
    """Full-size frames in the split train, all with the same files: enough to stop in between."""
    first = write_frame(root, "x_0_0", label_ids=street(1024, 2048))
    for number in range(1, count):
        annotation_path(root, f"x_{number}_0").hardlink_to(first)
        image_path(root, f"x_{number}_0").hardlink_to(image_path(root, "x_0_0"))


def polygons_file(*objects: Any, size_hw: tuple[Any, Any] = (128, 256)) -> bytes:
    height, width = size_hw
    return json.dumps({"imgHeight": height, "imgWidth": width, "objects": list(objects)}).encode()


class Broken(NamedTuple):
    """An annotation file: its content, its suffix, and the reason code of its refusal."""

    reason: str
    content: bytes
    suffix: str = ".png"


@functools.cache
def broken_annotations() -> dict[str, Broken]:
    """Files that must be refused, by what is wrong with each."""
    return _broken_containers() | _broken_pixels() | _broken_values() | _broken_polygons()


def _broken_containers() -> dict[str, Broken]:
    whole, (height, width) = encode(street()), street().shape
    rows = np.pad(street(), ((0, 0), (1, 0))).tobytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    cuts = {"in signature": 5, "in header": 20, "in pixels": len(whole) // 2, "before end": -12}
    sized = [
        f"{name} with {suffix} name"
        for name in ("JPEG", "WebP")
        for suffix in (".png", f".{name.lower()}")
    ]
    return {
        **{f"cut {where}": Broken("truncated_file", whole[:cut]) for where, cut in cuts.items()},
        **{
            name: Broken("lossy_format", encode(street(), name.split()[0]), name.split()[2])
            for name in sized
        },
        **{name: Broken("no_png", encode(street(), name)) for name in ("BMP", "GIF", "TIFF")},
        "empty": Broken("empty_file", b""),
        "text": Broken("corrupt_file", b"not found\n"),
        "flipped bit": Broken("corrupt_file", bytes(flipped)),
        "no pixel data": Broken("corrupt_file", grey_png(width, height)),
        "too few rows": Broken(
            "corrupt_file",
            grey_png(width, height, chunk(b"IDAT", zlib.compress(rows[: len(rows) // 2]))),
        ),
        "pixels not deflated": Broken("corrupt_file", grey_png(9, 9, chunk(b"IDAT", rows[:90]))),
        "wider than decoders go": Broken("corrupt_file", grey_png(1 << 21, 1, chunk(b"IDAT", b""))),
        "a billion pixels": Broken("too_large", grey_png(1 << 15, 1 << 15, chunk(b"IDAT", b""))),
        "no pixels": Broken("too_large", grey_png(0, 9, chunk(b"IDAT", b""))),
    }


def _broken_pixels() -> dict[str, Broken]:
    grey = Image.fromarray(street())
    palette = grey.convert("P")
    palette.putpalette(LABEL_ID_PALETTE.tobytes())
    colors = Image.fromarray(LABEL_ID_PALETTE[street()])
    photo = np.random.default_rng(0).integers(0, 256, (128, 256, 3), np.uint8)
    return {
        "colour map": Broken("color_map", encode(colors)),
        "official colour map": Broken("color_map", encode(colors.convert("RGBA"))),
        "RGB photo": Broken("not_grey", encode(photo)),
        "RGBA photo": Broken("not_grey", encode(Image.fromarray(photo).convert("RGBA"))),
        "grey with alpha": Broken("not_grey", encode(grey.convert("LA"))),
        "palette": Broken("palette", encode(palette)),
        "4-bit palette": Broken("palette", encode(palette, bits=4)),
        "instance ids": Broken("wrong_depth", encode(street().astype(np.uint16) * 1000)),
        "1 bit": Broken("wrong_depth", encode(Image.fromarray(street() == ROAD))),
        "4 bits": Broken("wrong_depth", four_bit_png(street() % 16)),
    }


def four_bit_png(pixels: Uint8Array) -> bytes:
    """(H, W) values 0–15 as a PNG with two pixels a byte, which Pillow reads but does not write."""
    height, width = pixels.shape
    packed = np.pad(pixels[:, ::2] << 4 | pixels[:, 1::2], ((0, 0), (1, 0)))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 4, png.GREY, 0, 0, 0))
    image_data = chunk(b"IDAT", zlib.compress(packed.tobytes()))
    return b"".join((png.SIGNATURE, header, image_data, chunk(b"IEND", b"")))


def _broken_values() -> dict[str, Broken]:
    train_ids, (height, width) = train_ids_of(street()), street().shape
    double, wide, high = (width * 2, height * 2), (width * 2, height), (width, height * 3 // 2)
    cyclists = np.where(street() == CAR, np.uint8(BICYCLE), street())
    overshot = cv2.resize(cyclists, double, interpolation=cv2.INTER_CUBIC)
    by_pillow = Image.fromarray(street()).resize(double, Image.Resampling.LANCZOS)
    invented = {
        "linear": cv2.resize(street(), double, interpolation=cv2.INTER_LINEAR),
        "linear in width": cv2.resize(street(), wide, interpolation=cv2.INTER_LINEAR),
        "linear in height": cv2.resize(street(), high, interpolation=cv2.INTER_LINEAR),
        "cubic": cv2.resize(street(), double, interpolation=cv2.INTER_CUBIC),
        "area": cv2.resize(street(512, 1024), (width, height), interpolation=cv2.INTER_AREA),
        "Lanczos": np.array(by_pillow),
        "once a JPEG": decode(encode(street(), "JPEG")),
    }
    return {
        **{
            f"interpolated: {how}": Broken("interpolated", encode(np.minimum(pixels, BICYCLE)))
            for how, pixels in invented.items()
        },
        "cubic, overshooting": Broken("unknown_label", encode(overshot)),
        "train ids": Broken("train_ids", encode(train_ids)),
        "train ids without 255": Broken(
            "train_ids", encode(np.where(train_ids < 19, train_ids, 0))
        ),
        "34 somewhere": Broken("unknown_label", encode(with_pixel(street(), 34))),
    }


def with_pixel(label_ids: Uint8Array, value: int) -> Uint8Array:
    """A copy with one pixel changed."""
    changed = label_ids.copy()
    changed[3, 5] = value
    return changed


def _broken_polygons() -> dict[str, Broken]:
    def road(*vertices: Any) -> bytes:
        return polygons_file({"label": "road", "polygon": list(vertices)})

    files = {
        "no JSON": b'{"imgHeight": ',
        "no UTF-8": b"\xff\xfe\xfa",
        "a list": b"[]",
        "a number": b"5",
        "no size": b'{"objects": []}',
        "no objects": b'{"imgHeight": 8, "imgWidth": 8}',
        "deeply nested": b"[" * 100_000,
        "a number of 5,000 digits": b'{"imgHeight": ' + b"9" * 5000 + b"}",
        "endless size": polygons_file(size_hw=(float("inf"), 8)),
        "size a list": polygons_file(size_hw=([8], 8)),
        "objects null": b'{"imgHeight": 8, "imgWidth": 8, "objects": null}',
        "object a list": polygons_file([]),
        "label a number": polygons_file({"label": 7, "polygon": [[0, 0], [5, 0], [5, 5]]}),
        "no label": polygons_file({"polygon": [[0, 0], [5, 0], [5, 5]]}),
        "no polygon": polygons_file({"label": "road"}),
        "polygon null": polygons_file({"label": "road", "polygon": None}),
        "labelme": b'{"shapes": [], "imageHeight": 8, "imageWidth": 8}',
        "size of text": polygons_file(size_hw=("high", 8)),
        "flat vertices": road(0, 0, 5, 0, 5, 5),
        "vertices of three": road([0, 0, 0], [5, 0, 0], [5, 5, 0]),
        "vertices of text": road(["0", "0"], ["5", "0"], ["5", "5"]),
        "vertex null": road([None, 0], [5, 0], [5, 5]),
        "vertex NaN": road([float("nan"), 0], [5, 0], [5, 5]),
        "vertex infinite": road([0, 0], [5, float("-inf")], [5, 5]),
        "vertex beyond integers": road([0, 0], [10**30, 0], [5, 5]),
    }
    return {
        **{f"polygons: {n}": Broken("bad_polygons", c, ".json") for n, c in files.items()},
        "polygons: a billion pixels": Broken(
            "too_large", polygons_file(size_hw=(1 << 15, 1 << 15)), ".json"
        ),
        **{
            f"polygons: {name}": Broken(
                "unknown_label",
                polygons_file({"label": name, "polygon": [[0, 0], [5, 0], [5, 5]]}),
                ".json",
            )
            for name in ("unicorn", "unicorngroup")
        },
        "polygons: empty": Broken("empty_file", b"", ".json"),
    }

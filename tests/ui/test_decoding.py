"""The limit on what is decoded at a time, and what a file costs before it is decoded."""

import os
import struct
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from waiting import PATIENCE_SECONDS, until

from cityseg.data import MAX_PIXELS
from cityseg.errors import ImageError
from cityseg.ui.decoding import Budget, cost


def spend(budget: Budget, pixels: int, done: threading.Event, log: list[int]) -> threading.Thread:
    """Spend `pixels` in a thread, and keep them until `done`."""

    def run() -> None:
        with budget.spending(pixels):
            log.append(pixels)
            done.wait(PATIENCE_SECONDS)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_pictures_share_the_budget_and_wait_in_turn() -> None:
    budget, done, log = Budget(10), threading.Event(), list[int]()
    threads = [spend(budget, 6, done, log)]
    until(lambda: log == [6], "the first one did not start")
    threads.append(spend(budget, 5, done, log))
    until(lambda: budget.waiting == 1, "the second one does not wait")
    threads.append(spend(budget, 1, done, log))  # would fit, and would keep the larger one waiting
    until(lambda: budget.waiting == 2, "the third one does not wait")
    assert log == [6]
    done.set()
    for thread in threads:
        thread.join()
    assert log == [6, 5, 1]


def test_what_is_larger_than_the_budget_is_alone() -> None:
    budget = Budget(10)
    with (
        budget.spending(1000),
        pytest.raises(TimeoutError),
        budget.spending(1, patience_seconds=0.01),
    ):
        pass
    with budget.spending(10, patience_seconds=0):
        pass


def test_an_error_gives_the_pixels_back() -> None:
    budget = Budget(10)
    with pytest.raises(ImageError), budget.spending(10):
        raise ImageError("broken")
    with budget.spending(10, patience_seconds=0):
        assert budget.waiting == 0


def png_header(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + header
        + struct.pack(">I", zlib.crc32(header))
    )


def jpeg_header(width: int, height: int) -> bytes:
    frame = struct.pack(">BHHB", 8, height, width, 3) + b"\1\x11\0\2\x11\0\3\x11\0"
    return b"\xff\xd8\xff\xc0" + struct.pack(">H", len(frame) + 2) + frame + b"\xff\xd9"


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_a_picture_costs_its_pixels(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"picture{suffix}"
    Image.fromarray(np.zeros((30, 50, 3), np.uint8)).save(path)
    assert cost(path) == 1500 + path.stat().st_size // 3


@pytest.mark.parametrize(
    "content",
    [png_header(100_000, 100_000), png_header(8192, 8193), jpeg_header(65_000, 65_000)],
    ids=["png", "png just above", "jpeg"],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_bomb_is_refused_by_its_header(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bomb").write_bytes(content)
    with pytest.raises(ImageError, match=r"million pixels .* make it smaller"):
        cost(tmp_path / "bomb")


def test_the_largest_picture_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "large.png").write_bytes(png_header(8192, 8192))
    assert cost(tmp_path / "large.png") >= MAX_PIXELS


def test_a_large_file_is_refused_and_takes_no_disk(tmp_path: Path) -> None:
    with (tmp_path / "large.png").open("wb") as file:
        file.write(png_header(1, 1))
        file.truncate(1 << 30)
    with pytest.raises(ImageError, match="1024 MiB"):
        cost(tmp_path / "large.png")


@pytest.mark.parametrize("suffix", [".png", ".json"])
def test_pipes_and_devices_are_refused_at_once(tmp_path: Path, suffix: str) -> None:
    os.mkfifo(tmp_path / f"pipe{suffix}")
    (tmp_path / f"zeros{suffix}").symlink_to("/dev/zero")
    for name in ("pipe", "zeros"):
        with pytest.raises(ImageError, match="is no file"):
            cost(tmp_path / f"{name}{suffix}")


def test_polygons_cost_more_the_longer_they_are(tmp_path: Path) -> None:
    short, long = tmp_path / "short.json", tmp_path / "long.json"
    short.write_text("{}")
    long.write_text("{}" + " " * 10_000)
    assert 2048 * 1024 < cost(short) < cost(long)


def test_what_is_no_picture_costs_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("x" * 300)
    assert cost(tmp_path / "text.png") == 100

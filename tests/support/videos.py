"""Tiny videos whose frames tell their number."""

import os
import struct
from pathlib import Path

import cv2
import numpy as np

from cityseg.arrays import Uint8Array

# FFmpeg reads it once, so also where a test writes a video before cityseg opens one.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

CODECS = {".mp4": "mp4v", ".avi": "MJPG", ".mkv": "mp4v"}


def numbered(number: int, height: int = 32, width: int = 64) -> Uint8Array:
    """RGB: a bright bar at the top, whose length is the number, over a noisy picture."""
    frame = np.random.default_rng(number).integers(60, 120, (height, width, 3), np.uint8)
    frame[: height // 2] = 0
    frame[: height // 2, : 4 * number + 2] = 255
    return frame


def number_of(frame: Uint8Array) -> int:
    """The number of a frame, or of one that was made of it."""
    top = frame[1 : len(frame) // 2 - 1].mean((0, 2))
    return round((int((top > (top.max() + top.min()) / 2).sum()) - 2) / 4)


def write_video(path: Path, frames: int = 6, rate: float = 25.0, **size: int) -> Path:
    first = numbered(0, **size)
    codec = cv2.VideoWriter.fourcc(*CODECS[path.suffix])
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, rate, first.shape[1::-1])
    for number in range(frames):
        writer.write(cv2.cvtColor(numbered(number, **size), cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def turn(path: Path) -> Path:
    """Make an .mp4 say that it is to be shown turned by 90° clockwise, as phones do."""
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40
    content[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    return path


def read_frames(path: Path) -> tuple[list[Uint8Array], float]:
    """All frames (RGB) and the rate, by OpenCV alone."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    frames = []
    while True:
        is_read, bgr = capture.read()
        if not is_read:
            return frames, capture.get(cv2.CAP_PROP_FPS)
        frames.append(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))

"""Addresses beside the pages from which the browser fetches pictures.

    /frames/<token>/<kind>?frame=<split>/<city>/<stem>      a frame's picture, made when asked for
    /made/<token>                                           what `publish` was given

A token is random and known to the sessions that were given the address, so nobody else reads
anything, whatever name this server is reached by. A frame is looked up among those that were
found below the folder; no path is ever made of an address. Other origins may not embed an answer.
"""

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Final, NamedTuple
from urllib.parse import quote

from cachetools import FIFOCache
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from cityseg.data import Frame
from cityseg.errors import CitysegError, ImageError
from cityseg.ui import cached, pictures, restarts
from cityseg.ui.shell import Folders
from cityseg.ui.viewer.component import Gallery, Picture

_MEMORY_BYTES: Final = 128 << 20
_MOST_FOLDERS: Final = 16
#: Without it, nobody knows the address of a content.
_KEY: Final = secrets.token_bytes(32)
_HEADERS: Final = {
    "Cache-Control": "private, no-cache",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


class _Offer(NamedTuple):
    """What a token opens: frames by their names in addresses, found in the list `frames`."""

    token: str
    frames: Sequence[Frame]
    by_name: Mapping[str, Frame]
    masks: Path


#: Each use puts an offer in again, so the first out is the least recently used.
_offers: FIFOCache[tuple[Path, Path], _Offer] = FIFOCache(_MOST_FOLDERS)
_offers_lock = Lock()
_of_frames = pictures.Memory(_MEMORY_BYTES)
_published = pictures.Memory(_MEMORY_BYTES)


def frame_gallery(folders: Folders, frames: Sequence[Frame]) -> Gallery:
    """The pictures of `frames`, some or all of those below `folders.data`, for the viewer.

    Raises DatasetError if that folder cannot be listed.
    """
    token = _offer(folders).token
    kinds = [kind for kind in pictures.KINDS if kind != "instances"]
    if any(frame.instance_ids for frame in frames):
        kinds.append("instances")
    return Gallery([in_address(frame) for frame in frames], f"/frames/{token}/", kinds)


def frame_picture(folders: Folders, frame: Frame) -> Picture:
    """The pictures of one frame below `folders.data`: nothing is decoded before the browser asks.

    Raises DatasetError if that folder cannot be listed.
    """
    token = _offer(folders).token

    def address(kind: str) -> str:
        return f"/frames/{token}/{kind}?frame={quote(in_address(frame), safe='')}"

    return Picture(
        in_address(frame),
        image=address("image"),
        labels=address("labels") if frame.label_ids or frame.polygons else None,
        instances=address("instances") if frame.instance_ids else None,
        mask=address("mask") if frame.mask(folders.masks).is_file() else None,
    )


def publish(content: bytes, media_type: str) -> str:
    """An address at which the browser gets `content`, until some 128 MiB more were published.

    Published again it has the same address, so a rerun costs neither memory nor a fetch. Label
    maps for the viewer are what `png.encode_grey` makes.
    """
    token = hashlib.blake2b(content, key=_KEY, digest_size=16).hexdigest()
    _published.put(token, pictures.Encoded(content, media_type))
    return f"/made/{token}"


def in_address(frame: Frame) -> str:
    """The frame's name as it stands in addresses; bytes that are no UTF-8 become `?`."""
    return frame.name.encode(errors="replace").decode()


def _offer(folders: Folders) -> _Offer:
    """The offer of these folders, with the frames that are there now."""
    frames = cached.frames(folders.data)
    place = (folders.data, folders.masks)
    with _offers_lock:
        offer = _offers.get(place)
        if offer is None or offer.frames is not frames:
            token = offer.token if offer else secrets.token_urlsafe(16)
            by_name = {in_address(frame): frame for frame in frames}
            offer = _Offer(token, frames, by_name, folders.masks)
        _offers[place] = offer
    return offer


def _answer_frame(request: Request) -> Response:
    token, kind = request.path_params["token"], pictures.KINDS.get(request.path_params["kind"])
    with _offers_lock:
        offer = next((offer for offer in _offers.values() if offer.token == token), None)
    if offer is None or kind is None:  # the viewer asks for new addresses then
        return _refuse(410, "this address is of another time: reload the page")
    name = request.query_params.get("frame", "")
    if (frame := offer.by_name.get(name)) is None:
        return _refuse(404, f"there is no frame {name} any more: reload the page")
    if (path := kind.source(frame, offer.masks)) is None:
        return _refuse(404, str(kind.missing(frame)))
    try:
        key = pictures.version(path, kind)
        return _answer(request, key, lambda: _of_frames.get(key, lambda: kind.encode(path)))
    except CitysegError as error:
        return _refuse(422, str(error))


def _answer_published(request: Request) -> Response:
    token = request.path_params["token"]
    try:
        return _answer(request, token, lambda: _published.get(token, _forgotten))
    except CitysegError as error:
        return _refuse(404, str(error))


def _forgotten() -> pictures.Encoded:
    raise ImageError("this picture is no longer kept: reload the page")


def _answer(request: Request, version: str, get: Callable[[], pictures.Encoded]) -> Response:
    """The picture, or word that the browser has it already."""
    headers = {**_HEADERS, "ETag": f'"{version}"'}
    if request.headers.get("If-None-Match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    content, media_type = get()
    return Response(content, media_type=media_type, headers=headers)


def _refuse(status: int, sentence: str) -> Response:
    return PlainTextResponse(sentence, status, headers={**_HEADERS, "Cache-Control": "no-store"})


ROUTES: Final = [
    Route("/frames/{token}/{kind}", _answer_frame),
    Route("/made/{token}", _answer_published),
    restarts.ROUTE,
]

"""Addresses beside the pages, from which the browser fetches pictures and videos.

    frames/<token>/<kind>?frame=<split>/<city>/<stem>      a picture of a frame, encoded on request
    published/<token>                                      what `publish` was given
    promised/<token>                                       what `promise` will make on request
    files/<token>                                          a file that `offer_file` was given

They are relative to the page, because a reverse proxy may serve the app below a path of its own.

A token cannot be guessed and is known only to the sessions that were given the address, so nobody
else can read anything. A frame is looked up among those that were found below the folder: no path
is ever built from an address.
"""

import hashlib
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Final, NamedTuple
from urllib.parse import quote

import anyio
import anyio.to_thread
from cachetools import LRUCache
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from cityseg.data import Frame, Reading
from cityseg.errors import CitysegError, ImageError
from cityseg.ui import cached, pictures, restarts, viewer
from cityseg.ui.decoding import BUDGET, cost
from cityseg.ui.folders import Folders
from cityseg.ui.pictures import Encoded, Kind
from cityseg.ui.text import sentence, utf8
from cityseg.ui.viewer import Gallery, Picture

_KEPT_BYTES: Final = 128 << 20
_MOST_FOLDERS: Final = 16
_MOST_PROMISES: Final = 4096
_MOST_FILES: Final = 256
#: For one picture, waiting included.
_DEADLINE_SECONDS: Final = 60.0
_MOST_THREADS: Final = 16
_TOO_BUSY: Final = "The server has too many pictures to decode: try again in a minute."
_EXPIRED: Final = "This address is no longer valid: reload the page."
#: Without it, nobody can compute the token of a folder or a picture.
_KEY: Final = secrets.token_bytes(32)
#: The browser asks each time, and gets a 304 if it can.
_CACHED: Final = {"Cache-Control": "private, no-cache"}


class _Offer(NamedTuple):
    """What a token opens: frames by their names in addresses, found in the list `frames`.

    `evidence` is a folder with predictions of them, if any.
    """

    frames: Sequence[Frame]
    by_name: Mapping[str, Frame]
    masks: Path
    reading: Reading
    evidence: Path | None = None

    def kind(self, name: str, frame: Frame) -> Kind | None:
        """The kind of picture of a frame that has this name in addresses."""
        predicted = pictures.predicted_kind(name, self.evidence, frame) if self.evidence else None
        return predicted or pictures.KINDS.get(name)


class _Promise(NamedTuple):
    """A picture that is made when it is asked for, from these files."""

    make: Callable[[], Encoded]
    sources: Sequence[Path]


class _File(NamedTuple):
    """A file on the disk, and what a browser calls it that keeps it."""

    path: Path
    media_type: str
    name: str


def _size(picture: Encoded) -> int:
    """At most the whole cache, which would refuse anything larger."""
    return min(len(picture.content), _KEPT_BYTES)


_offers: LRUCache[str, _Offer] = LRUCache(_MOST_FOLDERS)
_offers_lock: Final = Lock()
_encoded: LRUCache[str, Encoded] = LRUCache(_KEPT_BYTES, getsizeof=_size)
_encoded_lock: Final = Lock()
_published: LRUCache[str, Encoded] = LRUCache(_KEPT_BYTES, getsizeof=_size)
_published_lock: Final = Lock()
_promised: LRUCache[str, "_Promise"] = LRUCache(_MOST_PROMISES)
_promised_lock: Final = Lock()
_files: LRUCache[str, _File] = LRUCache(_MOST_FILES)
_files_lock: Final = Lock()


def frame_gallery(folders: Folders, frames: Sequence[Frame]) -> Gallery:
    """The pictures of `frames`, some or all of those below `folders.data`, for the viewer.

    Annotations whose encoding is unclear are left out. Raises DatasetError if the folder cannot be
    listed.
    """
    token = _offer(folders)
    absent = {
        "instances": not any(frame.instance_ids for frame in frames),
        "values": not any(frame.label_ids for frame in frames),
    }
    if cached.reading(folders.data, folders.masks).verdict.problem():
        # Where a truth is missing the viewer would ask for masks, which nobody could make so far.
        has_masks = any(frame.mask(folders.masks).is_file() for frame in frames)
        absent |= dict.fromkeys(pictures.ANNOTATIONS, True) | {"mask": not has_masks}
    kinds = [kind for kind in pictures.KINDS if not absent.get(kind)]
    return Gallery([utf8(frame.name) for frame in frames], f"frames/{token}/", kinds)


def predicted_gallery(
    folders: Folders, frames: Sequence[Frame], evidence: Path, notes: Sequence[str]
) -> Gallery:
    """As `frame_gallery`, with the predictions that a folder of evidence has of these frames.

    The labels over thumbnails are those of the prediction.
    """
    gallery = frame_gallery(folders, frames)
    kinds = dict.fromkeys([*gallery.kinds, "prediction", "confidence", "overlay"])
    base = f"frames/{_offer(folders, evidence)}/"
    return Gallery(gallery.names, base, list(kinds), notes)


def frame_picture(folders: Folders, frame: Frame) -> Picture:
    """The addresses of one frame below `folders.data`: nothing is decoded before a request.

    An annotation whose encoding is unclear is left out. Raises DatasetError if the folder cannot be
    listed.
    """
    token = _offer(folders)
    is_clear = not cached.reading(folders.data, folders.masks).verdict.problem()

    def address(kind: str) -> str:
        return f"frames/{token}/{kind}?frame={quote(utf8(frame.name), safe='')}"

    return Picture(
        utf8(frame.name),
        image=address("image"),
        labels=address("labels") if is_clear and (frame.label_ids or frame.polygons) else None,
        values=address("values") if is_clear and frame.label_ids else None,
        instances=address("instances") if is_clear and frame.instance_ids else None,
        mask=address("mask") if frame.mask(folders.masks).is_file() else None,
    )


def publish(content: bytes, media_type: str) -> str:
    """An address at which the browser gets `content`, until 128 MiB more have been published.

    The same content has the same address again, so a rerun costs neither memory nor a fetch. Label
    maps for the viewer are those of `png.encode_grey`.
    """
    token = _token(content)
    with _published_lock:
        _published[token] = Encoded(content, media_type)
    return f"published/{token}"


def promise(identity: str, make: Callable[[], Encoded], sources: Sequence[Path]) -> str:
    """An address at which the browser gets what `make` returns, called at the first request.

    `identity` stands for the content: it must differ where that does. `sources` are the files that
    `make` decodes. Of a CitysegError, the browser gets the sentence.
    """
    token = _token(identity.encode(errors="surrogateescape"))
    with _promised_lock:
        _promised[token] = _Promise(make, sources)
    return f"promised/{token}"


def offer_file(path: Path, media_type: str, name: str) -> str:
    """An address at which the browser gets the file `path`, or the parts that a player asks for.

    With `?download` behind it, the browser keeps the file under `name`.
    """
    token = _token(b"\0".join((os.fsencode(path), media_type.encode(), os.fsencode(name))))
    with _files_lock:
        _files[token] = _File(path, media_type, name)
    return f"files/{token}"


def _token(content: bytes) -> str:
    return hashlib.blake2b(content, key=_KEY, digest_size=16).hexdigest()


def _offer(folders: Folders, evidence: Path | None = None) -> str:
    """Offer the frames that are in these folders now; returns the token."""
    frames, reading = (
        cached.frames(folders.data, folders.masks),
        cached.reading(folders.data, folders.masks),
    )
    token = _token(os.fsencode(f"{folders.data}\0{folders.masks}\0{evidence or ''}"))
    with _offers_lock:
        offer = _offers.get(token)
        if offer is None or offer.frames is not frames or offer.reading is not reading:
            by_name = {utf8(frame.name): frame for frame in frames}
            _offers[token] = _Offer(frames, by_name, folders.masks, reading, evidence)
    return token


async def _answer_frame(request: Request) -> Response:
    return await _answer_in_time(_find_frame, request)


async def _answer_promised(request: Request) -> Response:
    return await _answer_in_time(_find_promised, request)


async def _answer_in_time(find: Callable[[Request], Response], request: Request) -> Response:
    """The picture, or why there is none, within the deadline.

    Not in Streamlit's threads: requests that wait would keep its own files from being served.
    """
    with anyio.move_on_after(_DEADLINE_SECONDS):
        return await anyio.to_thread.run_sync(
            find, request, abandon_on_cancel=True, limiter=_threads()
        )
    return _refuse(503, _TOO_BUSY)


@cache
def _threads() -> anyio.CapacityLimiter:
    return anyio.CapacityLimiter(_MOST_THREADS)


def _find_frame(request: Request) -> Response:
    token = request.path_params["token"]
    with _offers_lock:
        offer = _offers.get(token)
    if offer is None:
        # At 410 the viewer asks the page's script for new addresses.
        return _refuse(410, _EXPIRED)
    name = request.query_params.get("frame", "")
    if (frame := offer.by_name.get(name)) is None:
        return _refuse(404, f"There is no frame {name} any more: reload the page.")
    if (kind := offer.kind(request.path_params["kind"], frame)) is None:
        return _refuse(410, _EXPIRED)
    if (path := kind.source(frame, offer.masks)) is None:
        return _refuse(404, str(kind.missing(frame)))
    try:
        version = pictures.version(path, kind, offer.reading)
        return _answer(request, version, lambda: _encode(version, kind, path, offer.reading))
    except TimeoutError:
        return _refuse(503, _TOO_BUSY)
    except CitysegError as error:
        # Who may look at a frame need not know where on this machine it lies.
        return _refuse(422, str(error).replace(str(path), path.name))


def _find_promised(request: Request) -> Response:
    token = request.path_params["token"]
    with _promised_lock:
        promised = _promised.get(token)
    if promised is None:
        return _refuse(410, _EXPIRED)
    make, sources = promised
    try:
        return _answer(request, token, lambda: _encoded_once(token, make, sources))
    except TimeoutError:
        return _refuse(503, _TOO_BUSY)
    except CitysegError as error:
        message = str(error)
        for path in sources:
            message = message.replace(str(path), path.name)
        return _refuse(422, message)


def _encode(version: str, kind: Kind, path: Path, reading: Reading) -> Encoded:
    return _encoded_once(version, lambda: kind.encode(path, reading), [path])


def _encoded_once(version: str, encode: Callable[[], Encoded], sources: Sequence[Path]) -> Encoded:
    """The picture, encoded once for all sessions; raises TimeoutError, CitysegError."""
    with _encoded_lock:
        if encoded := _encoded.get(version):
            return encoded
    with BUDGET.spending(sum(map(cost, sources)), _DEADLINE_SECONDS):
        with _encoded_lock:
            if encoded := _encoded.get(version):  # another request has just had it encoded
                return encoded
        encoded = encode()
    with _encoded_lock:
        _encoded[version] = encoded
    return encoded


def _answer_published(request: Request) -> Response:
    token = request.path_params["token"]
    try:
        return _answer(request, token, lambda: _find_published(token))
    except ImageError as error:
        return _refuse(404, str(error))


def _find_published(token: str) -> Encoded:
    with _published_lock:
        picture = _published.get(token)
    if picture is None:
        raise ImageError("This picture is no longer kept: reload the page.")
    return picture


def _answer_file(request: Request) -> Response:
    with _files_lock:
        file = _files.get(request.path_params["token"])
    if file is None:
        return _refuse(410, _EXPIRED)
    if not file.path.is_file():
        return _refuse(404, f"{file.name} is no longer there: reload the page.")
    name = utf8(file.name) if "download" in request.query_params else None
    return FileResponse(file.path, media_type=file.media_type, filename=name, headers=_CACHED)


def _answer(request: Request, version: str, get: Callable[[], Encoded]) -> Response:
    """The picture, or a 304 if the browser has this version already."""
    headers = {**_CACHED, "ETag": f'"{version}"'}
    if request.headers.get("If-None-Match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    content, media_type = get()
    return Response(content, media_type=media_type, headers=headers)


def _refuse(status: int, message: str) -> Response:
    return PlainTextResponse(utf8(sentence(message)), status, headers={"Cache-Control": "no-store"})


ROUTES: Final = [
    Route("/frames/{token}/{kind}", _answer_frame),
    Route("/published/{token}", _answer_published),
    Route("/promised/{token}", _answer_promised),
    Route("/files/{token}", _answer_file),
    restarts.ROUTE,
    viewer.ROUTE,
]

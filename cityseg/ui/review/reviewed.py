"""The judged regions of frames for the viewer: the layer Reviewed, and an address for its maps.

    reviewed/<token>?frame=<split>/<city>/<stem>      a grey PNG: which verdict a pixel belongs to

The token stands for the verdicts as they were read: the positions in the map are those of the list
that the viewer was given with it.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any, Final, NamedTuple

import anyio.to_thread
import numpy as np
from cachetools import LRUCache
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from cityseg.arrays import Uint8Array
from cityseg.data import Frame, picture_size_hw, png
from cityseg.errors import CitysegError, ImageError
from cityseg.review import VerdictRow
from cityseg.ui.review.verdicts import as_dict
from cityseg.ui.text import sentence, utf8

_MOST_OFFERS: Final = 16
#: What a byte holds beside 0 and the value that stands for nothing; older verdicts are left out.
_MOST: Final = 253
_KEY: Final = secrets.token_bytes(32)

#: Verdicts by the name of the frame.
Reviews = Mapping[str, Sequence[VerdictRow]]


class _Offer(NamedTuple):
    frames: Mapping[str, Frame]
    reviews: Reviews


_offers: LRUCache[str, _Offer] = LRUCache(_MOST_OFFERS)
_lock: Final = Lock()


def offer(frames: Sequence[Frame], reviews: Reviews) -> dict[str, Any] | None:
    """For a gallery: the verdicts on regions of `frames`, and where their maps are.

    None without a verdict.
    """
    if not reviews:
        return None
    shown = {name: drawn(rows) for name, rows in reviews.items()}
    identity = hashlib.blake2b(key=_KEY, digest_size=16)
    for name, rows in shown.items():
        identity.update(f"{name} {[(each.verdict.id, each.is_stale) for each in rows]}\n".encode())
    token = identity.hexdigest()
    with _lock:
        _offers[token] = _Offer({utf8(frame.name): frame for frame in frames}, shown)
    judged = {name: [as_dict(each) for each in rows] for name, rows in shown.items()}
    return {"address": f"reviewed/{token}?frame=", "judged": judged}


def drawn(rows: Sequence[VerdictRow]) -> list[VerdictRow]:
    """The rows as they cover each other: stale ones below all others, the last one on top."""
    return sorted(rows, key=lambda each: not each.is_stale)[-_MOST:]


def positions(rows: Sequence[VerdictRow], size_hw: tuple[int, int]) -> Uint8Array:
    """(H, W) uint8: the position of the row that a pixel belongs to, from 1; else 0.

    What lies outside of the frame, as of an annotation that had another size, is left out.
    """
    found = np.zeros(size_hw, np.uint8)
    for position, row in enumerate(rows, 1):
        region = row.verdict.region
        part = found[region.top : region.bottom, region.left : region.right]
        part[region.mask()[: part.shape[0], : part.shape[1]]] = position
    return found


async def _answer(request: Request) -> Response:
    with _lock:
        offered = _offers.get(request.path_params["token"])
    if offered is None:
        return _refuse(410, "This address is no longer valid: reload the page.")
    name = request.query_params.get("frame", "")
    if (frame := offered.frames.get(name)) is None:
        return _refuse(404, f"There is no frame {name} any more: reload the page.")
    try:
        content = await anyio.to_thread.run_sync(_encoded, frame, offered.reviews.get(name, ()))
    except CitysegError as error:
        return _refuse(422, str(error))
    # Another verdict has another address.
    headers = {"Cache-Control": "private, max-age=3600"}
    return Response(content, media_type="image/png", headers=headers)


def _encoded(frame: Frame, rows: Sequence[VerdictRow]) -> bytes:
    size_hw = picture_size_hw(frame.label_ids or frame.image) or picture_size_hw(frame.image)
    if size_hw is None:
        raise ImageError(f"The size of {frame.name} is unknown: its files cannot be read")
    return png.encode_grey(positions(rows, size_hw))


def _refuse(status: int, message: str) -> Response:
    return PlainTextResponse(sentence(message), status, headers={"Cache-Control": "no-store"})


ROUTE: Final = Route("/reviewed/{token}", _answer)

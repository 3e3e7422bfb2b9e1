"""The address to which the browser sends verdicts, which are in the ledger when it answers.

    review/<token>      POST: changes as JSON, answered by what is kept and how far the queue is

It is no state of a Streamlit component, because a verdict must neither wait for a run of the script
nor be lost when the page is reloaded meanwhile. A browser sends a change again until it is
confirmed, so each line has an id that is derived from the change: it is kept once.
"""

import hashlib
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Annotated, Any, Final, NamedTuple

import anyio.to_thread
from cachetools import LRUCache
from pydantic import Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from cityseg.defaults import default_reviewer
from cityseg.errors import CitysegError, DatasetError, ReviewError
from cityseg.review import (
    MOST_NOTE,
    Finding,
    Judged,
    Ledger,
    Line,
    Undo,
    Verdict,
    VerdictCode,
    VerdictRow,
    append,
    cleaned_reviewer,
    judged_regions,
    progress_of,
    verdict_on,
    verdict_rows,
)
from cityseg.system import FileModel, JsonError, parse_as
from cityseg.ui import cached
from cityseg.ui.review.regions import Sources, digest_of
from cityseg.ui.text import sentence

_MOST_DESKS: Final = 16
_MOST_BYTES: Final = 4 << 20
_EXPIRED: Final = "This address is no longer valid: reload the page."
_KEY: Final = secrets.token_bytes(32)
_Id = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


class Desk(NamedTuple):
    """A ledger, and all findings that can be judged in it, by name."""

    ledger: Path
    queue: Mapping[str, Finding]
    sources: Sources


class _Change(FileModel):
    """A verdict on regions, or, with the id of a change in `undone`, what takes it back."""

    id: _Id
    entries: Annotated[list[str], Field(min_length=1, max_length=100_000)]
    reviewer: str = ""
    verdict: VerdictCode | None = None
    accepted: bool = False
    note: str = ""
    undone: _Id | None = None


class _Message(FileModel):
    """What the browser sends: all changes that are not confirmed, and the regions that are next."""

    changes: list[_Change]
    near: list[str]


_desks: LRUCache[str, Desk] = LRUCache(_MOST_DESKS)
_lock: Final = Lock()


def offer(desk: Desk) -> str:
    """The address at which verdicts on the regions of `desk` are taken."""
    identity = os.fsencode(f"{desk.ledger}\0{desk.sources.runs}\0{hash(tuple(desk.queue))}")
    token = hashlib.blake2b(identity, key=_KEY, digest_size=16).hexdigest()
    with _lock:
        _desks[token] = desk
    return f"review/{token}"


def read(desk: Desk) -> tuple[Ledger, dict[str, list[Judged]]]:
    """The ledger as it is now, and the verdicts that count. Raises ReviewError."""
    ledger = cached.ledger(desk.ledger)
    return ledger, _judged(desk, ledger)


def _judged(desk: Desk, ledger: Ledger) -> dict[str, list[Judged]]:
    return judged_regions(verdict_rows(ledger.verdicts().values(), desk.sources.frames, digest_of))


def summary(desk: Desk, names: Sequence[str]) -> dict[str, Any]:
    """For the viewer: the verdicts on these regions, null without one, and how far all are judged.

    `version` is that of the ledger: of several summaries, the viewer believes the latest. Raises
    ReviewError.
    """
    ledger = cached.ledger(desk.ledger)
    version = ledger.version  # before the verdicts, which another thread may continue to read
    judged = _judged(desk, ledger)
    found = {name: verdict_on(desk.queue[name], judged) for name in names if name in desk.queue}
    progress = progress_of(desk.queue.values(), judged)
    return {
        "judged": {name: each and as_dict(each) for name, each in found.items()},
        "progress": progress._asdict(),
        "version": version,
    }


def as_dict(judged: VerdictRow) -> dict[str, Any]:
    """A verdict as the viewer gets it."""
    verdict = judged.verdict
    return {
        "verdict": verdict.verdict,
        "accepted": verdict.accepted,
        "note": verdict.note,
        "reviewer": verdict.reviewer,
        "stale": judged.is_stale,
    }


async def _answer(request: Request) -> Response:
    with _lock:
        desk = _desks.get(request.path_params["token"])
    if desk is None:
        return _refuse(410, _EXPIRED)
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > _MOST_BYTES:
            return _refuse(413, "Too many verdicts at once: judge fewer regions together.")
    return await anyio.to_thread.run_sync(partial(_take, desk, bytes(content)))


def _take(desk: Desk, content: bytes) -> Response:
    try:
        message = parse_as(content, _Message)
        kept, refused = _keep(desk, message.changes)
        names = {name: None for each in message.changes for name in each.entries}
        answer = {"kept": kept, "refused": refused} | summary(desk, [*names, *message.near])
    except JsonError as error:
        return _refuse(400, f"These are no verdicts: {error}")
    except ReviewError as error:
        return _refuse(503, str(error))
    return JSONResponse(answer, headers={"Cache-Control": "no-store"})


def _keep(desk: Desk, changes: Sequence[_Change]) -> tuple[list[str], dict[str, str]]:
    """Append what is new of `changes`: the ids of the kept ones, and why others are refused.

    Raises ReviewError if the ledger cannot be written.
    """
    kept, refused = [], {}
    for change in changes:
        try:
            ledger = cached.ledger(desk.ledger)
            append(desk.ledger, list(_lines_of(desk, change, ledger)))
            kept.append(change.id)
        except ReviewError:
            raise
        except (CitysegError, ValidationError, ValueError) as error:
            refused[change.id] = _reason(error)
    return kept, refused


def _reason(error: Exception) -> str:
    text = str(error) if isinstance(error, CitysegError) else "A verdict cannot say this of it"
    return sentence(f"The verdict was not kept: {text}")


def _lines_of(desk: Desk, change: _Change, ledger: Ledger) -> Iterator[Line]:
    """The lines that a change adds; raises CitysegError, ValidationError."""
    _, judged = read(desk)
    for name in change.entries:
        line_id = _line_id(change.id, name)
        if ledger.has(line_id):
            continue
        if change.undone:
            undone = _line_id(change.undone, name)
            if ledger.has(undone):
                yield Undo(id=line_id, reviewer=_reviewer(change), undone=undone)
        elif change.verdict:
            finding = desk.queue.get(name)
            if finding is None:  # sent to a queue that was shown before another audit
                raise DatasetError(f"The audit finds no region {name} any more: judge others")
            found = verdict_on(finding, judged)
            yield _verdict(desk, change, finding, found, name)


def _verdict(
    desk: Desk, change: _Change, finding: Finding, found: VerdictRow | None, name: str
) -> Verdict:
    frame = desk.sources.frames.get(finding.frame)
    if frame is None:
        raise DatasetError(f"There is no frame {finding.frame} any more: repeat the audit")
    # The same pixels as before, so that it takes the place of the verdict on them.
    is_known = found is not None and not found.is_stale
    region = found.verdict.region if found and is_known else desk.sources.region(finding)
    return Verdict(
        id=_line_id(change.id, name),
        reviewer=_reviewer(change),
        frame=finding.frame,
        annotation=digest_of(frame),
        region=region,
        truth=finding.label,
        predicted=finding.predicted,
        verdict=change.verdict or "unclear",
        accepted=change.accepted and bool(finding.predicted),
        note=" ".join(change.note.split())[:MOST_NOTE],
    )


def _reviewer(change: _Change) -> str:
    return cleaned_reviewer(change.reviewer) or default_reviewer()


def _line_id(change: str, name: str) -> str:
    digest = hashlib.blake2b(f"{change} {name}".encode(errors="surrogateescape"), digest_size=8)
    return digest.hexdigest()


def _refuse(status: int, message: str) -> Response:
    return PlainTextResponse(sentence(message), status, headers={"Cache-Control": "no-store"})


ROUTE: Final = Route("/review/{token}", _answer, methods=["POST"])

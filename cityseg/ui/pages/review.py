"""The page Review: one suspicious region at a time, judged with one key."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import streamlit as st

from cityseg.errors import ReviewError
from cityseg.review import (
    FINDING_REASONS,
    Finding,
    ledger_file,
    pair_of,
    queue_of,
    state_of,
)
from cityseg.ui import cached
from cityseg.ui.filters import show_count
from cityseg.ui.folders import Folders, current_folders
from cityseg.ui.formatting import percent
from cityseg.ui.pictures import Encoded
from cityseg.ui.review import audits, choices, verdicts
from cityseg.ui.review.exports import show_exports
from cityseg.ui.review.regions import Sources, outline, stamp_of
from cityseg.ui.review.verdicts import Desk
from cityseg.ui.routes import frame_gallery, predicted_gallery, promise
from cityseg.ui.shell import has_frames
from cityseg.ui.tagging import choose_reviewer, reviewer
from cityseg.ui.text import plain, sentence, utf8
from cityseg.ui.viewer import Gallery, Queue, QueuedRegion, viewer
from cityseg.wording import counted

#: The viewer gets so many regions at once: a few hundred kilobytes.
_MOST: Final = 1000
_NAME_WIDTH: Final = 200
#: Key of the session: a region that the viewer asked for, and did not get yet.
_REQUESTED: Final = "requested_region"


def show() -> None:
    """Draw the page: the filters, and the viewer with the regions that match them."""
    folders = current_folders()
    tables = audits.tables_of(folders)
    if not tables or cached.missing_frames(folders.data, folders.masks):
        st.title("Review")
        if has_frames(folders.data, folders.masks):
            audits.show_start(folders)
        return
    row = st.container(horizontal=True, vertical_alignment="bottom")
    with row:
        st.title("Review", width="content")
        table = _choose_table(tables)
    try:
        findings = cached.findings(table)
    except ReviewError as error:
        st.error(plain(sentence(error)), icon=":material/error:")
        audits.show_button(folders, "Audit again")
        audits.show_progress(folders)
        return
    with row:
        states = choices.choose_state()
        with st.popover("More filters", icon=":material/filter_list:"):
            choice = replace(choices.choose_more(findings), states=states)
            _show_audit(folders, table, len(findings))
        show_count(choices.ALL_PASS)
        show_exports(folders)
        choose_reviewer(_NAME_WIDTH)
    audits.show_progress(folders)
    desk = _desk(folders, findings)
    ledger, judged = verdicts.read(desk)
    for problem in ledger.problems():
        st.warning(plain(sentence(problem)), icon=":material/warning:")
    chosen = [
        name
        for name, finding in desk.queue.items()
        if choice.takes(finding, state_of(finding, judged))
    ]
    _show_queue(folders, desk, chosen)


def _choose_table(tables: Mapping[str, Path]) -> Path:
    titles = list(tables)
    if len(titles) == 1:
        return tables[titles[0]]
    chosen = st.segmented_control(
        "Findings",
        titles,
        default=titles[-1],
        required=True,
        key="findings",
        bind="query-params",
    )
    return tables[chosen]


def _show_audit(folders: Folders, table: Path, count: int) -> None:
    st.caption(f"{counted(count, 'finding')}, of {audits.made_at(table)}.")
    audits.show_button(folders, "Audit again")


def _desk(folders: Folders, findings: Sequence[Finding]) -> Desk:
    frames = {utf8(each.name): each for each in cached.frames(folders.data, folders.masks)}
    reading = cached.reading(folders.data, folders.masks)
    sources = Sources(folders.data, frames, reading, folders.runs)
    desk = Desk(ledger_file(folders.data, folders.runs), {}, sources)
    _, judged = verdicts.read(desk)
    known = [each for each in findings if each.frame in frames]
    there = {name: rows for name, rows in judged.items() if name in frames}
    return desk._replace(queue=queue_of(known, there))


def _show_queue(folders: Folders, desk: Desk, chosen: Sequence[str]) -> None:
    shown = list(chosen[:_MOST])
    # The address and the viewer may name any region, which leads to it whatever the filters say.
    requested = st.session_state.get(_REQUESTED, "")
    for name in (st.query_params.get("frame", ""), requested):
        if name in desk.queue and name not in shown:
            shown.insert(0, name)
    if shown:
        if len(chosen) > len(shown):
            st.caption(f"The first {len(shown):,} of {len(chosen):,} regions.")
        for problem in desk.sources.missing_predictions(_findings(desk, shown)):
            st.caption(plain(sentence(problem)))
        viewer(
            _queue(folders, desk, shown, requested),
            key="review",
            layer="truth",
            mode="panes",
            pixel_aspect=cached.pixel_aspect(folders.data, folders.masks),
            address=True,
            request=_request,
        )
    else:
        choices.show_none(len(desk.queue))
    st.session_state.pop(_REQUESTED, None)  # a run that was interrupted leaves it to the next one


def _request(change: object) -> None:
    """Remember which region the browser wants to see."""
    if isinstance(change, Mapping) and isinstance(region := change.get("region"), str):
        st.session_state[_REQUESTED] = region


def _findings(desk: Desk, names: Sequence[str]) -> list[Finding]:
    return [desk.queue[name] for name in names]


def _queue(folders: Folders, desk: Desk, names: Sequence[str], requested: str) -> Queue:
    findings = _findings(desk, names)
    evidence = desk.sources.evidence_of_all(findings)
    folders_of_evidence = list(dict.fromkeys(evidence))
    regions = [
        QueuedRegion(
            name=name,
            frame=finding.frame,
            source=folders_of_evidence.index(folder),
            box=finding.box,
            outline=_outline(desk, name, finding),
            note=describe(finding),
            pair=f"{finding.reason} {pair_of(finding)}",
            predicted=finding.predicted,
        )
        for name, finding, folder in zip(names, findings, evidence, strict=True)
    ]
    frames = list(desk.sources.frames.values())
    sources: list[Gallery] = [
        predicted_gallery(folders, frames, each, ()) if each else frame_gallery(folders, frames)
        for each in folders_of_evidence
    ]
    summary = verdicts.summary(desk, names)
    return Queue(
        regions,
        sources,
        address=verdicts.offer(desk),
        ledger=hashlib.blake2b(os.fsencode(desk.ledger), digest_size=8).hexdigest(),
        reviewer=reviewer(),
        judged=summary["judged"],
        progress=summary["progress"],
        version=summary["version"],
        requested=requested,
    )


def _outline(desk: Desk, name: str, finding: Finding) -> str:
    sources = desk.sources
    files = sources.files_of(finding)
    identity = f"outline {name} {finding.side} {files} {[stamp_of(each) for each in files]}"
    return promise(identity, partial(_make_outline, sources, finding), files)


def _make_outline(sources: Sources, finding: Finding) -> Encoded:
    return outline(sources.region(finding))


def describe(finding: Finding) -> str:
    """A finding in a line: labels, reason, size, and how sure the network is."""
    parts = [pair_of(finding) or finding.other]
    parts.append(sentence(FINDING_REASONS.get(finding.reason, "Judged before")).rstrip("."))
    if finding.pixels:
        parts.append(counted(finding.pixels, "pixel"))
    if finding.confidence == finding.confidence:  # not NaN
        parts.append(f"network {percent(finding.confidence)} sure")
    return " · ".join(filter(None, parts))


if __name__ == "__main__":  # as Streamlit runs it
    show()

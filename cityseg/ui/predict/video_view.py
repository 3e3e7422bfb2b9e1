"""A video on the page Predict: predicted in the background, watched, stopped, and played."""

import base64
import shutil
from collections.abc import Sequence
from html import escape
from pathlib import PurePath
from typing import Final

import streamlit as st

from cityseg.data import UNFINISHED_VIDEO
from cityseg.errors import RunError
from cityseg.system import write_json
from cityseg.ui import address, progress
from cityseg.ui.network_exports import identity_of, named_for_command
from cityseg.ui.predict.networks import Network
from cityseg.ui.predict.videos import Attempt, KeptVideo
from cityseg.ui.routes import offer_file
from cityseg.ui.shell import errors_shown
from cityseg.ui.text import plain, utf8
from cityseg.wording import readable_size

_MEDIA_TYPE: Final = "video/webm"
#: Until the next look at the preview, which is written every second.
_POLL_SECONDS: Final = 1.0
_STYLE: Final = "display: block; max-width: 100%; max-height: 65vh; border-radius: 4px;"
_PLACES: Final = ("Over the picture", "Beside it")
_MOST_SMOOTH: Final = 30


def show_video(network: Network | None, video: KeptVideo, averaging: Sequence[str]) -> None:
    """Draw the task that predicts `video`: its settings, its progress, and its result.

    `averaging` are the options of the command that the page has. Raises RunError.
    """
    state = video.task.state()
    attempt = video.attempt()
    if not state.is_live:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            settings = _choose_settings()
            if network:
                _show_start(network, video, attempt, [*settings, *averaging])
    is_part = state.phase == "partly" and not video.result.is_file()
    progress.show(video.task, key="video", partly=_partly(video) if is_part else _SKIPPED)
    if state.is_live:
        _show_preview(video)
        if attempt:
            st.caption(f"Predicted by {plain(attempt.network)}.")
    else:
        _show_result(video, attempt)


_SKIPPED: Final = "Done, but some frames could not be read: see the output below."


def _partly(video: KeptVideo) -> str:
    """Why there is only a part."""
    is_stopped = video.task.stop_file.exists()
    why = "Stopped" if is_stopped else "Stopped, as the disk is full: free some space"
    return f"{why}. The frames so far are below, and the same settings continue there."


def _choose_settings() -> list[str]:
    """Draw the settings of a video; returns the options of the command."""
    place = address.one_of("Colours", _PLACES, "video_colors")
    smooth = st.number_input(
        "Frames to average",
        1,
        _MOST_SMOOTH,
        1,
        key="video_smooth",
        bind="query-params",
        width=160,
        help="The network's output is averaged over the last frames: less flicker, and moving "
        "things lag behind.",
    )
    beside = ["--beside"] if place == _PLACES[1] else []
    return [*beside, *(["--smooth", str(smooth)] if smooth > 1 else [])]


def _show_start(
    network: Network, video: KeptVideo, attempt: Attempt | None, options: Sequence[str]
) -> None:
    """Draw the button that starts or continues the prediction."""
    wanted = Attempt(
        network=_network_text(network),
        settings=[*map(str, identity_of(network.weights)), *options],
    )
    is_same = attempt == wanted
    label = "Predict the video"
    if is_same and video.result.is_file():
        label = "Predict again"
    elif is_same:
        label = "Continue"
    if st.button(label, key="video_start", type="primary", icon=":material/movie:"):
        _start(network, video, wanted, options)
        st.rerun()


def _start(network: Network, video: KeptVideo, wanted: Attempt, options: Sequence[str]) -> None:
    """Start the task. Earlier results are removed: a failure must not leave them as the result."""
    task = video.task
    try:
        for earlier in (video.result, video.part, video.preview):
            earlier.unlink(missing_ok=True)
        for unfinished in task.folder.glob(f"{UNFINISHED_VIDEO}*"):  # of a process that was killed
            shutil.rmtree(unfinished)
        named = named_for_command(task, network.weights)
        write_json(video.attempt_file, wanted.model_dump(), durable=False)
    except OSError as error:
        raise RunError(
            f"{task.folder} cannot be written to ({error.strerror}): check permissions and free "
            "space, or choose another folder for runs"
        ) from error
    out, preview = video.result, video.preview
    task.start(video.file, "--network", named, "--video", out, "--preview", preview, *options)


def _network_text(network: Network) -> str:
    return utf8(f"{network.name}, {network.licence}" if network.licence else network.name)


# --- while it is predicted --------------------------------------------------------------------


def _show_preview(video: KeptVideo) -> None:
    """Draw the newest frame; this part of the page looks again by itself."""
    st.fragment(_draw_preview, run_every=_POLL_SECONDS)(video)


def _draw_preview(video: KeptVideo) -> None:
    with errors_shown():
        try:
            content = base64.b64encode(video.preview.read_bytes()).decode()
        except OSError:
            st.caption("The first frame appears here.")
            return
        # In the page itself: an address might be asked after the next frame has replaced this one.
        source = f"data:image/jpeg;base64,{content}"
        alt = escape(f"The newest frame of {utf8(video.name)}")
        st.html(f'<img src="{source}" alt="{alt}" style="{_STYLE}">')


# --- afterwards -------------------------------------------------------------------------------


def _show_result(video: KeptVideo, attempt: Attempt | None) -> None:
    """Draw a player for the result, or for the part that there is, and a link that downloads it."""
    path = next((each for each in (video.result, video.part) if each.is_file()), None)
    if path is None or attempt is None:
        return
    name = f"{PurePath(utf8(video.name)).stem}-predicted{''.join(path.suffixes)[-10:]}"
    offered = offer_file(path, _MEDIA_TYPE, name)
    # The time makes another address of another video: the browser would play the one it has.
    source = escape(f"{offered}?time={path.stat().st_mtime_ns}")
    st.html(
        f'<video src="{source}" controls preload="metadata" style="{_STYLE}" '
        f'aria-label="{escape(name)}"></video>'
    )
    size = readable_size(path.stat().st_size)
    style = "color: inherit;"
    st.html(f'<a href="{escape(offered)}?download" download style="{style}">Download ({size})</a>')
    st.caption(
        f"Predicted by {plain(attempt.network)}. WebM (VP8) without sound, which browsers play; "
        "for an .mp4, use `python -m cityseg predict VIDEO --video OUT.mp4` in a terminal."
    )

"""The visitors of a soak: people in Chromium, and clients that ask what browsers ask."""

import asyncio
import random
import shutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from re import compile as pattern
from typing import Final

import cv2
import httpx
import numpy as np
import psutil
import websockets
from playwright.async_api import Browser, ConsoleMessage, Error, Locator, Page, Playwright
from soak_record import Record
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

PAGES: Final = ("", "browse", "masks", "review", "train", "results", "predict")
#: The title of each page in the navigation.
TITLES: Final = ("Overview", "Browse", "Masks", "Review", "Train", "Results", "Predict")
_KINDS: Final = ("image", "thumbnail", "labels", "mask")
_PATIENCE_SECONDS: Final = 120.0
_NICENESS: Final = 10
_GALLERY: Final = pattern(rb"frames/[0-9a-f]{32}/")
#: Streamlit looks for its server below the page's address first, which fails in normal operation.
_PROBES: Final = ("/_stcore/health", "/_stcore/host-config")
#: Streamlit says so to itself while it connects anew; a person sees nothing of it, and an act that
#: is lost by it is met as a timeout.
_RECONNECTING: Final = "Cannot send rerun backMessage when disconnected"
#: Steps from one frame to the next in one visit.
_STEPS: Final = 4
#: Nothing runs on the page, and it is connected.
_AT_REST: Final = """() => {
  const app = document.querySelector("[data-testid=stApp]");
  return app?.dataset.testScriptState === "notRunning"
    && app?.dataset.testConnectionState === "CONNECTED";
}"""
_PAINTED: Final = """() => [...document.querySelectorAll("[data-testid=stBidiComponentIsolated]")]
  .map((each) => each.shadowRoot?.querySelector(".viewer")?.dataset.painted)
  .find(Boolean) ?? "" """


@dataclass
class Visit:
    """What all visitors of a soak share."""

    url: str
    frames: Sequence[str]
    record: Record
    random: random.Random
    pause_seconds: tuple[float, float]
    galleries: set[str] = field(default_factory=set)
    judged: set[str] = field(default_factory=set)
    ends: asyncio.Event = field(default_factory=asyncio.Event)

    async def think(self) -> None:
        """Wait as a person does between two acts, at most until the end.

        All pauses between the shortest and the longest are equally frequent: a model of use, on
        which the load of the server depends, and with it the time of each request.
        """
        seconds = self.random.uniform(*self.pause_seconds)
        try:
            await asyncio.wait_for(self.ends.wait(), seconds)
        except TimeoutError:
            return


def photo(seed: int, size_hw: tuple[int, int] = (96, 192)) -> bytes:
    """A JPEG that no other seed gives.

    By default so small that the server's caches, of 128 MiB each, hardly grow during a soak.
    """
    height, width = size_hw
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 4, width // 4, 3), np.uint8)
    encoded = cv2.imencode(".jpg", cv2.resize(coarse, size_hw[::-1]))[1]
    return encoded.tobytes()


async def chromium(playwright: Playwright) -> Browser:
    """The system's Chromium, else the one of Playwright.

    What it starts from now on, a process for each visitor's page, gives way to the server: browsers
    of people have computers of their own, and ten of them would take most of this one.
    """
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    system = next(filter(None, map(shutil.which, names)), None)
    browser = await playwright.chromium.launch(executable_path=system, args=["--no-sandbox"])
    for process in psutil.Process().children(recursive=True):
        if "chrom" in process.name():
            process.nice(_NICENESS)
    return browser


# --- people -----------------------------------------------------------------------------------


async def person(visit: Visit, browser: Browser, number: int) -> None:
    """One browser that walks through the pages until the end."""
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    page = await context.new_page()
    _listen(visit, page)
    acts: Sequence[Callable[[Visit, Page], Awaitable[None]]] = (
        open_page,
        change_page,
        change_page,
        step_through_frames,
        predict_frame,
        predict_upload,
        judge_region,
        convert_in_app,
    )
    await _tried(visit, page, open_page)
    while not visit.ends.is_set():
        await visit.think()
        await _tried(visit, page, visit.random.choice(acts if number == 0 else acts[:-1]))
    await context.close()


async def _tried(visit: Visit, page: Page, act: Callable[[Visit, Page], Awaitable[None]]) -> None:
    since = visit.record.now()
    try:
        await act(visit, page)
        await _look(visit, page, since)
    except (Error, TimeoutError) as error:
        if not visit.ends.is_set():
            visit.record.saw("timeout", f"{act.__name__}: {error}", since)


async def open_page(visit: Visit, page: Page) -> None:
    """Type an address."""
    with visit.record.timed("a page opened by its address"):
        await page.goto(f"{visit.url}/{visit.random.choice(PAGES)}")
        await at_rest(page)


async def change_page(visit: Visit, page: Page) -> None:
    """Click another page's title."""
    link = page.get_by_test_id("stTopNavLink").filter(has_text=visit.random.choice(TITLES))
    with visit.record.timed("another page by a click"):
        await link.first.click(timeout=_PATIENCE_SECONDS * 1000)
        await at_rest(page)


async def step_through_frames(visit: Visit, page: Page) -> None:
    """Look at some frames in Browse by keys."""
    frame = visit.random.choice(visit.frames[:-_STEPS])  # no key leads on from the last
    await page.goto(f"{visit.url}/browse?frame={frame}")
    await _until(lambda: page.evaluate(_PAINTED), "no frame is painted")
    for _ in range(_STEPS):
        is_other = partial(_is_other, page, await page.evaluate(_PAINTED))
        with visit.record.timed("the next frame by a key"):
            await page.keyboard.press("ArrowRight")
            await _until(is_other, "the next frame is not painted")


async def predict_frame(visit: Visit, page: Page) -> None:
    """Open Predict on a frame."""
    query = f"network_run=trained&frame={visit.random.choice(visit.frames)}"
    with visit.record.timed("a prediction of a frame"):
        await page.goto(f"{visit.url}/predict?{query}")
        await at_rest(page)
        await _until(lambda: page.evaluate(_PAINTED), "no prediction is painted")


async def predict_upload(visit: Visit, page: Page) -> None:
    """Hand in a picture of one's own."""
    await page.goto(f"{visit.url}/predict?network_run=trained&picture=File")
    await at_rest(page)
    with visit.record.timed("a prediction of an upload"):
        await hand_in(page, photo(visit.random.getrandbits(32)))


async def hand_in(page: Page, content: bytes, name: str = "photo.jpg") -> None:
    """Upload a picture on Predict, and wait for what is shown of it."""
    field = page.get_by_test_id("stFileUploader").filter(has_text="Picture file")
    file = {"name": name, "mimeType": "image/jpeg", "buffer": content}
    await field.locator("input[type=file]").set_input_files(file)  # type: ignore[arg-type]
    await _until(lambda: _shows(page.get_by_test_id("stMetric")), "no prediction is shown")
    await at_rest(page)


async def judge_region(visit: Visit, page: Page) -> None:
    """Judge the region that Review shows, by a key; kept in `visit.judged` once it is saved."""
    await page.goto(f"{visit.url}/review")
    await _until(lambda: page.evaluate(_PAINTED), "no region is painted")
    region = str(await page.evaluate(_PAINTED))
    with visit.record.timed("a verdict by a key, until it is saved"):
        await page.keyboard.press(visit.random.choice("ekud"))
        await _until(lambda: _is_saved(page), "the verdict is not saved")
    visit.judged.add(region)


async def convert_in_app(visit: Visit, page: Page) -> None:
    """Convert all frames on the page Masks."""
    await page.goto(f"{visit.url}/masks")
    await at_rest(page)
    button = page.get_by_role("button", name="Convert").last
    if await _shows(button) and await button.is_enabled():
        with visit.record.timed("a conversion begun by a click"):
            await button.click()
            await at_rest(page)


async def at_rest(page: Page) -> None:
    """Wait until the script has ended; raises TimeoutError."""
    await _until(lambda: page.evaluate(_AT_REST), "the page does not come to rest")


async def _is_other(page: Page, before: str) -> bool:
    return str(await page.evaluate(_PAINTED)) not in ("", before)


async def _is_saved(page: Page) -> bool:
    return await page.locator(".review[data-pending]").count() == 0


async def _shows(locator: Locator) -> bool:
    return await locator.count() > 0


async def _until(holds: Callable[[], Awaitable[object]], otherwise: str) -> None:
    # Not wait_for_function: it evaluates text in the page, which the app's policy forbids.
    deadline = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
    while not await holds():
        if asyncio.get_running_loop().time() > deadline:
            raise TimeoutError(otherwise)
        await asyncio.sleep(0.05)


async def _look(visit: Visit, page: Page, since: float) -> None:
    """Keep the exceptions, error boxes and dialogs that the page shows now."""
    for kind, test_id in (("exception", "stException"), ("alert", "stAlertContentError")):
        for box in await page.get_by_test_id(test_id).all_inner_texts():
            visit.record.saw(kind, f"{page.url}: {box}", since)
    for dialog in await page.get_by_role("dialog").all_inner_texts():
        if "onnection" in dialog:
            visit.record.saw("connection", dialog, since)


def _listen(visit: Visit, page: Page) -> None:
    def on_console(message: ConsoleMessage) -> None:
        source = str(message.location.get("url"))
        is_usual = any(each in source for each in _PROBES) or _RECONNECTING in message.text
        if message.type == "error" and not is_usual:
            visit.record.saw("console", f"{message.text} ({source})")

    page.on("console", on_console)
    page.on("pageerror", lambda error: visit.record.saw("console", f"uncaught: {error}"))


# --- clients ----------------------------------------------------------------------------------


async def session(visit: Visit) -> None:
    """Sessions of the websocket, one after another: three pages each."""
    while not visit.ends.is_set():
        since = visit.record.now()
        try:
            await _one_session(visit)
        except (OSError, TimeoutError, websockets.WebSocketException) as error:
            visit.record.saw("connection", f"websocket: {error!r}", since)
        await visit.think()


async def _one_session(visit: Visit) -> None:
    async with connected(visit) as socket:
        for number, page in enumerate(visit.random.sample(PAGES[:-1], 3)):
            kind = "the first page of a session" if number == 0 else "a further page of a session"
            with visit.record.timed(f"{kind}, without a browser"):
                await show(visit, socket, page)
            await visit.think()


def connected(visit: Visit) -> websockets.connect:
    """A new session of the websocket, to be entered."""
    address = f"ws{visit.url.removeprefix('http')}/_stcore/stream"
    return websockets.connect(address, max_size=None, subprotocols=[_PROTOCOL])


async def show(visit: Visit, socket: websockets.ClientConnection, page: str) -> None:
    """Ask for a page, and wait until it is complete; raises TimeoutError."""
    since, message = visit.record.now(), BackMsg()
    message.rerun_script.page_name = page
    await socket.send(message.SerializeToString())
    await asyncio.wait_for(_read_page(visit, socket, since), _PATIENCE_SECONDS)


_PROTOCOL: Final = websockets.Subprotocol("streamlit")


async def _read_page(visit: Visit, socket: websockets.ClientConnection, since: float) -> None:
    """Read until the script has ended."""
    async for content in socket:
        binary = bytes(content) if not isinstance(content, str) else content.encode()
        visit.galleries.update(each.decode() for each in _GALLERY.findall(binary))
        message = ForwardMsg.FromString(binary)
        element = message.delta.new_element
        if element.WhichOneof("type") == "exception":
            visit.record.saw("exception", element.exception.message, since)
        if element.WhichOneof("type") == "alert" and element.alert.format == element.alert.ERROR:
            visit.record.saw("alert", element.alert.body, since)
        if message.WhichOneof("type") == "script_finished":
            return


async def pictures(visit: Visit) -> None:
    """Ask for pictures of frames, as the viewer does, with the newest addresses."""
    async with httpx.AsyncClient(timeout=_PATIENCE_SECONDS) as client:
        while not visit.ends.is_set():
            for _ in range(8):
                if visit.galleries:
                    await _one_picture(visit, client)
            await visit.think()


async def _one_picture(visit: Visit, client: httpx.AsyncClient) -> None:
    since, base = visit.record.now(), visit.random.choice(sorted(visit.galleries))
    kind, name = visit.random.choice(_KINDS), visit.random.choice(visit.frames)
    try:
        with visit.record.timed("a picture"):
            answer = await get(client, f"{visit.url}/{base}{kind}", {"frame": name})
    except httpx.HTTPError as error:
        visit.record.saw("connection", f"{kind} of {name}: {error!r}", since)
        return
    if answer.status_code == httpx.codes.GONE:  # the viewer asks its page for new addresses then
        visit.galleries.discard(base)
    elif answer.status_code != httpx.codes.OK:
        visit.record.saw("status", f"{kind} of {name}: {answer.status_code} {answer.text}", since)


async def get(client: httpx.AsyncClient, url: str, params: dict[str, str]) -> httpx.Response:
    """A GET as a browser sends it: once more if a kept connection ends without an answer.

    The server may have closed it just before the request came (RFC 9112, 9.3.1).
    """
    events = set()

    async def note(event: str, _: object) -> None:
        events.add(event)

    try:
        return await client.get(url, params=params, extensions={"trace": note})
    except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
        if events & _FRESH_OR_ANSWERED:
            raise
    return await client.get(url, params=params)


_FRESH_OR_ANSWERED: Final = {
    "connection.connect_tcp.started",
    "http11.receive_response_headers.complete",
}

"""Measurements beside the soak: many predictions in a row, and what each page costs."""

import asyncio
import random
import time
from pathlib import Path
from typing import Any, Final

import psutil
from many import make_findings, make_frames, make_runs
from playwright.async_api import Browser, Page, async_playwright
from soak_record import Record, slope_per_minute
from soak_visitors import PAGES, Visit, at_rest, chromium, connected, hand_in, photo, show
from soak_world import Server, World, make_world

_FRAMES: Final = 20_000
_RUNS: Final = 2_000
#: Sessions that open each page before and while it is measured.
_WARM_UP: Final = 3
_VISITS: Final = 20
_REST_SECONDS: Final = 2.0
#: Large enough that the server's caches have reached their limits after half of 300.
_PHOTO_HW: Final = (768, 1536)


async def predictions(folder: Path, count: int) -> tuple[dict[str, Any], str]:
    """Hand in so many pictures one after another; the memory after each."""
    world = await asyncio.to_thread(make_world, folder)
    server, record, held = Server(world), Record(), []
    await asyncio.to_thread(server.start)
    try:
        async with async_playwright() as playwright, await chromium(playwright) as browser:
            page = await browser.new_page()
            await page.goto(f"{server.url}/predict?network_run=trained&picture=File")
            await at_rest(page)
            for number in range(count):
                with record.timed("a prediction of an upload"):
                    await hand_in(page, photo(number, _PHOTO_HW), f"photo-{number}.jpg")
                held.append(psutil.Process(server.pid).memory_info().rss / 2**20)
    finally:
        await asyncio.to_thread(server.stop)
    half = held[count // 2 :]
    a_hundred = slope_per_minute(range(len(half)), half) / 60 * 100
    report = {"predictions": count, "rss_mib": held, "rss_mib_per_hundred": round(a_hundred, 2)}
    text = (
        f"{count} predictions in a row: memory of the server {held[0]:.0f} MiB after the first, "
        f"{held[count // 2]:.0f} after half, {held[-1]:.0f} at the end; over the second half "
        f"{a_hundred:+.1f} MiB for a hundred predictions."
    )
    return report, text


async def pages(folder: Path) -> tuple[dict[str, Any], str]:
    """Open each page in new sessions of a warm server; the time that its process computes."""
    world = await asyncio.to_thread(make_world, folder)
    server, seconds = Server(world), {}
    await asyncio.to_thread(server.start)
    visit = Visit(server.url, [], Record(), random.Random(0), (0, 0))  # noqa: S311
    try:
        for _ in range(_WARM_UP):
            for page in PAGES:
                await _open(visit, page)
        await asyncio.sleep(_REST_SECONDS)  # Overview has a picture predicted beside it
        for page in PAGES:
            before = _computed(server)
            for _ in range(_VISITS):
                await _open(visit, page)
            await asyncio.sleep(_REST_SECONDS)  # what the last one leaves to do counts, too
            seconds[page or "overview"] = (_computed(server) - before) / _VISITS
    finally:
        await asyncio.to_thread(server.stop)
    lines = ["| first page of a session | computed by the server, ms |", "| --- | ---: |"]
    lines += [f"| {page} | {1000 * each:.0f} |" for page, each in seconds.items()]
    return {"first_page_computed_seconds": seconds}, "\n".join(lines)


async def _open(visit: Visit, page: str) -> None:
    async with connected(visit) as socket:
        await show(visit, socket, page)


async def paint(folder: Path) -> tuple[dict[str, Any], str]:
    """Open each page on many frames and runs, by a new server and then again."""
    world, times = await asyncio.to_thread(_make_large, folder), {}
    async with async_playwright() as playwright, await chromium(playwright) as browser:
        for page in PAGES:
            server = Server(world)
            await asyncio.to_thread(server.start)
            try:
                times[page or "overview"] = [await _paint(browser, server, page) for _ in range(3)]
            finally:
                await asyncio.to_thread(server.stop)
    lines = [
        f"{_FRAMES:,} frames and {_RUNS:,} runs. Until the title and the content of a page are "
        "there, in seconds; in brackets those that the server computed meanwhile.",
        "",
        "| page | a new server | again |",
        "| --- | ---: | ---: |",
    ]
    for page, (cold, *again) in times.items():
        warm = min(again)
        lines.append(f"| {page} | {cold[0]:.1f} ({cold[1]:.1f}) | {warm[0]:.1f} ({warm[1]:.1f}) |")
    return {"first_paint_seconds": times}, "\n".join(lines)


def _make_large(folder: Path) -> World:
    small = make_world(folder / "small")
    world = World(folder)
    make_frames(world.data, _FRAMES, (256, 512))
    make_findings(world.data, world.runs, _FRAMES, (130, 225, 160, 275))
    make_runs(world.runs, _RUNS, 200, small.trained.best, world.data)
    small.trained.path.rename(world.trained.path)
    return world


async def _paint(browser: Browser, server: Server, page: str) -> tuple[float, float]:
    """Seconds until the first paint, and those of the server's process; then wait for the rest."""
    context = await browser.new_context()
    tab = await context.new_page()
    before, start = _computed(server), time.perf_counter()
    await tab.goto(f"{server.url}/{page}")
    await tab.get_by_role("heading", level=1).wait_for(timeout=300_000)
    await _content(tab)
    seconds = time.perf_counter() - start, _computed(server) - before
    await at_rest(tab)
    await context.close()
    return seconds


async def _content(tab: Page) -> None:
    """Wait for something below the title: a field, a picture, a chart, or what is waited for."""
    ids = ("stMetric", "stSelectbox", "stSpinner", "stBidiComponentIsolated", "stButtonGroup")
    anything = ", ".join(f"[data-testid={each}]" for each in ids)
    # The header has a part that is never seen.
    await tab.locator(anything).filter(visible=True).first.wait_for(timeout=300_000)


def _computed(server: Server) -> float:
    times = psutil.Process(server.pid).cpu_times()
    return times.user + times.system

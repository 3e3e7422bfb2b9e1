"""A day of use in minutes: many people, a training, and faults, on this machine only.

Serves the app on folders of its own and visits it, some in Chromium, the rest as clients of the
websocket and of the pictures; each pauses between two acts as a person does. Meanwhile a network
trains, frames are converted, trainer, supervisor and server are killed, the disk is full for a
while, and runs are removed while they are shown. It writes what was seen to soak.json and soak.md.
Status 1 says that a person saw an error that no fault excuses, or that something was lost; times
depend on what else the machine does.

With --predictions N, one person hands in N pictures instead, and the memory is watched.
With --pages, what the server computes for the first page of a session, without a browser.
With --paint, each page is opened on 20,000 frames and 2,000 runs, by a new server and again.
"""

import argparse
import asyncio
import json
import random
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import bootstrap


def main() -> int:
    """Run what the options say, in a temporary folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--minutes", type=float, default=10, help="Length [10].")
    add("--sessions", type=int, default=30, help="Visitors at a time [30].")
    add("--contexts", type=int, default=10, help="How many of them are in Chromium [10].")
    add(
        "--pause",
        type=float,
        nargs=2,
        default=(2, 8),
        metavar=("FROM", "TO"),
        help="Seconds that a visitor looks at a page before the next act [2 8].",
    )
    add("--seed", type=int, default=0, help="What visitors and faults choose follows from it [0].")
    add("--base-path", default="", help="Serve below this path.")
    add("--out", type=Path, default=Path(), help="Folder of soak.json and soak.md [.].")
    add("--predictions", type=int, metavar="N", help="Only hand in N pictures.")
    add("--pages", action="store_true", help="Only measure what each page costs the server.")
    add("--paint", action="store_true", help="Only measure the first paint of each page.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cityseg-soak-") as name:
        if options.paint:
            report, text = asyncio.run(soak_modes.paint(Path(name)))
        elif options.pages:
            report, text = asyncio.run(soak_modes.pages(Path(name)))
        elif options.predictions:
            report, text = asyncio.run(soak_modes.predictions(Path(name), options.predictions))
        else:
            report, text = asyncio.run(soak(Path(name), options))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "soak.json").write_text(json.dumps(report, indent=1))
    (options.out / "soak.md").write_text(f"{text}\n")
    print(text)
    return 1 if report.get("visible_errors") or report.get("losses") else 0


def load_of(options: argparse.Namespace) -> str:
    """The model of use as a sentence."""
    least, most = options.pause
    return (
        f"{options.sessions} visitors, {options.contexts} of them in Chromium, who look at a page "
        f"for {least:g} to {most:g} s before their next act."
    )


async def soak(folder: Path, options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """The visitors and the faults for so many minutes; the report, and the same as Markdown."""
    this = asyncio.current_task()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: this and this.cancel())
    async with async_playwright() as playwright:
        world = await asyncio.to_thread(make_world, folder)
        server = Server(world, options.base_path)
        await asyncio.to_thread(server.start)
        record = Record(load_of(options))
        frames = [frame.name for frame in find_frames(world.data)]
        chance = random.Random(options.seed)  # noqa: S311 - for nothing secret
        visit = Visit(server.url, frames, record, chance, tuple(options.pause))
        faults = Faults(world, server, visit, options.minutes * 60)
        browser = await chromium(playwright)
        clients = max(options.sessions - options.contexts, 0)
        try:
            async with asyncio.TaskGroup() as tasks:
                for number in range(options.contexts):
                    tasks.create_task(person(visit, browser, number))
                for number in range(clients):
                    tasks.create_task((session if number % 2 else pictures)(visit))
                for each in (faults.watch, faults.train, faults.convert, faults.cause):
                    tasks.create_task(each())
                await asyncio.sleep(options.minutes * 60)
                visit.ends.set()
        finally:
            await asyncio.to_thread(faults.end)
            await browser.close()
    report = summary(record)
    return report, as_markdown(report)


if __name__ == "__main__":
    bootstrap.enter("requirements-dev.txt")
    import soak_modes
    from playwright.async_api import async_playwright
    from soak_faults import Faults
    from soak_record import Record, as_markdown, summary
    from soak_visitors import Visit, chromium, person, pictures, session
    from soak_world import Server, make_world

    from cityseg.data import find_frames

    sys.exit(main())

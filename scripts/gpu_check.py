"""Measure on a GPU what a machine without one cannot show: `gpu_check.py --minutes 10`.

Training steps beside their ceiling and a DataLoader, memory, the frame store, an evaluation, a
short training and a probe of resuming. Each part has a share of the time and a process of its own:
one that fails or takes too long is recorded, and the others are measured. Writes a JSON and a
Markdown file. Without --data it paints a city. Runs in the interpreter that starts it, where the
core of cityseg is installed; nothing else is needed.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
#: Least time of a part, in seconds: fewer are not enough to start a process that loads torch.
LEAST_SECONDS: Final = 10.0

#: A row of a part, as JSON has it: what, result, numbers.
Row = Mapping[str, Any]


@dataclass(slots=True)
class Outcome:
    """What a part found, and what kept it from its end, if anything did."""

    part: str
    seconds: float = 0.0
    rows: list[Row] = field(default_factory=list)
    problem: str | None = None


def main() -> int:
    """Measure all parts and write both files; returns the exit status."""
    options = parsed()
    sys.path[:0] = [str(ROOT)]
    try:
        if options.part:
            print_rows(options.part)
            return 0
        if (device := device_name(options.device)) is None:
            print(
                f"Torch finds no GPU {options.device} on this machine: run this where there is one."
            )
            return 1
        import gpu_parts
    except ImportError as error:
        print(f"cityseg cannot be imported ({error}): install its core first (pip install .)")
        return 1
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as folder:
        scratch = Path(folder)
        settings = gpu_parts.Settings(
            scratch=scratch,
            data=(options.data or scratch / "painted").absolute(),
            device=options.device,
            size=options.size,
            width=options.width,
            batch_sizes=tuple(options.batch_size),
            evaluated=options.frames,
            seconds=options.seconds,
        )
        print(f"{device}: about {options.minutes:g} minutes", flush=True)
        shares = {name: share for name, (share, _) in gpu_parts.parts_of(settings).items()}
        outcomes = measured(shares, asdict(settings), 60 * options.minutes)
    write(options.out, outcomes, {**machine(), "device": device, "minutes": options.minutes})
    return int(any(outcome.problem for outcome in outcomes))


def device_name(name: str) -> str | None:
    """The name of a device; None if there is none such."""
    import torch

    from cityseg.errors import ConfigError
    from cityseg.models.devices import resolve_device

    try:
        device = resolve_device(name)
    except ConfigError:
        return None
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "The CPU"


def print_rows(part: str) -> None:
    """Measure one part, whose settings are on standard input."""
    import gpu_parts

    settings = gpu_parts.Settings(**revived(json.loads(sys.stdin.read())))
    for row in gpu_parts.parts_of(settings)[part][1](settings):
        print(json.dumps(asdict(row)), flush=True)


def parsed() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--minutes", type=float, default=10, help="Time of all parts together [10].")
    add("--data", type=Path, help="Cityscapes folder, such as CamVid [a painted city].")
    add("--out", type=Path, default=ROOT / "build", help="Folder of the two files [build].")
    add("--device", default="cuda", help="Device: cuda, cuda:N or, to try the parts, cpu [cuda].")
    add("--size", default="512x1024", help="Height x width of a step [512x1024].")
    add("--width", type=int, default=64, help="Channels of the first level of unet [64].")
    add("--batch-size", type=int, nargs="+", default=[8, 32], help="Frames in a step [8 32].")
    add("--frames", type=int, default=500, help="Frames of the evaluation [500].")
    add("--seconds", type=float, default=4, help="Least time of a timing [4].")
    add("--part", help=argparse.SUPPRESS)  # of a process that this one starts
    return parser.parse_args()


def revived(values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that JSON holds as texts and lists."""
    paths = {name: Path(values[name]) for name in ("scratch", "data")}
    return {**values, **paths, "batch_sizes": tuple(values["batch_sizes"])}


# --- parts -------------------------------------------------------------------------------------


def measured(
    shares: Mapping[str, float], settings: Mapping[str, Any], seconds: float
) -> list[Outcome]:
    """Run all parts; each may take its share of the time that is left."""
    end, outcomes, left = time.monotonic() + seconds, [], sum(shares.values())
    for name, share in shares.items():
        limit = max(LEAST_SECONDS, (end - time.monotonic()) * share / left)
        left -= share
        command = [sys.executable, str(Path(__file__).resolve()), "--part", name]
        values = {**settings, "limit_seconds": limit}
        outcomes.append(outcome := run_part(name, command, values, limit))
        state = outcome.problem or f"{len(outcome.rows)} results"
        print(f"{name}: {state} ({outcome.seconds:.0f} s)", flush=True)
    return outcomes


def run_part(
    name: str, command: Sequence[str], settings: Mapping[str, Any], limit: float
) -> Outcome:
    """Run the process of a part for at most `limit` seconds; the rows that it prints count."""
    outcome, started = Outcome(name), time.monotonic()
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=errors,
            start_new_session=True,  # so that its own processes end with it
        )
        try:
            process.communicate(json.dumps(settings, default=str).encode(), timeout=limit)
        except subprocess.TimeoutExpired:
            outcome.problem = f"It took longer than its {limit:.0f} s; what it had found is kept"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(0)
        errors.seek(0)
        # A line that was cut by the end of its process has no line feed.
        whole = output.read().decode(errors="replace").rpartition("\n")[0]
        outcome.rows = [row for line in whole.splitlines() if (row := row_of(line))]
        if process.returncode and not outcome.problem:
            last = errors.read().decode(errors="replace").strip().splitlines()[-1:]
            outcome.problem = f"It failed: {''.join(last) or f'status {process.returncode}'}"
    outcome.seconds = time.monotonic() - started
    return outcome


def row_of(line: str) -> Row | None:
    """The row that a line holds; None for what libraries print."""
    with suppress(ValueError):
        row = json.loads(line)
        if isinstance(row, dict) and row.keys() >= {"what", "result"}:
            return row
    return None


# --- report ------------------------------------------------------------------------------------


def machine() -> dict[str, Any]:
    """What the numbers belong to."""
    from importlib.metadata import version

    from cityseg.system import this_hardware

    names = ("torch", "torchvision", "numpy", "opencv-python-headless")
    return {
        "hardware": asdict(this_hardware()),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in names},
    }


def write(folder: Path, outcomes: Sequence[Outcome], about: Mapping[str, Any]) -> None:
    """Write gpu_check.json and gpu_check.md into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {**about, "parts": [asdict(outcome) for outcome in outcomes]}
    (folder / "gpu_check.json").write_text(json.dumps(content, indent=2, default=str) + "\n")
    (folder / "gpu_check.md").write_text(markdown(outcomes, about))
    print(f"{folder / 'gpu_check.json'}\n{folder / 'gpu_check.md'}")


def markdown(outcomes: Sequence[Outcome], about: Mapping[str, Any]) -> str:
    """One table of all results and problems."""
    packages = ", ".join(f"{name} {version}" for name, version in about["packages"].items())
    lines = [
        f"{about['device']}, {about['hardware']['cores']} cores, Python {about['python']}, "
        f"{packages}",
        "",
        "| part | what | result |",
        "| --- | --- | --- |",
    ]
    for outcome in outcomes:
        rows = [(str(row["what"]), str(row["result"])) for row in outcome.rows]
        rows += [("problem", outcome.problem)] if outcome.problem else []
        for what, result in rows:
            cells = (each.replace("|", "/") for each in (outcome.part, what, result))
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())

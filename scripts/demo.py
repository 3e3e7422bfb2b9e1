"""All steps on a sample city: paint it, convert it, train, evaluate, predict; then serve the app.

Takes a few minutes on two cores and leaves everything in ./demo. Run again, it keeps the city and
its masks, and trains a new run. The app is served at the end, until Ctrl-C.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import bootstrap


def main() -> None:
    """Run each step as the command that a person would type, and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--folder",
        type=Path,
        default=bootstrap.ROOT / "demo",
        help="Folder for everything [./demo].",
    )
    parser.add_argument("--quick", action="store_true", help="Few frames and two epochs: a minute.")
    parser.add_argument("--no-app", action="store_true", help="End without serving the app.")
    options = parser.parse_args()
    data, runs = options.folder / "city", options.folder / "runs"
    few = ["--train=8", "--val=4", "--test=1", "--height=128", "--width=256"]
    step("sample", str(data), *(few if options.quick else []))
    step("convert", str(data))
    before = {path.name for path in runs.glob("*")}
    short = ["--epochs=2"] if options.quick else []
    places = (f"--data={data}", f"--runs={runs}")
    step("train", "--preset=demo", "--title=Demo", *places, *short)
    (run,) = [RunDir(path) for path in runs.glob("*-*") if path.name not in before]
    step("evaluate", str(run.path), "--data", str(data))
    frames = find_frames(data, ["val"])[:4]
    pictures = [str(frame.image) for frame in frames]
    predictions = options.folder / "predictions" / run.id
    step("predict", *pictures, "--network", str(run.path), "--out", str(predictions))
    sheet = options.folder / "predictions.png"
    contact_sheet.write(sheet, frames, predictions)
    print(f"\nLook at {sheet}: picture, ground truth, prediction.")
    print(f"The run is {run.path}.")
    if not options.no_app:
        serve(data, runs)


def step(*arguments: str) -> None:
    """Run one cityseg command; end if it fails."""
    print(f"\n$ python -m cityseg {' '.join(arguments)}", flush=True)
    status = subprocess.run([sys.executable, "-m", "cityseg", *arguments], check=False).returncode
    if status:
        sys.exit(f"The demo ends here: the command above ended with status {status}.")


def serve(data: Path, runs: Path) -> None:
    """Serve the app on this city and its runs, until Ctrl-C."""
    command = ["-m", "cityseg", "app", f"--data={data}", f"--runs={runs}"]
    print(f"\n$ python {' '.join(command)}", flush=True)
    os.execv(sys.executable, [sys.executable, *command])  # noqa: S606 - this process becomes it


if __name__ == "__main__":
    bootstrap.enter("requirements.txt")
    import contact_sheet

    from cityseg.data import find_frames
    from cityseg.runs import RunDir

    main()

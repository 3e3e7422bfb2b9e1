"""Put a network into the box: its weights in half precision, without the paths of this machine.

Example: python scripts/make_box.py runs/20260101-120000-fpn-0123abcd
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import bootstrap

#: The largest weights file that the box takes, in bytes.
MOST_BYTES: Final = 12_000_000
BOX: Final = bootstrap.ROOT / "cityseg" / "models" / "box" / "street.safetensors"


def main() -> int:
    """Write the file; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", type=Path, help="A run's folder, or a weights file.")
    parser.add_argument("--out", type=Path, default=BOX, help="The file to write [the box].")
    options = parser.parse_args()
    checkpoint = load_weights(find_weights(options.network))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    save_for_others(checkpoint, options.out)
    size = options.out.stat().st_size
    print(f"{options.out}: {size / 1e6:.2f} MB, epoch {checkpoint.epoch}")
    if size > MOST_BYTES:
        print(f"That is more than the {MOST_BYTES / 1e6:g} MB of the box.")
        return 1
    return 0


if __name__ == "__main__":
    bootstrap.enter("requirements-dev.txt")
    from cityseg.runs import find_weights
    from cityseg.runs.checkpoints import load_weights, save_for_others

    raise SystemExit(main())

"""Files of a dataset by their names alone, for tests of where they lie."""

from pathlib import Path

import city

STEM = "aachen_000000_000019"
IMAGE = f"leftImg8bit/train/aachen/{STEM}_leftImg8bit.png"
LABEL_IDS = f"gtFine/train/aachen/{STEM}_gtFine_labelIds.png"


def make(root: Path, *files: str) -> Path:
    for file in files:
        city.write(root / file)
    return root

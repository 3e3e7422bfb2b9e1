from pathlib import Path

from cityseg.data.frame import Frame

FRAME = Frame("train", "aachen", "aachen_000000_000019")


def test_the_name_of_a_frame_is_split_city_and_stem():
    assert FRAME.name == "train/aachen/aachen_000000_000019"


def test_the_mask_of_a_frame_lies_at_its_split_and_city():
    mask = FRAME.mask(Path("masks"))
    assert mask == Path("masks/train/aachen/aachen_000000_000019_mask.png")

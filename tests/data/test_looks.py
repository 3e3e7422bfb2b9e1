"""Annotations are decoded once, for the verdict and for their masks."""

import city
import numpy as np
from encoded import WRITTEN, write
from PIL import Image

from cityseg.data import annotations
from cityseg.data.dataset import find_frames
from cityseg.data.masks import convert
from cityseg.labels import TRAIN_ID_OF_LABEL_ID


def test_no_annotation_is_decoded_twice_by_a_conversion(tmp_path, monkeypatch):
    decoded = []
    decode = annotations.decode_as_stored

    def counted(content, header, dtype):
        decoded.append(content)
        return decode(content, header, dtype)

    monkeypatch.setattr(annotations, "decode_as_stored", counted)
    write(tmp_path, [city.street(seed=seed) for seed in range(9)], WRITTEN["labelids"])
    assert convert(tmp_path).converted == 9
    assert len(decoded) == 9
    assert convert(tmp_path).reused == 9
    assert len(decoded) == 9  # nor for the verdict, which the report has


def test_an_annotation_that_changed_after_the_verdict_is_read_again(tmp_path):
    write(tmp_path, [city.street(seed=1)], WRITTEN["labelids"])
    (frame,) = find_frames(tmp_path)

    def change(_):
        city.write(frame.label_ids, city.encode(city.street(seed=2)))

    convert(tmp_path, announce=change)
    mask = np.array(Image.open(frame.mask(tmp_path / "masks")))
    assert np.array_equal(mask, TRAIN_ID_OF_LABEL_ID[city.street(seed=2)])

"""One verdict for all annotations of a dataset: recognised or refused, never silently wrong."""

import city
import numpy as np
import pytest
from encoded import WRITTEN, palette_picture, write
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cityseg.data.dataset import find_frames
from cityseg.data.masks import convert
from cityseg.data.verdict import Verdict, examine
from cityseg.errors import DatasetError
from cityseg.labels import TRAIN_ID_OF_LABEL_ID, TRAIN_ID_PALETTE


@st.composite
def streets(draw):
    """(H, W) label ids: sky above road, and between them surfaces and things at random."""
    height, width = 96, 192
    horizon = draw(st.integers(30, 60))
    label_ids = np.full((height, width), 23, np.uint8)
    label_ids[draw(st.integers(8, horizon - 8)) : horizon] = draw(st.sampled_from([11, 21]))
    label_ids[horizon:] = 7
    things = st.sampled_from([8, 11, 13, 17, 19, 20, 21, 22, 24, 25, 26, 28, 32, 33])
    for label in draw(st.lists(things, max_size=8)):
        left = draw(st.integers(0, width - 20))
        top = draw(st.integers(horizon - 20, horizon))
        label_ids[top : top + draw(st.integers(6, 24)), left : left + draw(st.integers(4, 20))] = (
            label
        )
    if draw(st.booleans()):
        label_ids[-draw(st.integers(4, 12)) :] = 1
    return label_ids


@pytest.mark.parametrize("encoding", WRITTEN)
@settings(deadline=None, max_examples=25)
@given(maps=st.lists(streets(), min_size=1, max_size=3))
def test_a_street_in_any_encoding_is_recognised_or_refused(tmp_path_factory, encoding, maps):
    folder = tmp_path_factory.mktemp("street")
    write(folder, maps, WRITTEN[encoding])
    found = examine(find_frames(folder))
    without_void = "trainids" if encoding == "trainids-void19" else encoding
    assert found.encoding in (None, encoding, without_void)


@pytest.mark.parametrize("encoding", WRITTEN)
def test_the_encoding_of_usual_streets_is_recognised(tmp_path, encoding):
    write(tmp_path, [city.street(seed=seed) for seed in range(3)], WRITTEN[encoding])
    assert examine(find_frames(tmp_path)).encoding == encoding


@pytest.mark.parametrize("encoding", ["trainids", "trainids-void19", "trainids-plus1", "colors"])
def test_masks_of_every_encoding_are_the_same(tmp_path, encoding):
    street = city.street()
    write(tmp_path, [street], WRITTEN[encoding])
    report = convert(tmp_path)
    assert (report.converted, report.encoding) == (1, encoding)
    (mask,) = (tmp_path / "masks").rglob("*_mask.png")
    assert np.array_equal(np.array(Image.open(mask)), TRAIN_ID_OF_LABEL_ID[street])


def test_a_palette_of_train_ids_is_read_by_its_colours(tmp_path):
    street = city.street()
    indices = np.where(street == 1, 255, TRAIN_ID_OF_LABEL_ID[street]).astype(np.uint8)
    write(tmp_path, [street], lambda _: palette_picture(indices, TRAIN_ID_PALETTE))
    assert convert(tmp_path).encoding == "palette"
    (mask,) = (tmp_path / "masks").rglob("*_mask.png")
    assert np.array_equal(np.array(Image.open(mask)), TRAIN_ID_OF_LABEL_ID[street])


def test_partly_labelled_frames_among_label_ids_are_label_ids(tmp_path):
    street = city.street()
    part = np.where(np.isin(street, [city.SIDEWALK, city.BUILDING, city.POLE]), street, 0)
    part[100:110] = city.ROAD
    write(tmp_path, [part], WRITTEN["labelids"])
    report = convert(tmp_path)
    assert (report.encoding, report.converted) == ("labelids", 1)


def test_255_among_label_ids_is_void(tmp_path):
    write(tmp_path, [city.street()], lambda label_ids: city.with_pixel(label_ids, 255))
    assert convert(tmp_path).encoding == "labelids"
    (mask,) = (tmp_path / "masks").rglob("*_mask.png")
    assert np.array(Image.open(mask))[3, 5] == 255


def test_masks_of_one_label_are_refused_with_what_they_are(tmp_path):
    write(tmp_path, [city.street()], lambda label_ids: ((label_ids == 7) * 255).astype(np.uint8))
    with pytest.raises(DatasetError, match="only the values 0, 255: a mask of one label"):
        convert(tmp_path)
    assert not (tmp_path / "masks").exists()


def test_category_ids_are_refused_for_having_too_few_classes(tmp_path):
    write(tmp_path, [city.street()], WRITTEN["categories"])
    with pytest.raises(DatasetError, match="category ids, which cannot give 19 classes"):
        convert(tmp_path)


def test_a_tools_own_numbers_are_refused_and_its_list_of_labels_is_named(tmp_path):
    own = np.zeros(256, np.uint8)
    own[[23, 11, 21, 7, 8, 17, 20, 24, 26, 1]] = [30, 7, 9, 27, 10, 12, 14, 23, 18, 8]
    write(tmp_path, [city.street(seed=seed) for seed in range(3)], lambda ids: own[ids])
    (tmp_path / "labelmap.txt").write_text("road:0,0,0::\n")
    with pytest.raises(DatasetError, match=r"encoding .* is unclear: .*labelmap\.txt .*--encoding"):
        convert(tmp_path)


def test_masks_are_made_again_in_another_encoding_only(tmp_path):
    write(tmp_path, [city.street()], WRITTEN["labelids"])
    assert convert(tmp_path).reused == 0
    assert convert(tmp_path).reused == 1
    assert convert(tmp_path, verdict=Verdict("labelids", "given")).reused == 1
    assert convert(tmp_path, verdict=Verdict("trainids", "given")).converted == 0


def test_a_blank_test_split_does_not_decide(tmp_path):
    write(tmp_path, [np.zeros((96, 192), np.uint8)] * 3, WRITTEN["labelids"], "test")
    write(tmp_path, [city.street()], WRITTEN["trainids-plus1"])
    assert examine(find_frames(tmp_path)).encoding == "trainids-plus1"


def test_genuine_frames_are_recognised_in_every_encoding(genuine, tmp_path):
    frames = [frame for frame in find_frames(genuine) if frame.split != "test"][:6]
    assert examine(frames).encoding == "labelids"
    maps = [np.array(Image.open(frame.label_ids))[::4, ::4] for frame in frames]
    for encoding, how in WRITTEN.items():
        write(tmp_path / encoding, maps, how)
        assert examine(find_frames(tmp_path / encoding)).encoding == encoding


def test_the_verdict_of_changed_annotations_is_reached_again(tmp_path):
    write(tmp_path, [city.street()], WRITTEN["labelids"])
    convert(tmp_path)
    write(tmp_path, [city.street()], WRITTEN["trainids"])
    assert convert(tmp_path).encoding == "trainids"


def test_an_encoding_that_was_named_is_not_kept_as_a_verdict(tmp_path):
    write(tmp_path, [city.street()], WRITTEN["labelids"])
    assert convert(tmp_path, verdict=Verdict("trainids-void19", "given")).converted == 0
    assert convert(tmp_path).encoding == "labelids"


@pytest.mark.parametrize("encoding", ["labelids", "trainids"])
def test_values_stored_with_16_bits_are_read_and_minus_one_is_void(tmp_path, encoding):
    street = city.street()
    write(tmp_path, [street], lambda ids: WRITTEN[encoding](ids).astype(np.int8).astype(np.uint16))
    assert convert(tmp_path).encoding == encoding
    (mask,) = (tmp_path / "masks").rglob("*_mask.png")
    assert np.array_equal(np.array(Image.open(mask)), TRAIN_ID_OF_LABEL_ID[street])

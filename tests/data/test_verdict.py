"""One verdict for all annotations of a dataset: recognised or refused, never silently wrong."""

from pathlib import Path

import city
import numpy as np
import pytest
from encoded import OWN_NUMBERS, WRITTEN, palette_picture, write
from PIL import Image

from cityseg.data.dataset import find_frames
from cityseg.data.encodings import ENCODING_NAMES
from cityseg.data.examination import examine
from cityseg.data.frame import Frame
from cityseg.data.looks import Look
from cityseg.data.masks import convert
from cityseg.data.street_model import part_of
from cityseg.data.verdict import Verdict, judge
from cityseg.errors import DatasetError
from cityseg.labels import TRAIN_ID_OF_LABEL_ID, TRAIN_ID_PALETTE


def judged(maps):
    return judge([Look(Path("map.png"), "grey", part_of(each)) for each in maps], "annotation")


GREY = [encoding for encoding in WRITTEN if encoding not in ("colors", "palette")]


@pytest.mark.parametrize("encoding", GREY)
@pytest.mark.parametrize("count", [1, 2, 5])
def test_whole_streets_are_recognised_in_any_encoding_however_few(encoding, count):
    for seed in range(10):
        maps = [WRITTEN[encoding](city.street(seed=seed + n)) for n in range(count)]
        assert judged(maps).encoding == encoding


@pytest.mark.parametrize("encoding", GREY)
@pytest.mark.parametrize("labels", [5, 6, 8])
def test_partly_labelled_streets_are_recognised_or_refused(encoding, labels):
    rng = np.random.default_rng(labels)
    for seed in range(20):
        street = city.street(seed=seed)
        kept = rng.choice(np.unique(street[street >= city.ROAD]), labels, replace=False)
        part = np.where(np.isin(street, kept), street, 0).astype(np.uint8)
        found = judged([WRITTEN[encoding](part)]).encoding
        assert found in (("labelids",) if encoding == "labelids" else (None, encoding))


@pytest.mark.parametrize("name", OWN_NUMBERS)
def test_other_numbers_of_the_same_labels_are_refused(name):
    for seed in range(10):
        assert judged([OWN_NUMBERS[name][city.street(seed=seed)]]).encoding is None


def few_values(table, count=3):
    """Streets written by `table`, a mapping of label ids, with 0 for all else."""
    lookup = np.zeros(256, np.uint8)
    lookup[list(table)] = list(table.values())
    return [lookup[city.street(seed=seed)] for seed in range(count)]


@pytest.mark.parametrize(
    "table",
    [
        {7: 0, 8: 1, 11: 2, 21: 2, 23: 2, 17: 2, 20: 2, 24: 2, 26: 2, 1: 2},  # 2 is all else
        {7: 1, 8: 2, 11: 3, 21: 3, 17: 3, 26: 3, 24: 3, 23: 4},
        {24: 15, 26: 7},  # Pascal VOC's person and car on a background
    ],
)
def test_few_numbers_of_another_tool_are_refused(table):
    for count in (1, 3):
        assert judged(few_values(table, count)).encoding is None


def test_few_values_at_impossible_places_are_refused():
    assert judged(few_values({23: 7, 11: 22, 7: 23})).encoding is None


def test_more_values_than_a_part_of_labels_must_fit_label_ids_better(monkeypatch):
    found = {"labelids": 1.0, "trainids": -9.0}
    monkeypatch.setattr("cityseg.data.verdict.fits", lambda seen: found)
    part = {7: 7, 8: 8, 11: 11, 17: 17}
    assert judged(few_values(part)).encoding == "labelids"
    assert judged(few_values(part | {20: 13, 21: 19})).encoding is None
    found["labelids"] = 3.0
    assert judged(few_values(part | {20: 13, 21: 19})).encoding == "labelids"


def test_a_verdict_that_rests_on_the_names_of_the_files_says_so():
    assert judged(few_values({11: 11, 17: 17})).evidence.endswith(
        "; this proves little, so the names of the files and folders decided"
    )
    assert "names of the files" not in judged([city.street()]).evidence


def test_values_of_no_encoding_in_most_annotations_refuse_the_dataset():
    streets = [city.street(seed=seed) for seed in range(3)]
    foreign = [np.where(street == 21, np.uint8(130), street) for street in streets]
    assert judged([*foreign, streets[0]]).encoding is None
    assert "130 are of no encoding" in judged(foreign).evidence
    assert judged([foreign[0], *streets[1:]]).encoding == "labelids"


def test_splits_in_different_encodings_are_refused_by_name(tmp_path):
    write(tmp_path, [city.street(seed=seed) for seed in range(3)], WRITTEN["labelids"])
    for other in ("trainids", "colors"):
        write(tmp_path, [city.street(seed=9)], WRITTEN[other], "val")
        names = f"train holds label ids and val holds {ENCODING_NAMES[other]}"
        with pytest.raises(DatasetError, match=names):
            convert(tmp_path)
        assert convert(tmp_path, tmp_path / other, splits=["val"]).encoding == other


def test_a_split_in_two_encodings_is_refused():
    label_ids = [city.street(seed=seed) for seed in range(4)]
    train_ids = [WRITTEN["trainids"](city.street(seed=seed)) for seed in (5, 6)]
    assert "4 hold label ids and 2 hold train ids" in judged(label_ids + train_ids).evidence
    assert judged(label_ids + train_ids[:1]).encoding == "labelids"


def test_a_few_values_that_only_label_ids_have_are_label_ids():
    upside_down = np.full((96, 192), 7, np.uint8)
    upside_down[60:] = 26
    upside_down[:8] = 1
    assert judged([upside_down]).encoding == "labelids"


def test_what_files_are_called_counts_where_little_is_labelled():
    sidewalk = np.zeros((128, 256), np.uint8)
    sidewalk[60:80, :100] = 8
    sidewalk[20:60, 30:90] = 11
    look = Look(Path("map.png"), "grey", sidewalk)
    assert judge([look], "annotation").encoding == "labelids"
    train_ids = Look(Path("map.png"), "grey", WRITTEN["trainids"](sidewalk))
    train_ids.frame = Frame("train", "ulm", "ulm_0", encoding_hint="trainids")
    assert judge([train_ids], "annotation").encoding == "trainids"


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


@pytest.mark.parametrize("how", ["colors", "palette"])
def test_colours_that_many_programs_use_prove_no_label(tmp_path, how):
    red = np.zeros((256, 3), np.uint8)
    red[7] = (255, 0, 0)
    written = {"colors": lambda ids: red[ids], "palette": lambda ids: palette_picture(ids, red)}
    write(tmp_path, [city.street()], written[how])
    with pytest.raises(DatasetError, match=rf"only the colours \(0, 0, 0\), \(255, 0, 0\).*{how} "):
        convert(tmp_path)
    assert convert(tmp_path, verdict=Verdict(how, "given")).converted == 1


def test_colours_of_another_tool_are_named_with_its_list(tmp_path):
    camvid = np.zeros((256, 3), np.uint8)
    camvid[[7, 11, 23]] = [(128, 64, 128), (128, 0, 0), (128, 128, 128)]
    write(tmp_path, [city.street()], lambda ids: camvid[ids])
    (tmp_path / "label_colors.txt").write_text("128 64 128 Road\n")
    report = convert(tmp_path)
    assert f"{tmp_path}/label_colors.txt beside them lists a tool's own" in report.evidence
    (outcome,) = report.outcomes
    assert "has colours that are no labels', such as (128, 0, 0): label ids" in outcome.detail


def test_colours_with_blue_first_are_read_and_named(tmp_path):
    write(tmp_path, [city.street()], lambda ids: WRITTEN["colors"](ids)[..., ::-1])
    report = convert(tmp_path)
    assert (report.encoding, report.converted) == ("colors", 1)
    assert "with red and blue swapped" in report.evidence


def test_many_frames_refused_for_one_reason_are_not_named_one_by_one(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("cityseg.data.masks._LISTED", 5)
    write(tmp_path, [city.street()] * 7, lambda ids: np.dstack([ids, ids, ids // 2]))
    assert convert(tmp_path).reasons == {"not_grey": 7}
    assert caplog.text.count("has colours that are no labels") == 5
    assert "Skipped 2 more (not_grey): report.json lists all" in caplog.text


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


def test_genuine_frames_are_recognised_in_every_encoding(genuine, tmp_path):
    frames = [frame for frame in find_frames(genuine) if frame.split != "test"][:6]
    assert examine(frames).encoding == "labelids"
    maps = [np.array(Image.open(frame.label_ids))[::4, ::4] for frame in frames]
    for encoding, how in WRITTEN.items():
        write(tmp_path / encoding, maps, how)
        assert examine(find_frames(tmp_path / encoding)).encoding == encoding


@pytest.mark.parametrize("encoding", ["labelids", "trainids"])
def test_values_stored_with_16_bits_are_read_and_minus_one_is_void(tmp_path, encoding):
    street = city.street()
    write(tmp_path, [street], lambda ids: WRITTEN[encoding](ids).astype(np.int8).astype(np.uint16))
    assert convert(tmp_path).encoding == encoding
    (mask,) = (tmp_path / "masks").rglob("*_mask.png")
    assert np.array_equal(np.array(Image.open(mask)), TRAIN_ID_OF_LABEL_ID[street])

"""Crops go out and come back: unchanged ones change nothing, edited ones what was edited.

Also tests: review/annotated, review/crops, review/importing, review/merging.
"""

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import city
import numpy as np
import pytest
from broken_files import breakages, broken
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reviews import frame_named, rows_of, verdict_on
from tiny_runs import content_of

from cityseg.data import LABEL_IDS, find_frames, read_grey_png
from cityseg.errors import CitysegError, ReviewError
from cityseg.review.annotated import Annotated, CopyFiles, read_annotated
from cityseg.review.corrected import (
    CORRECTIONS,
    CorrectedCopy,
    accepted_corrections,
    write_corrected_copy,
)
from cityseg.review.crops import MANIFEST, export_crops, read_manifest
from cityseg.review.importing import read_corrections
from cityseg.review.ledger import append
from cityseg.review.lines import Verdict
from cityseg.review.merging import Part, with_accepted, with_parts

SIZE_HW = (96, 200)
STEMS = ["ulm_000000_000019", "ulm_000001_000019"]
NAMES = [f"val/ulm/{stem}" for stem in STEMS]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two frames with pictures, the first with instances and polygons, and one of train."""
    root = tmp_path / "data"
    for seed, stem in enumerate(STEMS):
        label_ids = city.street(*SIZE_HW, seed)
        city.write_frame(root, stem, "val", label_ids=label_ids)
        rgb = np.repeat(label_ids[..., None] * 7, 3, 2)
        city.write(city.image_path(root, stem, "val"), city.encode(rgb))
    labels = city.annotation_path(root, STEMS[0], "val")
    label_ids = city.street(*SIZE_HW, 0)
    instances = np.where(label_ids == city.CAR, np.uint16(26000), label_ids.astype(np.uint16))
    end = labels.name.removesuffix("labelIds.png")
    city.write(labels.with_name(f"{end}instanceIds.png"), city.encode(instances))
    city.write(labels.with_name(f"{end}polygons.json"), city.polygons_file(size_hw=SIZE_HW))
    city.write_frame(root, "ulm_000002_000019", label_ids=city.street(*SIZE_HW, 2))
    return root


def square(top: int, left: int, side: int = 6) -> np.ndarray:
    mask = np.zeros(SIZE_HW, np.bool_)
    mask[top : top + side, left : left + side] = True
    return mask


def verdict(data: Path, name: str, mask: np.ndarray, **more: Any) -> Verdict:
    return verdict_on(frame_named(data, name), mask, **more)


def exported(data: Path, *verdicts: Verdict, out: str = "crops") -> Path:
    ledger = data.parent / f"{out}.jsonl"
    append(ledger, verdicts)
    export_crops(rows_of(ledger, data), data, LABEL_IDS, data.parent / out)
    return data.parent / out


def imported(data: Path, corrected: Path, out: str = "out") -> CorrectedCopy:
    frames = find_frames(data)
    corrections = read_corrections(corrected, frames, data).by_frame
    return write_corrected_copy(data, frames, LABEL_IDS, corrections, data.parent / out)


def maps(root: Path) -> dict[str, Annotated]:
    return {each.name: read_annotated(each, LABEL_IDS) for each in find_frames(root)}


def assert_same(one: dict[str, Annotated], other: dict[str, Annotated]) -> None:
    assert one.keys() == other.keys()
    for name, (label_ids, instance_ids) in one.items():
        assert np.array_equal(label_ids, other[name].label_ids)
        ids = other[name].instance_ids
        assert (instance_ids is None) == (ids is None)
        assert instance_ids is None or np.array_equal(instance_ids, ids)


# --- crops -----------------------------------------------------------------------------------


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    places=st.lists(
        st.tuples(st.sampled_from(NAMES), st.integers(0, 90), st.integers(0, 190)),
        min_size=1,
        max_size=4,
        unique=True,
    )
)
def test_unchanged_crops_give_the_same_maps(
    data: Path, tmp_path_factory: pytest.TempPathFactory, places: list[tuple[str, int, int]]
) -> None:
    root = tmp_path_factory.mktemp("drawn") / "data"
    shutil.copytree(data, root)
    before = content_of(root)
    crops = exported(root, *(verdict(root, name, square(*place)) for name, *place in places))
    done = imported(root, crops)
    assert (done.changes, done.skipped, done.frames) == ({}, [], 3)
    assert_same(maps(root.parent / "out"), maps(root))
    assert content_of(root) == before


def test_crops_lie_in_the_layout_with_context_picture_and_polygons(data: Path) -> None:
    crops = exported(data, verdict(data, NAMES[0], square(10, 90)))
    manifest = read_manifest(crops)
    assert manifest
    (crop,) = manifest.crops
    assert (crop.box, crop.name) == ((0, 26, 80, 160), f"{NAMES[0]}_0000_0026_0080_0160")
    (frame,) = find_frames(crops)
    assert frame.name == crop.name
    assert frame.image
    assert frame.polygons
    source = maps(data)[NAMES[0]]
    label_ids, instance_ids = read_annotated(frame, LABEL_IDS)
    assert np.array_equal(label_ids, source.label_ids[0:80, 26:160])
    assert instance_ids is not None
    assert source.instance_ids is not None
    assert np.array_equal(instance_ids, source.instance_ids[0:80, 26:160])
    assert np.array_equal(LABEL_IDS.label_ids(frame.polygons), label_ids)
    picture = city.decode(frame.image.read_bytes())
    whole = city.decode(city.image_path(data, STEMS[0], "val").read_bytes())
    assert np.array_equal(picture, whole[0:80, 26:160])


def test_crops_that_share_a_corner_have_files_of_their_own(data: Path) -> None:
    crops = exported(data, *(verdict(data, NAMES[1], square(row, 9)) for row in (3, 9)))
    manifest = read_manifest(crops)
    assert manifest
    assert len({crop.name for crop in manifest.crops}) == 2
    for crop in manifest.crops:
        label_ids = read_grey_png(CopyFiles(crops, crop.name).label_ids, np.uint8)
        assert label_ids.shape == (crop.box[2], crop.box[3])


def test_edited_pixels_and_only_they_change(data: Path) -> None:
    crops = exported(data, *(verdict(data, name, square(10, 90)) for name in NAMES))
    first, second = (CopyFiles(crops, f"{name}_0000_0026_0080_0160") for name in NAMES)
    for files in (first, second):
        label_ids = read_grey_png(files.label_ids, np.uint8)
        label_ids[10:16, 64:70] = city.CAR
        files.label_ids.write_bytes(city.encode(label_ids))
    ids = read_grey_png(first.instance_ids, np.uint16)
    ids[10:16, 64:70] = 26000  # of a car elsewhere in the frame
    first.instance_ids.write_bytes(city.encode(ids))
    done = imported(data, crops)
    expected = {name: each.label_ids.copy() for name, each in maps(data).items()}
    for name in NAMES:
        expected[name][10:16, 90:96] = city.CAR
    out = maps(data.parent / "out")
    for name, label_ids in expected.items():
        assert np.array_equal(out[name].label_ids, label_ids)
    assert done.changes.keys() == set(NAMES)
    instance_ids = out[NAMES[0]].instance_ids
    assert instance_ids is not None
    assert out[NAMES[1]].instance_ids is None
    assert (instance_ids[10:16, 90:96] // 1000 == 26).all()
    about = json.loads((data.parent / "out" / CORRECTIONS).read_text())
    assert about["changes"] == done.changes
    polygons = [each.polygons for each in find_frames(data.parent / "out")]
    assert polygons == [None, None, None]


def test_edited_polygons_count_where_the_label_map_is_as_it_was(data: Path) -> None:
    crops = exported(data, verdict(data, NAMES[1], square(10, 90)))
    files = CopyFiles(crops, f"{NAMES[1]}_0000_0026_0080_0160")
    content = json.loads(files.polygons.read_text())
    corners = [[0, 0], [4, 0], [4, 3], [0, 3]]
    content["objects"].append({"label": "bus", "polygon": corners})
    files.polygons.write_text(json.dumps(content))
    imported(data, crops)
    changed = maps(data.parent / "out")[NAMES[1]].label_ids != maps(data)[NAMES[1]].label_ids
    assert changed[0:3, 26:31].all()
    assert changed.sum() == 15


def test_crops_that_do_not_come_back_change_nothing(data: Path) -> None:
    crops = exported(data, *(verdict(data, name, square(10, 90)) for name in NAMES))
    shutil.rmtree(crops / "gtFine" / "val")
    first = CopyFiles(crops, f"{NAMES[0]}_0000_0026_0080_0160").label_ids
    with pytest.raises(ReviewError, match=r"Nothing in .* belongs to") as refusal:
        imported(data, crops)
    assert f" crops of its {MANIFEST}: the first is looked for at {first}" in str(refusal.value)


def test_a_label_map_that_a_tool_wrote_as_jpeg_is_no_crop_that_came_back(data: Path) -> None:
    crops = exported(data, *(verdict(data, name, square(10, 90)) for name in NAMES))
    first = CopyFiles(crops, f"{NAMES[0]}_0000_0026_0080_0160").label_ids
    first.rename(first.with_suffix(".jpg"))
    (skipped,) = read_corrections(crops, find_frames(data), data).skipped
    assert skipped.endswith("labelIds.jpg is no PNG, as label maps are: export it as one")


def test_a_packed_export_is_to_be_unpacked(data: Path) -> None:
    packed = city.write(data.parent / "export.zip", b"PK")
    with pytest.raises(ReviewError, match=r"export\.zip is a file: unpack it and name the folder"):
        imported(data, packed)


# --- what cannot be used ---------------------------------------------------------------------


def _cut(files: CopyFiles) -> None:
    files.label_ids.write_bytes(files.label_ids.read_bytes()[:40])


def _other_size(files: CopyFiles) -> None:
    files.label_ids.write_bytes(city.encode(np.zeros((9, 9), np.uint8)))


def _no_label(files: CopyFiles) -> None:
    label_ids = read_grey_png(files.label_ids, np.uint8)
    label_ids[0, 0] = 77
    files.label_ids.write_bytes(city.encode(label_ids))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_cut, "fetch it again"),
        (_other_size, "is 9×9 pixels, but was 134×80: edit it at its size"),
        (_no_label, "77"),
    ],
)
def test_a_damaged_crop_is_named_and_the_other_frames_are_corrected(
    data: Path, damage: Any, message: str
) -> None:
    crops = exported(data, *(verdict(data, name, square(10, 90)) for name in NAMES))
    first, second = (CopyFiles(crops, f"{name}_0000_0026_0080_0160") for name in NAMES)
    damage(first)
    second.label_ids.write_bytes(city.encode(np.full((80, 134), city.ROAD, np.uint8)))
    done = imported(data, crops)
    (skipped,) = done.skipped
    assert skipped.startswith(f"{NAMES[0]}: ")
    assert message in skipped
    assert done.changes.keys() == {NAMES[1]}
    assert_same({NAMES[0]: maps(data.parent / "out")[NAMES[0]]}, {NAMES[0]: maps(data)[NAMES[0]]})


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=st.data())
def test_whatever_comes_back_the_sources_stay_and_errors_are_ours(
    data: Path, drawn: st.DataObject
) -> None:
    crops = data.parent / "crops"
    if not crops.exists():
        exported(data, *(verdict(data, name, square(10, 90)) for name in NAMES))
    before = content_of(data)
    path = drawn.draw(st.sampled_from(sorted(each for each in crops.rglob("*") if each.is_file())))
    with broken(path, drawn.draw(breakages(path.read_bytes()))), suppress(CitysegError):
        imported(data, crops)
    shutil.rmtree(data.parent / "out", ignore_errors=True)
    assert content_of(data) == before
    assert not list(data.parent.glob(".out*"))


def test_crops_of_another_annotation_are_refused(data: Path) -> None:
    crops = exported(data, verdict(data, NAMES[0], square(10, 90)))
    city.write_frame(data, STEMS[0], "val", label_ids=city.street(*SIZE_HW, 5))
    with pytest.raises(ReviewError, match="annotation has changed since the export: export it"):
        imported(data, crops)


@pytest.mark.parametrize("name", ["../../out", "val/../x", "val/ulm"])
def test_a_manifest_that_leads_elsewhere_is_refused(data: Path, name: str) -> None:
    crops = exported(data, verdict(data, NAMES[0], square(10, 90)))
    content = json.loads((crops / MANIFEST).read_text())
    content["crops"][0]["name"] = name
    (crops / MANIFEST).write_text(json.dumps(content))
    with pytest.raises(ReviewError, match="is damaged: take that of the export"):
        imported(data, crops)


def test_crops_have_the_structure_that_cvat_reads(data: Path) -> None:
    """As its importer of the format Cityscapes 1.0 finds, names and numbers things."""
    crops = exported(data, verdict(data, NAMES[0], square(10, 90)))
    lines = (crops / "label_colors.txt").read_text().splitlines()
    # The importer splits a line at spaces, and counts: the fourth word is the name of the label.
    assert all(len(line.split()) == 4 for line in lines)
    names = [line.split()[3] for line in lines]
    assert (len(names), names[0], names[city.CAR]) == (34, "unlabeled", "car")
    assert {"egovehicle", "trafficlight", "guardrail"} <= set(names)
    assert lines[city.ROAD] == "128 64 128 road"
    # gtFine/<subset>/<city>/<image>_gtFine_instanceIds.png: a label, or 1,000 times that and more.
    (ids_file,) = (crops / "gtFine" / "val").glob("*/*_gtFine_instanceIds.png")
    ids = read_grey_png(ids_file, np.uint16)
    labels = np.where(ids < 1000, ids, ids // 1000)
    end = "instanceIds.png"
    label_ids = read_grey_png(
        ids_file.with_name(ids_file.name.replace(end, "labelIds.png")), np.uint8
    )
    assert np.array_equal(labels, label_ids)
    image = ids_file.name.replace(f"gtFine_{end}", "leftImg8bit.png")
    assert (crops / "leftImg8bit" / "val" / ids_file.parent.name / image).is_file()


def test_a_background_that_a_tool_puts_before_the_labels_is_taken_off(data: Path) -> None:
    crops = exported(data, verdict(data, NAMES[0], square(10, 90)))
    labels = crops / "label_colors.txt"
    labels.write_text("0 0 0 background\n" + labels.read_text())
    (label_file,) = (crops / "gtFine").rglob("*_labelIds.png")
    ids_file = label_file.with_name(label_file.name.replace("labelIds", "instanceIds"))
    label_ids, ids = read_grey_png(label_file, np.uint8), read_grey_png(ids_file, np.uint16)
    label_ids, ids = label_ids + np.uint8(1), ids + np.where(ids < 1000, 1, 1000).astype(np.uint16)
    label_ids[0, :3] = city.BUILDING + 1
    label_ids[1, :3] = 0
    ids[:2, :3] = label_ids[:2, :3]
    label_file.write_bytes(city.encode(label_ids))
    ids_file.write_bytes(city.encode(ids))
    before = maps(data)[NAMES[0]]
    assert imported(data, crops).changes
    after = maps(data.parent / "out")[NAMES[0]]
    (crop,) = read_manifest(crops).crops  # type: ignore[union-attr]
    top, left, *_ = crop.box
    expected = before.label_ids.copy()
    expected[top, left : left + 3], expected[top + 1, left : left + 3] = city.BUILDING, 0
    assert np.array_equal(after.label_ids, expected)
    assert after.instance_ids is not None
    assert before.instance_ids is not None
    same = before.label_ids == after.label_ids
    assert np.array_equal(after.instance_ids[same], before.instance_ids[same])
    label_ids[5, 5] = 35
    label_file.write_bytes(city.encode(label_ids))
    frames = find_frames(data)
    found = read_corrections(crops, frames, data).by_frame
    done = write_corrected_copy(data, frames, LABEL_IDS, found, data.parent / "out2")
    assert any("has the number 35" in each for each in done.skipped)


def test_labels_that_a_tool_has_numbered_otherwise_are_refused(data: Path) -> None:
    crops = exported(data, verdict(data, NAMES[0], square(10, 90)))
    (crops / "label_colors.txt").write_text("0 0 0 unlabeled\n128 64 128 road\n")
    with pytest.raises(ReviewError, match="has road as number 1, where Cityscapes has ego vehicle"):
        imported(data, crops)


def test_parts_that_disagree_about_a_pixel_are_refused() -> None:
    before = Annotated(np.zeros((4, 4), np.uint8))
    parts = [
        Part(f"part {value}", (0, 0, 2, 2), Annotated(np.full((2, 2), value, np.uint8)))
        for value in (7, 8)
    ]
    with pytest.raises(ReviewError, match="part 8 and another part change the same pixels"):
        with_parts(before, parts)


# --- accepted labels and whole label maps ----------------------------------------------------


def test_the_label_of_the_network_is_written_where_it_was_accepted(data: Path) -> None:
    ledger = data.parent / "ledger.jsonl"
    old = verdict(data, NAMES[1], square(50, 9), accepted=True)
    lines = [
        verdict(data, NAMES[0], square(10, 90), accepted=True, predicted="bus"),
        verdict(data, NAMES[0], square(30, 90), predicted="bus"),
        old.model_copy(update={"annotation": "0" * 16}),
    ]
    append(ledger, lines)
    frames = find_frames(data)
    corrections = accepted_corrections(rows_of(ledger, data))
    out = data.parent / "out"
    done = write_corrected_copy(data, frames, LABEL_IDS, corrections, out)
    expected = maps(data)[NAMES[0]].label_ids.copy()
    expected[10:16, 90:96] = 28
    assert done.changes.keys() == {NAMES[0]}
    found = maps(out)
    assert np.array_equal(found[NAMES[0]].label_ids, expected)
    ids = found[NAMES[0]].instance_ids
    assert ids is not None
    assert (ids[10:16, 90:96] == 28000).all()
    assert np.array_equal(found[NAMES[1]].label_ids, maps(data)[NAMES[1]].label_ids)
    image = find_frames(out, ["val"])[0].image
    assert image
    assert image.resolve() == city.image_path(data, STEMS[0], "val").resolve()


def test_nothing_accepted_and_an_unknown_label_are_errors(data: Path) -> None:
    with pytest.raises(ReviewError, match="Nothing is to be corrected"):
        accepted_corrections([])
    wrong = verdict(data, NAMES[0], square(1, 1), predicted="spaceship")
    with pytest.raises(ReviewError, match="'spaceship' is no label"):
        with_accepted(maps(data)[NAMES[0]], [wrong])


def test_whole_label_maps_are_taken_by_the_names_of_their_frames(data: Path) -> None:
    corrected = data.parent / "corrected"
    for stem in (STEMS[1], "ulm_000009_000019"):
        city.write_frame(corrected, stem, "val", label_ids=city.street(*SIZE_HW, 7))
    frames = find_frames(data)
    corrections = read_corrections(corrected, frames, data)
    assert corrections.skipped == [f"val/ulm/ulm_000009_000019: {data} has no such frame"]
    out = data.parent / "out"
    done = write_corrected_copy(data, frames, LABEL_IDS, corrections.by_frame, out)
    assert done.changes.keys() == {NAMES[1]}
    assert np.array_equal(maps(out)[NAMES[1]].label_ids, city.street(*SIZE_HW, 7))


# --- the folder ------------------------------------------------------------------------------


def test_an_interrupted_copy_leaves_nothing(data: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    before = set(data.parent.iterdir())
    frames = find_frames(data)
    with pytest.raises(KeyboardInterrupt):
        write_corrected_copy(data, frames, LABEL_IDS, {}, data.parent / "out", interrupt)
    assert set(data.parent.iterdir()) == before


@pytest.mark.parametrize("place", ["data/out", "data", "file", "full"])
def test_a_place_that_is_no_new_folder_elsewhere_is_refused(data: Path, place: str) -> None:
    (data.parent / "file").write_text("mine")
    city.write(data.parent / "full" / "mine.txt", b"mine")
    before = content_of(data.parent)
    with pytest.raises(CitysegError, match="name a"):
        write_corrected_copy(data, find_frames(data), LABEL_IDS, {}, data.parent / place)
    assert content_of(data.parent) == before

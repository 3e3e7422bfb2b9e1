"""The zips are built here, byte by byte where `zipfile` would not write such a file.

Also tests: data/archive_files, data/archive_folders, data/archive_names.
"""

import os
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import child
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from waiting import PATIENCE_SECONDS

from cityseg.data.archive_files import MAX_ENTRY_BYTES
from cityseg.data.archives import ImportReport, import_archives
from cityseg.data.dataset import find_frames
from cityseg.errors import CitysegError, DatasetError

STEM = "aachen_000000_000019"
IMAGE = f"leftImg8bit/train/aachen/{STEM}_leftImg8bit.png"
LABEL_IDS = f"gtFine/train/aachen/{STEM}_gtFine_labelIds.png"
GOOD = "leftImg8bit/val/ulm/ulm_000000_000019_leftImg8bit.png"


@dataclass
class Raw:
    """One entry; a value of None stands for the true one."""

    name: bytes | str
    content: bytes = b"content"
    method: int = zipfile.ZIP_STORED
    flags: int = 0
    mode: int = 0
    crc: int | None = None
    size: int | None = None
    packed: bytes | None = None


def write_zip(path: Path, entries: Sequence[Raw], *, overlap: bool = False) -> Path:
    """A zip of exactly these entries; with `overlap`, all share the first one's bytes."""
    out, directory = bytearray(), bytearray()
    for entry in entries:
        name = entry.name.encode() if isinstance(entry.name, str) else entry.name
        packed = entry.packed
        if packed is None:
            deflater = zlib.compressobj(wbits=-15)
            deflated = deflater.compress(entry.content) + deflater.flush()
            packed = deflated if entry.method == zipfile.ZIP_DEFLATED else entry.content
        crc = zlib.crc32(entry.content) if entry.crc is None else entry.crc
        size = len(entry.content) if entry.size is None else entry.size
        shared = struct.pack(
            "<5H3I2H", 20, entry.flags, entry.method, 0, 0, crc, len(packed), size, len(name), 0
        )
        offset = 0 if overlap else len(out)
        directory += b"PK\1\2\x14\3" + shared
        directory += struct.pack("<3H2I", 0, 0, 0, entry.mode << 16, offset) + name
        if not (overlap and out):
            out += b"PK\3\4" + shared + name + packed
    end = struct.pack(
        "<4s4H2IH", b"PK\5\6", 0, 0, len(entries), len(entries), len(directory), len(out), 0
    )
    path.write_bytes(out + directory + end)
    return path


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def import_one(tmp_path: Path, *entries: Raw) -> ImportReport:
    return import_archives([write_zip(tmp_path / "x.zip", entries)], tmp_path / "data")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


# What is unpacked, and where


def test_the_official_zips_become_a_dataset(tmp_path: Path, data: Path) -> None:
    images, annotations = tmp_path / "images.zip", tmp_path / "annotations.zip"
    image, label_ids = os.urandom(3_000_000), b"labels" * 1000
    with zipfile.ZipFile(images, "w", zipfile.ZIP_DEFLATED) as file:
        file.mkdir("leftImg8bit/")
        file.writestr("README", "read me")
        file.writestr(IMAGE, image)
    with zipfile.ZipFile(annotations, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("license.txt", "license")
        file.writestr(LABEL_IDS, label_ids)
        file.writestr(LABEL_IDS.replace("labelIds", "color"), b"nothing reads this")
        file.writestr(LABEL_IDS.replace("labelIds", "instanceIds"), b"instances")
        file.writestr(LABEL_IDS.replace("labelIds.png", "polygons.json"), b"{}")

    report = import_archives([images, annotations], data)

    instance_ids = LABEL_IDS.replace("labelIds", "instanceIds")
    polygons = LABEL_IDS.replace("labelIds.png", "polygons.json")
    assert files_below(data) == {
        IMAGE: image,
        LABEL_IDS: label_ids,
        instance_ids: b"instances",
        polygons: b"{}",
    }
    expected_bytes = len(image) + len(label_ids) + len(b"instances{}")
    assert report == ImportReport(unpacked=4, unpacked_bytes=expected_bytes, ignored=4)
    (frame,) = find_frames(data)
    assert (frame.image, frame.instance_ids) == (data / IMAGE, data / instance_ids)


@pytest.mark.parametrize(
    "prefix",
    ["leftImg8bit_trainvaltest/", "archive/city scapes/", "./", "a/b/c/d/", "城市/", "données/"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "gbk", "latin-1"])
def test_folders_around_the_layout_are_left_out(
    tmp_path: Path, data: Path, prefix: str, encoding: str
) -> None:
    import_one(tmp_path, Raw((prefix + IMAGE).encode(encoding, "replace")))
    assert list(files_below(data)) == [IMAGE]


@pytest.mark.parametrize(
    "name",
    [
        IMAGE.replace("/", "\\"),
        f"archive\\{IMAGE}",
        IMAGE.replace("train", "Train"),
        IMAGE.replace("leftImg8bit/train", "LeftImg8Bit/TRAIN"),
        IMAGE.replace("aachen/", ""),
    ],
)
def test_other_ways_to_write_the_folders_are_read(tmp_path: Path, data: Path, name: str) -> None:
    report = import_one(tmp_path, Raw(name))
    assert list(files_below(data)) == [IMAGE]
    assert report.refused == []


@pytest.mark.parametrize(
    "name",
    [
        "README",
        "leftImg8bit/",
        f"__MACOSX/{IMAGE}",
        f"leftImg8bit/train/aachen/._{STEM}_leftImg8bit.png",
        f"leftImg8bit/train/.aachen/{STEM}_leftImg8bit.png",
        f"gtFine/train/aachen/{STEM}_gtFine_instanceTrainIds.png",
        f"leftImg8bit/train/aachen/{STEM}_leftImg8bit.py",
    ],
)
def test_what_the_dataset_does_not_read_is_ignored(tmp_path: Path, data: Path, name: str) -> None:
    report = import_one(tmp_path, Raw(GOOD), Raw(name))
    assert list(files_below(data)) == [GOOD]
    assert (report.unpacked, report.ignored, report.refused) == (1, 1, [])


@pytest.mark.parametrize(
    "name",
    [
        f"leftImg8bit/train_extra/ulm/{STEM}_leftImg8bit.png",
        f"gtCoarse/train_extra/ulm/{STEM}_gtCoarse_labelIds.png",
        f"gtCoarse/train/aachen/{STEM}_gtCoarse_polygons.json",
        f"gtFine/train/aachen/{STEM}_gtFine_labelTrainIds.png",
        f"gtFine/train/aachen/{STEM}_gtFine_color.png",
        f"gtFine/train/aachen/{STEM}_gtfine_labelids.PNG",
    ],
)
def test_all_that_a_dataset_reads_is_unpacked(tmp_path: Path, data: Path, name: str) -> None:
    report = import_one(tmp_path, Raw(f"all/{name}"), Raw(GOOD))
    assert (report.unpacked, report.refused) == (2, [])
    found = {path for frame in find_frames(data) for path in (frame.image, frame.label_ids)}
    assert data / name in found | {frame.polygons for frame in find_frames(data)}


@pytest.mark.parametrize("split", ["training", "Train", "train/train", "training/train"])
def test_other_names_of_a_split_are_those_that_a_dataset_reads(
    tmp_path: Path, data: Path, split: str
) -> None:
    report = import_one(tmp_path, Raw(f"leftImg8bit/{split}/ulm/{STEM}_leftImg8bit.png"))
    assert (report.unpacked, report.refused) == (1, [])
    assert list(files_below(data)) == [f"leftImg8bit/train/ulm/{STEM}_leftImg8bit.png"]


@pytest.mark.parametrize(
    "name",
    [
        f"leftImg8bit_foggy/train/aachen/{STEM}_leftImg8bit_foggy_beta_0.02.png",
        f"leftImg8bit_foggyDBF/val/ulm/{STEM}_leftImg8bit_foggy_beta_0.005.png",
        f"leftImg8bit_rain/train/aachen/{STEM}_leftImg8bit_rain_alpha_0.01_pattern_1.png",
    ],
)
def test_foggy_and_rainy_images_are_unpacked(tmp_path: Path, data: Path, name: str) -> None:
    report = import_one(tmp_path, Raw(f"all/{name}"))
    assert (report.unpacked, report.refused) == (1, [])
    assert [frame.image for frame in find_frames(data)] == [data / name]


@pytest.mark.parametrize("better", ["labelIds.png", "polygons.json"])
def test_train_ids_and_colors_are_left_where_there_is_better(
    tmp_path: Path, data: Path, better: str
) -> None:
    names = [f"gtFine/train/aachen/{STEM}_gtFine_{kind}" for kind in ("labelTrainIds.png", better)]
    other = "gtFine/train/aachen/aachen_000001_000019_gtFine_color.png"
    report = import_one(tmp_path, *map(Raw, names), Raw(other))
    assert list(files_below(data)) == sorted([names[1], other])
    assert report.ignored == 1


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (f"fog/train/ulm/{STEM}_leftImg8bit_foggy_beta_0.02.png", "it does not lie in"),
        (f"leftImg8bit_sequence/train/ulm/{STEM}_leftImg8bit.png", "video sequences"),
        (f"images/{STEM}_leftImg8bit.png", "where SPLIT is one of train,"),
        (f"leftImg8bit/train/aachen/{STEM}_gtFine_labelIds.png", "it does not lie in"),
        (f"gtFine/train/aachen/{STEM}_leftImg8bit.png", "it does not lie in"),
    ],
)
def test_a_file_of_cityscapes_that_is_not_read_is_reported(
    tmp_path: Path, data: Path, name: str, reason: str
) -> None:
    report = import_one(tmp_path, Raw(GOOD), Raw(name), Raw(name.replace("000000", "000001")))
    assert list(files_below(data)) == [GOOD]
    (sentence,) = report.refusals()
    assert sentence.startswith(f"{tmp_path / 'x.zip'}: 2 files were left, such as {name!r}: ")
    assert reason in sentence


@pytest.mark.parametrize(
    ("stored", "city"),
    [
        ("亚琛".encode("gbk"), "亚琛"),
        ("亞琛".encode("gbk"), "亞琛"),  # traditional signs are not in GB 2312
        (b"z\x81rich", "zürich"),
        (b"k\x94ln", "köln"),  # its second and third byte are a sign of GBK
        ("zürich".encode(), "zürich"),
    ],
)
def test_a_name_in_an_older_encoding_is_read(
    tmp_path: Path, data: Path, stored: bytes, city: str
) -> None:
    import_one(tmp_path, Raw(b"leftImg8bit/train/" + stored + b"/a_0_0_leftImg8bit.png"))
    assert list(files_below(data)) == [f"leftImg8bit/train/{city}/a_0_0_leftImg8bit.png"]


def test_a_name_in_utf_8_without_the_flag_is_read_as_utf_8(tmp_path: Path, data: Path) -> None:
    name = "leftImg8bit/train/zürich/zürich_0_0_leftImg8bit.png"
    import_one(tmp_path, Raw(name))
    assert list(files_below(data)) == [name]


# What is refused, while the rest continues


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (f"../{IMAGE}", "upwards"),
        ("../../etc/passwd", "upwards"),
        (f"leftImg8bit/train/../{STEM}_leftImg8bit.png", "upwards"),
        (f"/{IMAGE}", "absolute"),
        (f"C:/{IMAGE}", "absolute"),
        (f"C:{IMAGE}", "absolute"),
        (f"..\\{IMAGE}", "upwards"),
        (f"\\{IMAGE}", "absolute"),
        (f"C:\\{IMAGE}", "absolute"),
        (f"{IMAGE}\0.txt", "NUL"),
        (f"leftImg8bit/train/a\0/{STEM}_leftImg8bit.png", "NUL"),
        (f"leftImg8bit/train/a:b/{STEM}_leftImg8bit.png", "some systems cannot"),
        (f"leftImg8bit/train/a\x1b[2J/{STEM}_leftImg8bit.png", "some systems cannot"),
        (f"leftImg8bit/train/a\u202eb/{STEM}_leftImg8bit.png", "some systems cannot"),
        (f"leftImg8bit/train/aachen./{STEM}_leftImg8bit.png", "some systems cannot"),
        (f"leftImg8bit/train/NUL/{STEM}_leftImg8bit.png", "Windows device"),
        (f"leftImg8bit/train/com1.x/{STEM}_leftImg8bit.png", "Windows device"),
        (f"leftImg8bit/train/{'a' * 201}/{STEM}_leftImg8bit.png", "too long"),
    ],
)
def test_an_unsafe_name_is_refused(
    tmp_path: Path, data: Path, name: bytes | str, reason: str
) -> None:
    report = import_one(tmp_path, Raw(name), Raw(GOOD))
    assert list(files_below(tmp_path)) == [f"data/{GOOD}", "x.zip"]
    (refusal,) = report.refused
    assert reason in refusal.reason
    assert refusal.archive == tmp_path / "x.zip"
    assert report.unpacked == 1


BROKEN_DEFLATE = b"\xff" * 20
ZEROS = bytes(2_000_000)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (Raw(IMAGE, b"/etc/passwd", mode=stat.S_IFLNK | 0o777), "a link or a device"),
        (Raw(IMAGE, mode=stat.S_IFCHR | 0o666), "a link or a device"),
        (Raw(IMAGE, flags=1), "encrypted"),
        (Raw(IMAGE, method=zipfile.ZIP_LZMA), "(LZMA, method 14) is not supported: unpack the"),
        (Raw(IMAGE, method=9), "(Deflate64, method 9)"),
        (Raw(IMAGE, crc=1), "it is damaged: download the zip again"),
        (Raw(IMAGE, size=8), "it has 7 bytes, not 8 as declared"),
        (Raw(IMAGE, b"x", size=0), "it is damaged: download the zip again"),
        (Raw(IMAGE, method=8, packed=BROKEN_DEFLATE), "it is damaged: download the zip again"),
        (Raw(IMAGE, b"content", method=8, packed=b""), "damaged"),
        (Raw(IMAGE, ZEROS, method=8), "to 2000000 bytes: a zip bomb"),
        (Raw(IMAGE, size=MAX_ENTRY_BYTES + 1), "zip bomb"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_unusable_entry_is_refused(tmp_path: Path, data: Path, entry: Raw, reason: str) -> None:
    report = import_one(tmp_path, entry, Raw(GOOD))
    assert list(files_below(data)) == [GOOD]
    (refusal,) = report.refused
    assert reason in refusal.reason
    assert refusal.entry == IMAGE


def test_more_bytes_than_declared_are_not_written(tmp_path: Path, data: Path) -> None:
    declared = zlib.crc32(bytes(10))
    import_one(tmp_path, Raw(IMAGE, ZEROS, method=8, size=10, crc=declared))
    assert files_below(data) == {IMAGE: bytes(10)}


def test_entries_that_share_bytes_are_refused_as_a_whole(tmp_path: Path, data: Path) -> None:
    path = write_zip(tmp_path / "x.zip", [Raw(IMAGE, bytes(1000))] * 3, overlap=True)
    with pytest.raises(DatasetError, match=r"x\.zip has overlapping entries"):
        import_archives([path], data)
    assert not data.exists()


def test_the_same_entry_twice_is_written_once(tmp_path: Path) -> None:
    report = import_one(tmp_path, Raw(IMAGE), Raw(IMAGE))
    assert (report.unpacked, report.already_there) == (1, 1)


def test_of_two_entries_of_one_name_the_first_stays(tmp_path: Path, data: Path) -> None:
    report = import_one(tmp_path, Raw(IMAGE, b"first"), Raw(IMAGE, b"later"))
    assert files_below(data) == {IMAGE: b"first"}
    assert [refusal.reason for refusal in report.refused] == [
        "a different file exists already and was kept"
    ]


# Zips in zips


def inner_zip(tmp_path: Path, *entries: Raw) -> bytes:
    return write_zip(tmp_path / "inner.zip", entries).read_bytes()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_in_a_zip_is_opened(tmp_path: Path, data: Path, method: int) -> None:
    inner = inner_zip(tmp_path, Raw(IMAGE), Raw("README"))
    report = import_one(tmp_path, Raw("all/images.zip", inner, method=method), Raw(LABEL_IDS))
    assert list(files_below(data)) == [LABEL_IDS, IMAGE]
    assert (report.unpacked, report.ignored, report.refused) == (2, 1, [])


def test_a_refusal_in_an_inner_zip_names_it(tmp_path: Path) -> None:
    inner = inner_zip(tmp_path, Raw(f"../{IMAGE}"), Raw(IMAGE))
    (refusal,) = import_one(tmp_path, Raw("a/images.zip", inner)).refused
    assert refusal.archive == tmp_path / "x.zip" / "images.zip"


def test_a_third_level_is_left(tmp_path: Path, data: Path) -> None:
    middle = inner_zip(tmp_path, Raw("deep.zip", inner_zip(tmp_path, Raw(IMAGE))))
    report = import_one(tmp_path, Raw("middle.zip", middle), Raw(GOOD))
    assert list(files_below(data)) == [GOOD]
    (refusal,) = report.refused
    assert refusal.reason == "it is a zip in a zip in a zip: unpack it first"


@pytest.mark.parametrize(
    ("inner", "reason"),
    [
        (Raw("inner.zip", b"PK\3\4 cut short"), "it is a damaged or incomplete zip: download"),
        (Raw("inner.zip", b"<!DOCTYPE html><html>"), "it is a web page, not a zip: log in and"),
        (Raw("inner.zip", b"x" * 9, crc=1), "it is damaged: download the zip again"),
        (Raw("inner.zip", ZEROS, method=8), "to 2000000 bytes: a zip bomb"),
        (Raw("inner.zip", b"x", flags=1), "it is encrypted"),
        (Raw("inner.zip", b"x", size=1 << 31, packed=bytes(9)), "a zip bomb"),
        (Raw("../inner.zip"), "upwards"),
    ],
)
def test_an_unusable_inner_zip_is_refused(
    tmp_path: Path, data: Path, inner: Raw, reason: str
) -> None:
    report = import_one(tmp_path, inner, Raw(GOOD))
    assert list(files_below(data)) == [GOOD]
    assert reason in report.refused[0].reason
    assert len(report.refused) == 1


def test_overlapping_entries_of_an_inner_zip_are_refused(tmp_path: Path, data: Path) -> None:
    bomb = write_zip(tmp_path / "bomb.zip", [Raw(IMAGE, bytes(1000))] * 3, overlap=True)
    report = import_one(tmp_path, Raw("bomb.zip", bomb.read_bytes()), Raw(GOOD))
    assert list(files_below(data)) == [GOOD]
    assert "overlapping entries" in report.refused[0].reason


@pytest.mark.parametrize("name", ["a.tar", "b/images.tar.gz", "c.TGZ", "d.rar", "e.7z"])
def test_another_archive_in_a_zip_is_left_and_named(tmp_path: Path, name: str) -> None:
    report = import_one(tmp_path, Raw(GOOD), Raw(name))
    assert [refusal.entry for refusal in report.refused] == [name]
    assert "archive in the zip: unpack it with another program" in report.refused[0].reason


# What is said


def test_refusals_of_one_kind_are_one_sentence(tmp_path: Path) -> None:
    stems = [f"ulm_{number:06}_000019" for number in range(30)]
    damaged = [Raw(f"leftImg8bit/val/ulm/{stem}_leftImg8bit.png", crc=1) for stem in stems]
    packed = [Raw(f"gtFine/val/ulm/{stem}_gtFine_labelIds.png", method=14) for stem in stems]
    first, second = import_one(tmp_path, *packed, *damaged[:1]).refusals()
    assert first.startswith(f"{tmp_path / 'x.zip'}: 30 files were left, such as {packed[0].name!r}")
    assert second.startswith(f"{tmp_path / 'x.zip'}: 1 file was left, such as {damaged[0].name!r}")
    report = import_one(tmp_path, *damaged)
    assert len(report.refused) == 30
    assert len(report.refusals()) == 1


# Files that exist already


def test_a_second_import_writes_nothing(tmp_path: Path, data: Path) -> None:
    import_one(tmp_path, Raw(IMAGE), Raw(GOOD))
    before = [(data / name).stat() for name in (IMAGE, GOOD)]
    report = import_one(tmp_path, Raw(IMAGE), Raw(GOOD))
    assert report == ImportReport(already_there=2)
    after = [(data / name).stat() for name in (IMAGE, GOOD)]
    assert [(s.st_ino, s.st_mtime_ns) for s in after] == [(s.st_ino, s.st_mtime_ns) for s in before]


@pytest.mark.parametrize("mine", [b"CONTENT", b"longer content", b""])
def test_a_different_file_is_kept_and_reported(tmp_path: Path, data: Path, mine: bytes) -> None:
    (data / IMAGE).parent.mkdir(parents=True)
    (data / IMAGE).write_bytes(mine)
    report = import_one(tmp_path, Raw(IMAGE, b"content"), Raw(GOOD))
    assert files_below(data) == {IMAGE: mine, GOOD: b"content"}
    assert "was kept" in report.refused[0].reason


@pytest.mark.parametrize("link", ["leftImg8bit", "leftImg8bit/train", "leftImg8bit/train/aachen"])
def test_a_link_to_a_folder_is_followed_and_named(
    tmp_path: Path, data: Path, link: str, caplog: pytest.LogCaptureFixture
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    (data / link).parent.mkdir(parents=True)
    (data / link).symlink_to(disk)
    report = import_one(tmp_path, Raw(IMAGE), Raw(LABEL_IDS))
    assert report.unpacked == 2
    assert list(files_below(disk)) == [os.path.relpath(IMAGE, link)]
    assert caplog.messages == [f"{data / link} is a link: its files are written to {disk}"]


@pytest.mark.parametrize("link", ["leftImg8bit", "leftImg8bit/train", "leftImg8bit/train/aachen"])
def test_a_link_that_leads_nowhere_is_not_followed(tmp_path: Path, data: Path, link: str) -> None:
    (data / link).parent.mkdir(parents=True)
    (data / link).symlink_to(tmp_path / "gone")
    report = import_one(tmp_path, Raw(IMAGE), Raw(LABEL_IDS))
    assert not files_below(tmp_path).keys() - {"x.zip", f"data/{LABEL_IDS}"}
    reason = (
        f"cannot be created: {data / link} is a link to {tmp_path / 'gone'}, which is no folder"
    )
    assert reason in report.refused[0].reason
    assert report.unpacked == 1


def test_an_entry_that_is_a_link_is_not_followed(tmp_path: Path, data: Path) -> None:
    (tmp_path / "outside").mkdir()
    outside = str(tmp_path / "outside").encode()
    link = Raw("leftImg8bit/train/aachen", outside, mode=stat.S_IFLNK | 0o777)
    report = import_one(tmp_path, link, Raw(IMAGE))
    assert list(files_below(tmp_path / "outside")) == []
    assert list(files_below(data)) == [IMAGE]
    assert [refusal.entry for refusal in report.refused] == [link.name]
    assert "it is a link or a device, not a file: pack what it leads to" in report.refused[0].reason


def test_a_folder_that_leads_elsewhere_inside_is_followed(tmp_path: Path, data: Path) -> None:
    (data / "disk" / "train").mkdir(parents=True)
    (data / "leftImg8bit").symlink_to("disk")
    assert import_one(tmp_path, Raw(IMAGE)).unpacked == 1
    assert (data / IMAGE.replace("leftImg8bit/", "disk/", 1)).read_bytes() == b"content"


def test_the_root_itself_may_be_a_link(tmp_path: Path, data: Path) -> None:
    (tmp_path / "disk").mkdir()
    data.symlink_to("disk")
    assert import_one(tmp_path, Raw(IMAGE)).unpacked == 1


@pytest.mark.parametrize("at", ["leftImg8bit", "leftImg8bit/train/aachen"])
@pytest.mark.parametrize("kind", ["file", "link to itself"])
def test_something_else_in_the_place_of_a_folder_is_kept(
    tmp_path: Path, data: Path, at: str, kind: str
) -> None:
    (data / at).parent.mkdir(parents=True)
    if kind == "file":
        (data / at).write_bytes(b"mine")
    else:
        (data / at).symlink_to((data / at).name)
    report = import_one(tmp_path, Raw(IMAGE), Raw(LABEL_IDS))
    what = "a file" if kind == "file" else f"a link to {(data / at).name}, which is no folder"
    assert f"cannot be created: {data / at} is {what}" in report.refused[0].reason
    assert report.unpacked == 1


@pytest.mark.parametrize("kind", ["folder", "dangling link", "pipe"])
def test_something_else_in_the_place_of_a_file_is_kept(
    tmp_path: Path, data: Path, kind: str
) -> None:
    (data / IMAGE).parent.mkdir(parents=True)
    if kind == "folder":
        (data / IMAGE).mkdir()
    elif kind == "pipe":
        os.mkfifo(data / IMAGE)
    else:
        (data / IMAGE).symlink_to(tmp_path / "elsewhere")
    before = (data / IMAGE).lstat()
    report = import_one(tmp_path, Raw(IMAGE), Raw(LABEL_IDS))
    assert (data / IMAGE).lstat().st_ino == before.st_ino
    assert not (tmp_path / "elsewhere").exists()
    assert (len(report.refused), report.unpacked) == (1, 1)


# Errors that end the import

IMPORT_OR_PRINT_ERROR = """
import sys
from pathlib import Path
from cityseg.data.archive_files import MAX_ENTRY_BYTES
from cityseg.data.archives import import_archives
from cityseg.errors import CitysegError
try:
    report = import_archives([Path(sys.argv[1])], Path(sys.argv[2]))
    print(report.already_there, "already there")
except CitysegError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"x\.zip cannot be opened \(No such file or directory\): name a zip"),
        (b"<html>please log in", r"x\.zip is a web page, not a zip: log in and download again"),
        (b"\xef\xbb\xbf\n <!DOCTYPE html>", r"x\.zip is a web page"),
        (b"\n<!-- saved -->\n<HTML>", r"x\.zip is a web page"),
        (b"data", r"x\.zip is no zip but text, which begins with 'data': log in and download"),
        (b"\x89PNG", r"x\.zip is no zip: name one"),
        (b"", r"x\.zip is empty: download it again"),
        (b"\x1f\x8b\x08", r"x\.zip is a gzip archive, not a zip: unpack it with another program"),
        (b"Rar!\x1a", r"x\.zip is a RAR archive, not a zip"),
        (bytes(257) + b"ustar", r"x\.zip is a tar archive, not a zip"),
        (b"version https://git-lfs.github.com/spec/v1\n", r"x\.zip is only a pointer of Git LFS"),
        (b"PK\3\4 cut short", r"x\.zip is a damaged or incomplete zip: download it again"),
    ],
)
def test_what_is_no_zip_is_an_error_before_anything_is_written(
    tmp_path: Path, data: Path, content: bytes | None, message: str
) -> None:
    good, bad = write_zip(tmp_path / "good.zip", [Raw(IMAGE)]), tmp_path / "x.zip"
    if content is not None:
        bad.write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        import_archives([good, bad], data)
    assert not data.exists()


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_may_never_end_is_an_error_before_it_is_opened(
    tmp_path: Path, data: Path, kind: str
) -> None:
    path = Path("/dev/zero")
    if kind == "pipe":
        path = tmp_path / "x.zip"
        os.mkfifo(path)
    with pytest.raises(DatasetError, match="is a pipe or a device, not a file: name a zip"):
        import_archives([path], data)


def test_a_truncated_zip_is_an_error(tmp_path: Path, data: Path) -> None:
    path = write_zip(tmp_path / "x.zip", [Raw(IMAGE, bytes(1000))])
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DatasetError, match="incomplete zip: download it again"):
        import_archives([path], data)


def test_a_flagged_name_that_is_not_utf_8_is_an_error(tmp_path: Path, data: Path) -> None:
    path = write_zip(tmp_path / "x.zip", [Raw(b"\xff\xfe", flags=0x800), Raw(IMAGE)])
    with pytest.raises(DatasetError, match="damaged or incomplete"):
        import_archives([path], data)


def test_a_folder_in_place_of_a_zip_is_an_error(tmp_path: Path, data: Path) -> None:
    folder = tmp_path / "gtFine.zip"
    folder.mkdir()
    with pytest.raises(DatasetError, match=r"gtFine\.zip is a folder, not a zip: what is unpacked"):
        import_archives([folder], data)
    write_zip(folder / "a.zip", [Raw(IMAGE)])
    with pytest.raises(DatasetError, match=r"is a folder: name the zips in it, such as .*/a\.zip$"):
        import_archives([folder], data)


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (
            ["README"],
            r"1 file without an ending, such as 'README': name leftImg8bit_trainvaltest\.zip",
        ),
        (["a/", "__MACOSX/x"], r"no file at all: name .* and gtFine_trainvaltest\.zip"),
        (
            [f"rightImg8bit/train/ulm/ulm_{n}_rightImg8bit.png" for n in range(3)],
            r"3 files ending in '_rightImg8bit\.png', such as 'rightImg8bit/train/ulm/ulm_0_right",
        ),
        (
            ["rgb_anon/fog/train/G/G_frame_000001_rgb_anon.png"],
            "1 file of the layout acdc: unpack with another program, and name the folder with",
        ),
        (["data/training/semantic/000000_10.png"], "1 file of the layout kitti"),
        (["bdd100k/labels/sem_seg/masks/val/a.png"], "1 file of the layout bdd100k"),
        (["images/00001.png", "labels/00001.png"], "1 file of the layout gta5"),
        (
            ["cityscapes/train/1.jpg", "cityscapes/val/1.jpg"],
            r"image pairs, such as 'cityscapes/train/1\.jpg': unpack .* cityseg pairs FOLDER",
        ),
    ],
)
def test_a_zip_without_a_file_of_cityscapes_is_an_error_that_says_what_it_holds(
    tmp_path: Path, data: Path, names: list[str], what: str
) -> None:
    with pytest.raises(DatasetError, match=rf"x\.zip: no file of Cityscapes found, but {what}"):
        import_one(tmp_path, *map(Raw, names))
    assert not data.exists()


def test_a_file_in_place_of_the_root_is_an_error(tmp_path: Path, data: Path) -> None:
    data.write_bytes(b"")
    with pytest.raises(CitysegError, match=r"^Cannot write to .*data: Not a directory at .*data;"):
        import_one(tmp_path, Raw(IMAGE))


def test_a_root_without_permission_is_an_error_before_anything_is_read(
    tmp_path: Path, data: Path
) -> None:
    data.mkdir(mode=0o500)
    damaged = write_zip(tmp_path / "x.zip", [Raw(IMAGE, crc=1)])
    message = child.output_obeying_permissions(IMPORT_OR_PRINT_ERROR, damaged, data)
    assert message == (
        f"Cannot write to {data}: Permission denied at {data}; choose another folder\n"
    )


def test_an_import_with_nothing_to_do_needs_no_permission(tmp_path: Path, data: Path) -> None:
    import_one(tmp_path, Raw(IMAGE))
    data.chmod(0o500)
    message = child.output_obeying_permissions(IMPORT_OR_PRINT_ERROR, tmp_path / "x.zip", data)
    data.chmod(0o700)
    assert message == "1 already there\n"


def test_too_small_a_disk_is_an_error_before_anything_is_written(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=20_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    large = bytes(30_000_000)
    with pytest.raises(DatasetError, match=r"needs 30 MB more, .*has 20 MB free"):
        import_one(tmp_path, Raw(IMAGE, large))
    assert not data.exists()
    (data / IMAGE).parent.mkdir(parents=True)
    (data / IMAGE).write_bytes(large)
    assert import_one(tmp_path, Raw(IMAGE, large)).already_there == 1


RUN = """
import resource, sys, time
from pathlib import Path
from cityseg.data.archive_files import MAX_ENTRY_BYTES
from cityseg.data.archives import import_archives
{}
import_archives([Path(sys.argv[1])], Path(sys.argv[2]), progress=progress)
"""
STOP_HALFWAY = """
def progress(done, total):
    if done > total / 2:
        print("halfway", flush=True)
        time.sleep(600)
"""
NO_LARGE_FILES = """
progress = None
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
"""


def test_a_failing_disk_ends_the_import_and_leaves_no_part(tmp_path: Path, data: Path) -> None:
    path = write_zip(tmp_path / "x.zip", [Raw(GOOD), Raw(IMAGE, os.urandom(100_000))])
    result = subprocess.run(
        [sys.executable, "-c", RUN.format(NO_LARGE_FILES), path, data],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert f"{IMAGE} cannot be written (File too large); 1 files were unpacked" in result.stderr
    assert list(files_below(data)) == [GOOD]


# Interruptions and resources


def many_entries() -> dict[str, bytes]:
    return {
        f"leftImg8bit/train/ulm/ulm_{i:06}_000019_leftImg8bit.png": os.urandom(100_000)
        for i in range(10)
    }


def visible(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: content for name, content in files.items() if "/." not in name}


def test_a_killed_import_continues_where_it_was(tmp_path: Path, data: Path) -> None:
    contents = many_entries()
    path = write_zip(tmp_path / "x.zip", [Raw(name, c) for name, c in contents.items()])
    with subprocess.Popen(
        [sys.executable, "-c", RUN.format(STOP_HALFWAY), path, data], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"halfway\n"
        process.send_signal(signal.SIGKILL)
    files = files_below(data)
    assert len(files) == 6, "five whole files and the one being written"
    whole = visible(files)
    assert whole == {name: contents[name] for name in list(contents)[:5]}
    inodes = [(data / name).stat().st_ino for name in whole]

    report = import_archives([path], data)

    assert visible(files_below(data)) == contents
    assert (report.unpacked, report.already_there) == (5, 5)
    assert [(data / name).stat().st_ino for name in whole] == inodes


def test_ctrl_c_at_any_moment_leaves_whole_files_only(tmp_path: Path, data: Path) -> None:
    contents = many_entries()
    path = write_zip(tmp_path / "x.zip", [Raw(name, c) for name, c in contents.items()])
    finished = interrupted = 0
    while not finished:
        calls_left = interrupted + 1

        def progress(done: int, total: int) -> None:
            nonlocal calls_left
            calls_left -= 1
            if not calls_left:
                raise KeyboardInterrupt

        try:
            finished = import_archives([path], data, progress=progress).unpacked
        except KeyboardInterrupt:
            interrupted += 1
        files = files_below(data)
        assert files == {name: contents[name] for name in files}
        if not finished:
            shutil.rmtree(data)
    assert (interrupted, finished) == (20, 10)


def test_progress_rises_to_the_total_whatever_happens_to_the_entries(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    entries = [Raw(IMAGE, bytes(3_000_000)), Raw(LABEL_IDS, b"12", crc=0), Raw(GOOD, b"345")]
    path = write_zip(tmp_path / "x.zip", entries)
    for _ in range(2):
        calls.clear()
        import_archives([path], tmp_path / "data", progress=lambda *call: calls.append(call))
        assert calls == sorted(calls)
        assert calls[-1] == (3_000_005, 3_000_005)
        assert len(calls) >= 6


def test_memory_does_not_grow_with_the_entry(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", [Raw(IMAGE, os.urandom(30_000_000), method=8)])
    tracemalloc.start()
    try:
        for _ in range(2):
            import_archives([path], tmp_path / "data")
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


# Whatever the name


def names(outside: str) -> st.SearchStrategy[bytes]:
    """Names of wanted files, of which any part may be replaced by something odd."""
    # fmt: off
    odd = st.binary(max_size=6) | st.sampled_from([
        "..", ".", "", "~", outside, "/", "\\", "C:", "\0", "a\0", "leftImg8bit", "gtFine", "train",
        "../..", "../../..", "NUL", "..\\..", "%2e%2e", "\u2024\u2024", "a\n", " ", "É",
    ]).map(str.encode)
    # fmt: on
    parts = st.tuples(
        st.just(b"") | odd,
        st.sampled_from([b"leftImg8bit/train", b"leftImg8bit/val"]) | odd,
        st.just(b"ulm") | odd,
        st.just(b"ulm_1") | odd,
        st.just(b"_leftImg8bit.png") | odd,
    )
    return parts.map(lambda p: b"/".join(part for part in (*p[:3], p[3] + p[4]) if part))


def flagged(name: bytes) -> Raw:
    """Flag the name as UTF-8 if it is: one wrong flag and `zipfile` does not open the zip."""
    try:
        return Raw(name, flags=0x800 * bool(name.decode()))
    except UnicodeDecodeError:
        return Raw(name)


def test_no_name_whatsoever_is_written_outside_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sync", lambda: None)
    written: set[str] = set()
    with tempfile.TemporaryDirectory() as folder:
        sandbox = Path(folder).resolve()
        root, outside = sandbox / "deep" / "deeper" / "data", sandbox / "outside"

        @settings(max_examples=150, deadline=None)
        @given(st.lists(names(str(outside)), min_size=1, max_size=5))
        def check(drawn: list[bytes]) -> None:
            shutil.rmtree(sandbox)
            outside.mkdir(parents=True)
            path = write_zip(sandbox / "x.zip", [flagged(name) for name in drawn])
            try:
                import_archives([path], root)
            except DatasetError:  # nothing in it is wanted
                assert not root.exists()
            for found in sandbox.rglob("*"):
                if found.is_file() and found != path:
                    kind, split, _, name = found.relative_to(root).parts
                    assert kind in ("leftImg8bit", "gtFine")
                    assert split in ("train", "val", "test")
                    written.add(name)

        check()
    assert written, "some of the names are acceptable, or nothing was tried"

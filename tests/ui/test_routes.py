"""Picture addresses: exact values, a token for every read, errors as sentences.

Also tests: ui/pictures.
"""

import io
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from pathlib import Path
from urllib.parse import quote

import city
import numpy as np
import pytest
from cachetools import LRUCache
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient
from waiting import PATIENCE_SECONDS, until

from cityseg.arrays import Uint8Array
from cityseg.data import Reading, png
from cityseg.data.annotations import read_label_ids
from cityseg.data.dataset import find_frames
from cityseg.data.frame import Frame
from cityseg.data.masks import convert
from cityseg.errors import ImageError
from cityseg.evaluation import picture_paths
from cityseg.labels import (
    IGNORE,
    LABEL_ID_PALETTE,
    LABEL_OF_NAME,
    TRAIN_ID_OF_LABEL_ID,
    TRAIN_LABELS,
)
from cityseg.ui import cached, pictures, routes
from cityseg.ui.decoding import Budget
from cityseg.ui.folders import Folders
from cityseg.ui.pictures import Encoded
from cityseg.ui.routes import (
    ROUTES,
    frame_gallery,
    frame_picture,
    offer_file,
    predicted_gallery,
    publish,
)
from cityseg.ui.text import utf8

Encode = Callable[[Path, Reading], Encoded]
STEM = "town_000000_000019"


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=ROUTES))


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """One converted frame with instance ids."""
    root = tmp_path / "city"
    city.write_frame(root, STEM)
    city.write(city.annotation_path(root, STEM, kind="instanceIds.png"), city.encode(instances()))
    convert(root)
    return Folders(root, tmp_path / "runs")


def instances() -> np.ndarray[tuple[int, ...], np.dtype[np.uint16]]:
    """Every 16-bit value up to what 34 labels need, somewhere."""
    return np.resize(np.arange(34_000, dtype=np.uint16), (128, 256))


def only_frame(folders: Folders) -> Frame:
    cached.forget_frames()
    (frame,) = find_frames(folders.data)
    return frame


def grey(content: bytes) -> Uint8Array:
    pixels = png.decode_grey(content)
    assert pixels is not None
    return pixels


def test_labels_and_masks_come_as_they_are_on_disk(client: TestClient, folders: Folders) -> None:
    picture = frame_picture(folders, only_frame(folders))
    assert picture.labels
    assert picture.mask
    assert np.array_equal(grey(client.get(picture.labels).content), city.street())
    expected = TRAIN_ID_OF_LABEL_ID[city.street()]
    assert np.array_equal(grey(client.get(picture.mask).content), expected)


def palette_file(train_ids: Uint8Array) -> bytes:
    """A palette PNG in Cityscapes colours, as mmsegmentation writes it; void is 255."""
    picture = Image.fromarray(train_ids).convert("P")
    picture.putpalette(np.array([label.color for label in TRAIN_LABELS], np.uint8).tobytes())
    return city.encode(picture)


#: By encoding: a file of a street in it, and what a pixel of a car holds there.
WRITTEN = {
    "trainids": (city.encode(city.train_ids_of(city.street())), [13]),
    "trainids-plus1": (city.encode(city.train_ids_of(city.street()) + np.uint8(1)), [14]),
    "colors": (city.encode(LABEL_ID_PALETTE[city.street()]), [0, 0, 142]),
    "palette": (palette_file(city.train_ids_of(city.street())), [13]),
}


@pytest.mark.parametrize("is_converted", [False, True])
@pytest.mark.parametrize("encoding", WRITTEN)
def test_labels_are_read_in_the_encoding_of_the_dataset(
    client: TestClient, tmp_path: Path, encoding: str, is_converted: bool
) -> None:
    content, stored = WRITTEN[encoding]
    folders = Folders(tmp_path / "city", tmp_path)
    city.write_frame(folders.data, STEM).write_bytes(content)
    if is_converted:
        convert(folders.data)
    picture = frame_picture(folders, only_frame(folders))
    assert picture.labels
    assert picture.values
    shown = grey(client.get(picture.labels).content)
    evaluated = city.train_ids_of(city.street()) != IGNORE
    assert np.array_equal(shown[evaluated], city.street()[evaluated])
    assert not shown[~evaluated].any()
    values = grey(client.get(picture.values).content).reshape(*city.street().shape, len(stored))
    assert (values[city.street() == city.CAR] == stored).all()


def test_polygons_are_read_with_the_label_map_of_the_conversion(
    client: TestClient, tmp_path: Path
) -> None:
    folders = Folders(tmp_path / "city", tmp_path)
    city.write_frame(folders.data, STEM).unlink()
    street = {"label": "Strasse", "polygon": [[0, 64], [255, 64], [255, 127], [0, 127]]}
    polygons = city.annotation_path(folders.data, STEM, kind="polygons.json")
    city.write(polygons, city.polygons_file(street))
    convert(folders.data, label_map={"Strasse": LABEL_OF_NAME["road"]})
    address = frame_picture(folders, only_frame(folders)).labels
    assert address
    assert (grey(client.get(address).content)[70:120] == city.ROAD).all()


def test_annotations_of_unclear_encoding_are_left_out(
    client: TestClient, folders: Folders, tmp_path: Path
) -> None:
    root = tmp_path / "binary"
    city.write_frame(root, STEM, label_ids=(city.street() == city.ROAD).astype(np.uint8))
    binary = Folders(root, tmp_path)
    frame = only_frame(binary)
    picture = frame_picture(binary, frame)
    assert picture.labels is picture.values is None
    gallery = frame_gallery(binary, [frame])
    assert gallery.kinds == ["image", "thumbnail"]
    assert client.get(picture.image).status_code == 200
    refused = client.get(f"{gallery.base}labels?frame={quote(gallery.names[0], safe='')}")
    assert refused.status_code == 422
    assert "The encoding of the annotations is unclear" in refused.text


def test_instance_ids_come_as_two_bytes_each(client: TestClient, folders: Folders) -> None:
    picture = frame_picture(folders, only_frame(folders))
    assert picture.instances
    high_and_low = grey(client.get(picture.instances).content).astype(np.uint16)
    assert np.array_equal(high_and_low[:, ::2] * 256 + high_and_low[:, 1::2], instances())


def test_polygons_are_drawn_where_there_is_no_map(client: TestClient, tmp_path: Path) -> None:
    root = tmp_path / "city"
    city.write(city.image_path(root, STEM), city.encode(city.street()))
    road = {"label": "road", "polygon": [[0, 64], [255, 64], [255, 127], [0, 127]]}
    polygons = city.write(
        city.annotation_path(root, STEM, kind="polygons.json"), city.polygons_file(road)
    )
    folders = Folders(root, tmp_path)
    picture = frame_picture(folders, only_frame(folders))
    assert picture.labels
    assert picture.mask is picture.instances is None
    shown = grey(client.get(picture.labels).content)
    assert np.array_equal(shown, read_label_ids(polygons))
    assert (shown == city.ROAD).any()


def test_photos_are_jpegs_and_thumbnails_are_small(client: TestClient, folders: Folders) -> None:
    gallery = frame_gallery(folders, [only_frame(folders)])
    address = f"{gallery.base}thumbnail?frame={quote(gallery.names[0], safe='')}"
    photo = client.get(address.replace("thumbnail", "image"))
    assert photo.headers["content-type"] == "image/jpeg"
    with Image.open(io.BytesIO(photo.content)) as picture:
        assert picture.size == (256, 128)
    city.write(city.image_path(folders.data, STEM), city.encode(np.zeros((500, 1000, 3), np.uint8)))
    with Image.open(io.BytesIO(client.get(address).content)) as picture:
        assert picture.size == (320, 160)


def test_labels_over_a_thumbnail_are_in_their_colours(client: TestClient, folders: Folders) -> None:
    gallery = frame_gallery(folders, [only_frame(folders)])
    assert "overlay" in gallery.kinds
    answer = client.get(f"{gallery.base}overlay?frame={quote(gallery.names[0], safe='')}")
    with Image.open(io.BytesIO(answer.content)) as picture:
        colours = np.asarray(picture.convert("RGB"))
    assert np.array_equal(colours, LABEL_ID_PALETTE[city.street()])  # no wider than a thumbnail


def test_a_changed_file_is_sent_again_and_an_unchanged_one_is_not(
    client: TestClient, folders: Folders
) -> None:
    address = frame_picture(folders, only_frame(folders)).labels
    assert address
    first = client.get(address)
    again = client.get(address, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    city.write(city.annotation_path(folders.data, STEM), city.encode(city.street(seed=1)))
    changed = client.get(address, headers={"If-None-Match": first.headers["etag"]})
    assert np.array_equal(grey(changed.content), city.street(seed=1))


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "/etc/passwd", "train/town/../town/" + STEM, "", STEM]
)
def test_only_names_of_found_frames_are_answered(
    client: TestClient, folders: Folders, name: str
) -> None:
    base = frame_gallery(folders, [only_frame(folders)]).base
    answer = client.get(f"{base}image?frame={quote(name, safe='')}")
    assert answer.status_code == 404
    assert answer.text == f"There is no frame {name} any more: reload the page."


def test_without_the_token_there_is_no_answer(client: TestClient, folders: Folders) -> None:
    address = frame_picture(folders, only_frame(folders)).image
    token = address.split("/")[1]
    assert client.get(address).status_code == 200
    for other in ("x", token[:-1], "é", token.swapcase()):
        refused = client.get(address.replace(token, other))
        assert refused.status_code == 410
    assert client.get(address.replace("/image", "/color")).status_code == 410


def test_a_token_opens_its_own_folder_only(
    client: TestClient, folders: Folders, tmp_path: Path
) -> None:
    base = frame_gallery(folders, [only_frame(folders)]).base
    other = Folders(tmp_path / "other", tmp_path / "runs")
    city.write_frame(other.data, "elsewhere_000000_000019")
    name = only_frame(other).name
    assert frame_gallery(other, []).base != base
    assert client.get(f"{base}image?frame={name}").status_code == 404


@pytest.mark.parametrize(
    ("kind", "file", "sentence"),
    [
        ("image", "leftImg8bit/train/town/{}_leftImg8bit.png", "is damaged or no picture"),
        ("labels", "gtFine/train/town/{}_gtFine_labelIds.png", "is truncated"),
        ("mask", "masks/train/town/{}_mask.png", "is truncated: convert again"),
        ("instances", "gtFine/train/town/{}_gtFine_instanceIds.png", "is truncated"),
    ],
)
def test_a_damaged_file_is_a_sentence(
    client: TestClient, folders: Folders, kind: str, file: str, sentence: str
) -> None:
    path = folders.data / file.format(STEM)
    path.write_bytes(path.read_bytes()[:-20])
    address = getattr(frame_picture(folders, only_frame(folders)), kind)
    answer = client.get(address)
    assert (answer.status_code, answer.headers["content-type"]) == (
        422,
        "text/plain; charset=utf-8",
    )
    assert sentence in answer.text


def test_what_is_missing_is_a_sentence(client: TestClient, tmp_path: Path) -> None:
    folders = Folders(tmp_path / "city", tmp_path)
    city.write(city.image_path(folders.data, STEM), city.encode(city.street()))
    gallery = frame_gallery(folders, [only_frame(folders)])
    name = gallery.names[0]
    for kind, sentence in {
        "labels": f"{name} has no annotation: add it to gtFine.",
        "mask": f"{name} has no mask: convert it on the page Masks.",
    }.items():
        answer = client.get(f"{gallery.base}{kind}?frame={name}")
        assert (answer.status_code, answer.text) == (404, sentence)
    assert "instances" not in gallery.kinds


@pytest.mark.parametrize("town", ["<img src=x onerror=alert(1)>", "a b%20c&d#e?f", "Köln+Süd"])
def test_any_name_can_be_asked_for(client: TestClient, tmp_path: Path, town: str) -> None:
    folders = Folders(tmp_path / "city", tmp_path)
    city.write_frame(folders.data, f"{town}_000000_000019")
    frame = only_frame(folders)
    assert frame.city == town
    assert client.get(frame_picture(folders, frame).image).status_code == 200


def test_a_published_picture_can_be_fetched(client: TestClient) -> None:
    first, second = publish(b"one", "image/png"), publish(b"two", "image/jpeg")
    assert client.get(first).content == b"one"
    assert client.get(second).headers["content-type"] == "image/jpeg"
    answer = client.get("/published/unknown")
    assert answer.status_code == 404
    assert answer.text == "This picture is no longer kept: reload the page."


def test_the_same_content_has_the_same_address() -> None:
    assert publish(b"one", "image/png") == publish(b"one", "image/png")
    assert publish(b"one", "image/png") != publish(b"two", "image/png")


def test_the_memory_of_published_pictures_is_bounded(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "_KEPT_BYTES", 10)
    monkeypatch.setattr(routes, "_published", LRUCache(10, getsizeof=routes._size))
    first, second, third = (publish(name * 3, "image/png") for name in (b"a", b"b", b"c"))
    assert client.get(first).status_code == 200
    fourth = publish(b"ddd", "image/png")
    found = [client.get(each).status_code for each in (first, second, third, fourth)]
    assert found == [200, 404, 200, 200]
    large = publish(b"x" * 50, "image/png")
    assert client.get(large).content == b"x" * 50
    assert client.get(fourth).status_code == 404


# What a request may take


def photo_address(folders: Folders) -> str:
    return frame_picture(folders, only_frame(folders)).image


@pytest.mark.parametrize("replace", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_a_pipe_or_a_device_in_place_of_a_frame_is_refused_at_once(
    client: TestClient, folders: Folders, replace: Callable[[Path], None]
) -> None:
    frame = only_frame(folders)
    gallery = frame_gallery(folders, [frame])
    assert frame.image
    frame.image.unlink()
    replace(frame.image)
    for kind in ("image", "thumbnail"):
        answer = client.get(f"{gallery.base}{kind}?frame={quote(gallery.names[0], safe='')}")
        assert (answer.status_code, answer.text) == (
            422,
            f"{frame.image.name} is no file: check the dataset.",
        )


def test_where_a_broken_frame_lies_is_not_told(client: TestClient, folders: Folders) -> None:
    address = photo_address(folders)
    for content in (b"no picture", b""):
        city.write(city.image_path(folders.data, STEM), content)
        answer = client.get(address)
        assert answer.status_code == 422
        assert str(folders.data) not in answer.text
        assert f"{STEM}_leftImg8bit.png is damaged or no picture" in answer.text
    city.image_path(folders.data, STEM).unlink()
    answer = client.get(address)
    assert answer.status_code == 422
    assert answer.text == f"{STEM}_leftImg8bit.png cannot be read: No such file or directory."


def test_a_bomb_among_instance_ids_is_refused_by_its_header(
    client: TestClient, folders: Folders
) -> None:
    address = frame_picture(folders, only_frame(folders)).instances
    assert address
    wide = Image.new("I;16", (10_000, 7_000))
    city.write(city.annotation_path(folders.data, STEM, kind="instanceIds.png"), city.encode(wide))
    answer = client.get(address)
    assert answer.status_code == 422
    assert "has 70 million pixels" in answer.text


@pytest.mark.parametrize("name", ["../../../etc/passwd", "train/town/../../../../etc/passwd", "\0"])
def test_no_path_is_built_from_a_name(client: TestClient, folders: Folders, name: str) -> None:
    gallery = frame_gallery(folders, [only_frame(folders)])
    answer = client.get(f"{gallery.base}image?frame={quote(name, safe='')}")
    assert answer.status_code == 404


@pytest.fixture
def budget(monkeypatch: pytest.MonkeyPatch) -> Budget:
    """A budget of a test's own, for one frame of 256×128 at a time."""
    budget = Budget(256 * 128)
    monkeypatch.setattr(routes, "BUDGET", budget)
    return budget


def test_pictures_wait_for_each_other_until_the_deadline(
    client: TestClient, folders: Folders, budget: Budget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "_DEADLINE_SECONDS", 0.2)
    address = photo_address(folders)
    with budget.spending(256 * 128):
        answer = client.get(address)
    assert answer.status_code == 503
    assert answer.text == "The server has too many pictures to decode: try again in a minute."
    assert client.get(address).status_code == 200
    with budget.spending(256 * 128):  # a picture that is kept waits for nobody
        assert client.get(address).status_code == 200


def test_a_picture_that_takes_too_long_to_decode_is_given_up(
    client: TestClient, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "_DEADLINE_SECONDS", 0.2)
    goes_on = threading.Event()
    kind = pictures.KINDS["image"]

    def encode(path: Path, reading: Reading) -> Encoded:
        goes_on.wait(PATIENCE_SECONDS)
        return kind.encode(path, reading)

    monkeypatch.setitem(pictures.KINDS, "image", kind._replace(encode=encode))
    address = photo_address(folders)
    assert client.get(address).status_code == 503
    goes_on.set()
    until(lambda: client.get(address).status_code == 200, "it was never encoded")


def test_pictures_are_decoded_one_after_another_where_the_budget_has_room_for_one(
    client: TestClient, folders: Folders, budget: Budget, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work: list[int] = []
    most: list[int] = []

    def watched(encode: Encode) -> Encode:
        @wraps(encode)
        def watched_encode(path: Path, reading: Reading) -> Encoded:
            at_work.append(1)
            most.append(len(at_work))
            time.sleep(0.02)  # the others would come meanwhile
            at_work.pop()
            return encode(path, reading)

        return watched_encode

    for name, kind in pictures.KINDS.items():
        monkeypatch.setitem(pictures.KINDS, name, kind._replace(encode=watched(kind.encode)))
    base = photo_address(folders).rpartition("/")[0]
    name = quote(utf8(only_frame(folders).name), safe="")
    kinds = ("image", "thumbnail", "labels", "instances", "mask")
    with ThreadPoolExecutor(len(kinds)) as pool:
        answers = list(pool.map(lambda kind: client.get(f"{base}/{kind}?frame={name}"), kinds))
    assert {answer.status_code for answer in answers} == {200}
    assert most == [1] * 5


def test_predictions_of_evidence_are_as_large_as_their_frames(
    client: TestClient, folders: Folders, tmp_path: Path
) -> None:
    frame, evidence = only_frame(folders), tmp_path / "evidence"
    coarse = np.resize(np.arange(19, dtype=np.uint8), (64, 128))
    paths = picture_paths(evidence, frame.name)
    for path, pixels in zip(paths, (coarse, coarse + 100), strict=True):
        city.write(path, png.encode_grey(pixels))
    gallery = predicted_gallery(folders, [frame], evidence, ["a note"])
    assert gallery.notes == ["a note"]
    where = f"?frame={quote(frame.name, safe='')}"
    for kind, pixels in (("prediction", coarse), ("confidence", coarse + 100)):
        answer = client.get(f"/{gallery.base}{kind}{where}")
        np.testing.assert_array_equal(grey(answer.content), pixels.repeat(2, 0).repeat(2, 1))
    overlay = Image.open(io.BytesIO(client.get(f"/{gallery.base}overlay{where}").content))
    np.testing.assert_array_equal(np.asarray(overlay.convert("P")), coarse)
    assert client.get(f"/{gallery.base}mask{where}").status_code == 200
    # The address of all frames has no predictions.
    others = frame_gallery(folders, [frame]).base
    assert client.get(f"/{others}prediction{where}").status_code == 410


def test_a_frame_without_a_prediction_says_so(
    client: TestClient, folders: Folders, tmp_path: Path
) -> None:
    frame = only_frame(folders)
    gallery = predicted_gallery(folders, [frame], tmp_path, [""])
    answer = client.get(f"/{gallery.base}prediction?frame={quote(frame.name, safe='')}")
    assert answer.status_code == 404
    assert "has no picture of" in answer.text


def test_what_is_promised_is_made_at_the_first_request_and_once(
    client: TestClient, tmp_path: Path
) -> None:
    source = tmp_path / "source.png"
    city.write(source, city.encode(np.zeros((4, 4), np.uint8)))
    made: list[int] = []

    def make() -> pictures.Encoded:
        made.append(1)
        return pictures.Encoded(b"made", "image/png")

    address = routes.promise("one", make, [source])
    assert routes.promise("one", make, [source]) == address
    assert routes.promise("other", make, [source]) != address
    assert made == []
    for _ in range(2):
        answer = client.get(address)
        assert (answer.content, answer.headers["content-type"]) == (b"made", "image/png")
    assert made == [1]
    same = client.get(address, headers={"If-None-Match": answer.headers["ETag"]})
    assert same.status_code == 304
    assert client.get("/promised/unknown").status_code == 410


def test_a_promise_that_fails_gives_its_sentence_without_the_folder(
    client: TestClient, tmp_path: Path
) -> None:
    source = tmp_path / "source.png"
    city.write(source, city.encode(np.zeros((4, 4), np.uint8)))

    def fail() -> pictures.Encoded:
        raise ImageError(f"{source} is damaged: replace it")

    answer = client.get(routes.promise("failing", fail, [source]))
    assert (answer.status_code, answer.text) == (422, "source.png is damaged: replace it.")
    missing = tmp_path / "missing.png"
    answer = client.get(routes.promise("missing", fail, [missing]))
    assert answer.status_code == 422
    assert str(tmp_path) not in answer.text


def test_a_file_comes_whole_in_parts_or_as_a_download(client: TestClient, tmp_path: Path) -> None:
    path = city.write(tmp_path / "predicted.webm", bytes(range(200)))
    address = offer_file(path, "video/webm", "Fahrt – 1.webm")
    whole = client.get(address)
    assert (whole.status_code, whole.content) == (200, bytes(range(200)))
    assert whole.headers["content-type"] == "video/webm"
    assert "content-disposition" not in whole.headers
    part = client.get(address, headers={"Range": "bytes=100-103"})
    assert (part.status_code, part.content) == (206, bytes(range(100, 104)))
    kept = client.get(f"{address}?download").headers["content-disposition"]
    assert kept == "attachment; filename*=utf-8''Fahrt%20%E2%80%93%201.webm"
    path.unlink()
    gone = client.get(address)
    assert (gone.status_code, gone.text) == (
        404,
        "Fahrt – 1.webm is no longer there: reload the page.",
    )
    assert client.get("files/0").status_code == 410

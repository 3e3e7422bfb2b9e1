"""The page Predict: what is chosen, predicted, shown and downloaded, and what is broken."""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urlencode

import city
import numpy as np
import pytest
import tiny_runs
from harness import Pages, Server
from playwright.sync_api import FilePayload, Locator, Page, expect
from png_content import uncompressed
from videos import write_video

from cityseg.arrays import Uint8Array
from cityseg.data.annotations import read_label_ids
from cityseg.data.dataset import find_frames
from cityseg.data.frame import Frame
from cityseg.data.images import read_image
from cityseg.labels import CLASS_NAMES
from cityseg.metrics.picture import PictureScores, score_picture
from cityseg.prediction.files import OUTPUT_KINDS, predict_all
from cityseg.prediction.predictor import Predictor
from cityseg.runs.folder import RunDir
from cityseg.training.loop import train

TAG = "<img src=x onerror=alert(1)>"
RNG = np.random.default_rng(0)
PHOTO = city.encode(RNG.integers(0, 256, (60, 90, 3)).astype(np.uint8))


@pytest.fixture(scope="module")
def run(app_city: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """Trained on `app_city` for two epochs, both kept, under a title that is HTML."""
    config = tiny_runs.tiny_config(app_city, save_every=1, title=TAG)
    run = RunDir.create(tmp_path_factory.mktemp("predict") / "runs", config)
    train(run)
    return run


@pytest.fixture(scope="module")
def predict_server(app_city: Path, run: RunDir, start_server: Callable[..., Server]) -> Server:
    return start_server(app_city, run.path.parent)


@pytest.fixture(scope="module")
def frames(app_city: Path) -> list[Frame]:
    return find_frames(app_city, ["val"])


def address(server: Server, run: RunDir, **choices: str) -> str:
    """The page with the run's network: that in the box, where one ships, comes first."""
    return f"{server.url}/predict?{urlencode({'network': run.id} | choices)}"


def predicted_by(
    weights: Path, frame: Frame, *, flip: bool = False
) -> tuple[Uint8Array, PictureScores]:
    assert frame.image
    assert frame.label_ids
    train_ids = Predictor.load(weights).predict(read_image(frame.image), flip=flip).train_ids
    return train_ids, score_picture(train_ids, read_label_ids(frame.label_ids))


def wait_for(page: Page, name: str) -> None:
    """Until the viewer has painted the picture `name`."""
    expect(page.locator(".viewer")).to_have_attribute("data-painted", name)


def metric(page: Page, label: str) -> Locator:
    """The number of a tile, which is drawn a moment after the picture."""
    tile = page.get_by_test_id("stMetric").filter(has_text=label)
    return tile.get_by_test_id("stMetricValue")


def expect_mean_iou(page: Page, weights: Path, frame: Frame, *, flip: bool = False) -> None:
    """That of the package's prediction."""
    truth = predicted_by(weights, frame, flip=flip)[1].truth
    assert truth
    expect(metric(page, "Mean IoU")).to_have_text(f"{truth.mean_iou:.1%}")


def hand_in(page: Page, label: str, name: str, content: bytes) -> None:
    chooser = page.get_by_test_id("stFileUploader").filter(has_text=label)
    file = FilePayload(name=name, mimeType="application/octet-stream", buffer=content)
    chooser.locator("input[type=file]").last.set_input_files(file)


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option).click()


def test_a_frame_is_in_the_first_screenful_and_scored_as_the_package_scores_it(
    predict_server: Server, page: Page, run: RunDir, frames: list[Frame]
) -> None:
    page.goto(address(predict_server, run))
    wait_for(page, frames[0].name)
    train_ids, found = predicted_by(run.best, frames[0])
    assert found.truth
    expect(metric(page, "Mean IoU")).to_have_text(f"{found.truth.mean_iou:.1%}")
    expect(metric(page, "Pixel accuracy")).to_have_text(f"{found.truth.pixel_accuracy:.1%}")
    expect(page.locator("[data-test-script-state=notRunning]")).to_be_attached()
    stage = page.locator(".stage").bounding_box()
    assert stage
    assert stage["y"] < 320
    assert stage["y"] + stage["height"] <= 810
    page.locator(".stage canvas").hover()
    readout = page.locator(".readout")
    expect(readout).to_contain_text("Predicted: ")
    place = re.match(r"x (\d+), y (\d+)", readout.inner_text())
    assert place
    name = CLASS_NAMES[train_ids[int(place[2]), int(place[1])]]
    expect(readout).to_contain_text(f"Predicted: {name}, train id")
    # What a page draws no more stays until its run ends: not beside the progress of an export.
    page.get_by_role("button", name="Export").click()
    start = page.locator(".st-key-export_start")
    expect(start).to_be_visible()
    start.evaluate("each => each.insertAdjacentHTML('afterend', '<p data-testid=stProgress></p>')")
    expect(start).to_be_hidden()


def test_the_address_brings_another_person_to_the_same_prediction(
    predict_server: Server, pages: Pages, run: RunDir, frames: list[Frame]
) -> None:
    page = pages.open(address(predict_server, run))
    wait_for(page, frames[0].name)
    choose(page, "Weights", "Epoch 001")
    page.get_by_role("button", name="Options").click()
    page.get_by_text("Average with mirrored picture").click()
    expect(page.get_by_role("switch", name="Average with mirrored picture")).to_be_checked()
    expect_mean_iou(page, run.of_epoch(1), frames[0], flip=True)
    page.keyboard.press("Escape")
    page.get_by_role("heading", name="Predict").click()  # keys are no shortcuts in an input
    page.keyboard.press("Shift+ArrowRight")  # moves the picture, and steps no further
    page.keyboard.press("ArrowRight")
    page.keyboard.press("n")
    wait_for(page, frames[1].name)
    expect(page).to_have_url(re.compile(f"frame={quote(frames[1].name, safe='')}"))
    other = pages.open(page.url)
    wait_for(other, frames[1].name)
    expect(other.get_by_role("combobox", name="Weights")).to_have_value(re.compile("^Epoch 001"))
    other.get_by_role("button", name="Options").click()
    expect(other.get_by_role("switch", name="Average with mirrored picture")).to_be_checked()
    expect_mean_iou(other, run.of_epoch(1), frames[1], flip=True)


def test_of_many_frames_a_city_is_chosen_first(
    pages: Pages,
    run: RunDir,
    frames: list[Frame],
    start_server: Callable[..., Server],
    tmp_path: Path,
) -> None:
    first = frames[0]
    for name, count in (("aachen", 2), ("bonn", 1000)):
        for number in range(count):
            stem = f"{name}_000000_{number:06d}"
            image = city.image_path(tmp_path, stem, "val")
            annotation = city.annotation_path(tmp_path, stem, "val")
            for link, file in ((image, first.image), (annotation, first.label_ids)):
                assert file
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(file)
    page = pages.open(address(start_server(tmp_path, run.path.parent), run))
    frame = page.get_by_role("combobox", name="Frame", exact=True)
    wait_for(page, "val/aachen/aachen_000000_000000")
    frame.click()
    expect(page.get_by_role("option")).to_have_count(2)
    page.keyboard.press("Escape")
    page.get_by_role("heading", name="Predict").click()  # keys are no shortcuts in an input
    for name in ("aachen_000000_000001", "bonn_000000_000000"):
        page.keyboard.press("n")
        wait_for(page, f"val/{name.partition('_')[0]}/{name}")
        expect(frame).to_have_value(name)
    expect(page.get_by_role("combobox", name="Split and city")).to_have_value("val · bonn (1,000)")
    choose(page, "Split and city", "val · aachen (2)")
    wait_for(page, "val/aachen/aachen_000000_000000")
    expect(frame).to_have_value("aachen_000000_000000")
    choose(page, "Frame", "aachen_000000_000001")
    wait_for(page, "val/aachen/aachen_000000_000001")
    other = pages.open(page.url)
    wait_for(other, "val/aachen/aachen_000000_000001")


def test_downloads_of_an_upload_are_what_the_command_line_writes(
    predict_server: Server, page: Page, run: RunDir, tmp_path: Path
) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(PHOTO)
    predict_all(Predictor.load(run.path), [photo], tmp_path / "out")
    page.goto(address(predict_server, run, picture="File"))
    hand_in(page, "Picture file", photo.name, PHOTO)
    wait_for(page, photo.name)
    page.get_by_role("button", name="Download").click()
    for kind, label in zip(
        OUTPUT_KINDS, ("Train ids", "Label ids", "Colours", "Overlay"), strict=True
    ):
        name, content = download(page, label)
        assert name == f"photo-{kind}.png"
        written = (tmp_path / "out" / kind / "photo.png").read_bytes()
        assert uncompressed(content) == uncompressed(written)
    train_ids = read_image(tmp_path / "out" / "trainids" / "photo.png")[..., 0]
    assert download(page, "Table") == (
        "photo-classes.csv",
        score_picture(np.ascontiguousarray(train_ids)).to_csv().encode(),
    )


def download(page: Page, label: str) -> tuple[str, bytes]:
    with page.expect_download() as found:
        page.get_by_test_id("stDownloadButton").filter(has_text=label).click()
    return found.value.suggested_filename, found.value.path().read_bytes()


def test_a_broken_picture_is_explained_and_the_next_one_predicted(
    predict_server: Server, page: Page, run: RunDir
) -> None:
    page.goto(address(predict_server, run, picture="File"))
    hand_in(page, "Picture file", f"{TAG}.png", b"Dear diary,")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text(f"{TAG}.png is damaged or no picture")
    expect(page.get_by_test_id("stFileUploader")).to_have_count(1)  # the old one is gone
    hand_in(page, "Picture file", f"{TAG}.png", PHOTO)
    wait_for(page, f"{TAG}.png")
    expect(alert).to_have_count(0)
    expect(metric(page, "Size")).to_have_text("90×60")
    assert page.locator("img[src=x]").count() == 0


def test_broken_weights_are_explained_and_the_good_ones_stay_in_use(
    predict_server: Server, page: Page, run: RunDir, frames: list[Frame]
) -> None:
    whole = run.best.read_bytes()
    flipped = whole[:-1] + bytes([whole[-1] ^ 1])
    page.goto(f"{predict_server.url}/predict?network=File")
    hand_in(page, "Weights file", "mine.safetensors", whole)
    wait_for(page, frames[0].name)
    expect_mean_iou(page, run.best, frames[0])
    for name, content, reason in (
        ("mine.safetensors", flipped, "mine.safetensors is damaged (its digest differs)"),
        (
            "mine.pt",
            b"\x80\x04cbuiltins\nprint\n.",
            "mine.pt is a PyTorch file of more than tensors",
        ),
    ):
        hand_in(page, "Weights file", name, content)
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text(reason)
        expect(alert).to_contain_text("mine.safetensors is used instead.")
        expect(page.get_by_test_id("stFileUploader")).to_have_count(1)  # the old one is gone
    expect_mean_iou(page, run.best, frames[0])


def test_a_checkpoint_damaged_on_the_disk_leaves_the_page_standing(
    predict_server: Server, page: Page, run: RunDir, frames: list[Frame]
) -> None:
    path = run.of_epoch(2)
    path.write_bytes(path.read_bytes()[:-1])
    page.goto(address(predict_server, run, weights="epoch-002"))
    expect(page.get_by_role("alert")).to_contain_text("epoch-002.safetensors is damaged")
    expect(page.get_by_role("combobox", name="Network")).to_have_value(TAG)
    choose(page, "Weights", "Best")
    wait_for(page, frames[0].name)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_video_is_predicted_played_and_found_again(
    predict_server: Server, page: Page, run: RunDir, tmp_path: Path
) -> None:
    """By a process in the background; what it plays is what is downloaded."""
    content = write_video(tmp_path / "drive.mp4", frames=9, rate=3).read_bytes()
    page.goto(address(predict_server, run, picture="Video"))
    hand_in(page, "Video file", "drive <1>.mp4", content)
    page.get_by_role("button", name="Predict the video").click()
    expect(page.get_by_role("button", name="Predict again")).to_be_visible()
    page.reload()
    player = page.locator("video")
    expect(player).to_have_attribute("aria-label", "drive <1>-predicted.webm")
    player.evaluate("(video) => video.play()")  # fails if Chromium cannot
    assert player.evaluate("(video) => [video.videoWidth, video.duration]") == [64, 3]
    with page.expect_download() as found:
        page.get_by_text(re.compile(r"^Download \(")).click()
    assert found.value.suggested_filename.endswith("-predicted.webm")
    (result,) = run.path.parent.glob(".tasks/predict-*/predicted.webm")
    assert found.value.path().read_bytes() == result.read_bytes()
    expect(page.get_by_role("combobox", name="Video")).to_have_value("drive <1>.mp4")

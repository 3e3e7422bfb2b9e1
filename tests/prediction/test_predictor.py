"""A network on pictures of every size: scale, windows, mirroring, and full resolution."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cityseg.config import make_config
from cityseg.data.dataset import find_frames
from cityseg.data.images import read_image
from cityseg.errors import CheckpointError, CitysegError, ConfigError, ImageError
from cityseg.geometry import Geometry
from cityseg.labels import NUM_CLASSES
from cityseg.models import build_model
from cityseg.models.inputs import normalise
from cityseg.prediction.predictor import Predictor, window_starts
from cityseg.runs.checkpoints import save_weights
from cityseg.runs.folder import RunDir

HEIGHT, WIDTH = 32, 64
#: Batch norms are folded into convolutions, which changes the last bits of logits.
EVEN = 1e-4


def save_network(path: Path, **values) -> Path:
    """An untrained network whose batch norms do something, as after training."""
    torch.manual_seed(0)
    config = make_config({"width": 4, "size": (HEIGHT, WIDTH), **values})
    model = build_model(config.model, width=config.width)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.bias)
    save_weights(path, model, config, 1, {})
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_network(tmp_path_factory.mktemp("weights") / "weights.safetensors")


@pytest.fixture(scope="module")
def predictor(weights: Path) -> Predictor:
    return Predictor.load(weights, "cpu", amp="off")


def picture(height: int, width: int, seed: int = 0):
    """(H, W, 3) uint8 with large and small shapes."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return (smooth // 2 + rng.integers(0, 128, smooth.shape)).astype(np.uint8)


def placed_pixels(image, size_hw=(HEIGHT, WIDTH)):
    """(1, 3, h, w): the expected input of the network for a picture; and the picture's window."""
    geometry = Geometry(size_hw)
    placed = torch.from_numpy(geometry.place_picture(image))
    pixels = normalise(placed.permute(2, 0, 1)[None].float() / 255)
    return pixels, (..., *geometry.placement(image.shape[:2]).window)


@torch.no_grad()
def naive_logits(predictor: Predictor, image, size_hw=(HEIGHT, WIDTH)):
    """(C, H, W) float64 at the picture's size, by the network without folded batch norms."""
    pixels, window = placed_pixels(image, size_hw)
    logits = predictor.checkpoint.build()(pixels)[window].double()
    return F.interpolate(logits, image.shape[:2], mode="bilinear", align_corners=False)[0]


def assert_best(train_ids, logits):
    """`train_ids` are the best class of `logits` wherever one is ahead of the others."""
    first, second = logits.topk(2, 0).values
    ahead = (first - second).numpy() > EVEN
    assert ahead.mean() > 0.9
    assert train_ids.dtype == np.uint8
    assert np.array_equal(train_ids[ahead], logits.argmax(0).numpy()[ahead])


# --- scale -----------------------------------------------------------------------------------


def test_a_picture_is_predicted_at_the_size_that_was_named(predictor):
    image = picture(96, 130)
    assert_best(
        predictor.predict(image, size_hw=(48, 80)).train_ids,
        naive_logits(predictor, image, (48, 80)),
    )


def test_a_squeezed_picture_is_predicted_as_it_is_displayed(predictor):
    squeezed = picture(64, 64)
    logits = predictor.logits(squeezed, Geometry((HEIGHT, WIDTH), pixel_aspect=2))
    assert logits.shape == (NUM_CLASSES, HEIGHT, WIDTH)
    assert predictor.logits(squeezed).shape == (NUM_CLASSES, HEIGHT, HEIGHT)
    found = predictor.predict(squeezed, pixel_aspect=2).train_ids
    assert found.shape == (64, 64)
    assert not np.array_equal(found, predictor.predict(squeezed).train_ids)


def test_a_network_of_version_0_1_0_sees_no_padding(tmp_path):
    path = save_network(tmp_path / "w.safetensors", fit="squash_in_training")
    predictor = Predictor.load(path, "cpu", amp="off")
    image = picture(100, 30)
    shrunk = cv2.resize(image, (16, 32), interpolation=cv2.INTER_AREA)
    pixels = normalise(torch.from_numpy(shrunk).permute(2, 0, 1)[None].float() / 255)
    with torch.no_grad():
        logits = predictor.checkpoint.build()(pixels).double()
    expected = F.interpolate(logits, (100, 30), mode="bilinear", align_corners=False)[0]
    assert_best(predictor.predict(image).train_ids, expected)


SIZES = [(32, 64), (64, 128), (33, 70), (100, 30), (16, 32), (1, 1), (17, 3), (3, 17), (5, 400)]


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_picture_of_any_size_gets_the_best_class_of_each_pixel(predictor, height, width):
    image = picture(height, width)
    train_ids = predictor.predict(image).train_ids
    assert train_ids.shape == (height, width)
    assert_best(train_ids, naive_logits(predictor, image))


def test_genuine_frames_get_the_best_class_of_each_pixel(predictor, genuine):
    for frame in find_frames(genuine)[:2]:
        image = read_image(frame.image)
        assert image.shape == (1024, 2048, 3)
        assert_best(predictor.predict_train_ids(image), naive_logits(predictor, image))


def test_the_network_predicts_several_classes(predictor):
    """Otherwise the comparisons in this file would prove nothing."""
    assert len(np.unique(predictor.predict(picture(64, 128)).train_ids)) > 5


# --- windows ---------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.integers(1, 3000), st.data())
def test_windows_cover_everything_once_or_more(size, data):
    window = data.draw(st.integers(1, size))
    starts = window_starts(size, window)
    seen = np.zeros(size, int)
    for start in starts:
        seen[start : start + window] += 1
    assert seen.min() >= 1
    assert starts[0] == 0
    assert starts[-1] == size - window


@settings(deadline=None)
@given(st.integers(2, 3000), st.data())
def test_windows_overlap_by_a_third(size, data):
    window = data.draw(st.integers(2, size))
    steps = np.diff(window_starts(size, window))
    assert (steps >= 1).all()
    assert (steps <= window * 2 // 3).all()


@pytest.mark.parametrize("crop", [None, (HEIGHT, WIDTH)])
@pytest.mark.parametrize(("height", "width"), [(64, 128), (100, 30), (1, 1)])
def test_a_window_as_large_as_the_picture_is_the_whole(tmp_path, crop, height, width):
    predictor = Predictor.load(
        save_network(tmp_path / "w.safetensors", crop=crop), "cpu", amp="off"
    )
    image = picture(height, width)
    whole = predictor.predict(image, with_confidence=True)
    windows = predictor.predict(image, sliding=True, with_confidence=True)
    assert np.array_equal(windows.train_ids, whole.train_ids)
    assert np.array_equal(windows.confidence, whole.confidence)


@pytest.mark.parametrize(("height", "width"), [(64, 128), (31, 64), (40, 20)])
def test_where_windows_overlap_their_logits_are_averaged(tmp_path, height, width):
    path = save_network(tmp_path / "w.safetensors", crop=(16, 24))
    predictor = Predictor.load(path, "cpu", amp="off")
    image = picture(height, width)
    pixels, picture_window = placed_pixels(image)
    fitted_hw = pixels.shape[2:]
    high, wide = min(16, fitted_hw[0]), min(24, fitted_hw[1])
    model = predictor.checkpoint.build()
    total = torch.zeros(NUM_CLASSES, *fitted_hw, dtype=torch.float64)
    count = torch.zeros(fitted_hw)
    for top in window_starts(fitted_hw[0], high):
        for left in window_starts(fitted_hw[1], wide):
            with torch.no_grad():
                logits = model(pixels[..., top : top + high, left : left + wide])[0]
            total[:, top : top + high, left : left + wide] += logits
            count[top : top + high, left : left + wide] += 1
    mean = (total / count)[picture_window]
    expected = F.interpolate(mean[None], (height, width), mode="bilinear")[0]
    assert count.max() > 1
    assert_best(predictor.predict(image, sliding=True).train_ids, expected)
    assert_best(predictor.predict(image).train_ids, naive_logits(predictor, image))


# --- mirror ----------------------------------------------------------------------------------


@pytest.mark.parametrize("sliding", [False, True])
@pytest.mark.parametrize(("height", "width"), [(64, 128), (64, 104), (32, 37)])
def test_with_flip_the_mirrored_picture_gives_the_mirrored_prediction(
    tmp_path, sliding, height, width
):
    predictor = Predictor.load(
        save_network(tmp_path / "w.safetensors", crop=(16, 24)), "cpu", amp="off"
    )
    image = picture(height, width)
    mirrored = np.ascontiguousarray(image[:, ::-1])
    one, other = (predictor.predict(each, sliding=sliding, flip=True) for each in (image, mirrored))
    # Mirrored weights of interpolation round differently where classes are even.
    assert (one.train_ids == other.train_ids[:, ::-1]).mean() > 0.999
    one, other = (predictor.predict(each, sliding=sliding) for each in (image, mirrored))
    assert (one.train_ids == other.train_ids[:, ::-1]).mean() < 0.9


def test_flip_averages_the_logits(predictor):
    image = picture(64, 128)
    mirrored = np.ascontiguousarray(image[:, ::-1])
    there, back = (naive_logits(predictor, each) for each in (image, mirrored))
    mean = (there + back.flip(-1)) / 2
    found = predictor.predict(image, flip=True, with_confidence=True)
    assert_best(found.train_ids, mean)
    assert np.abs(found.confidence - mean.softmax(0).max(0).values.numpy()).max() < 2e-3


# --- confidence ------------------------------------------------------------------------------


def test_confidence_comes_on_request(predictor):
    image = picture(50, 90)
    found = predictor.predict(image, with_confidence=True)
    expected = naive_logits(predictor, image).softmax(0)
    assert found.confidence.dtype == np.float16
    assert np.abs(found.confidence - expected.max(0).values.numpy()).max() < 2e-3
    plain = predictor.predict(image)
    assert plain.confidence is None
    assert np.array_equal(plain.train_ids, found.train_ids)


# --- use -------------------------------------------------------------------------------------


def test_threads_may_share_a_predictor(predictor):
    images = [picture(40 + 9 * number, 80, number) for number in range(8)]
    expected = [predictor.predict(image).train_ids for image in images]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(predictor.predict_train_ids, images * 4))
    assert all(map(np.array_equal, found, expected * 4))


@pytest.mark.parametrize("size_hw", [(HEIGHT, WIDTH), (50, 90)])
def test_the_order_in_memory_does_not_matter(predictor, size_hw):
    image = picture(*size_hw)
    expected = predictor.predict(image).train_ids
    image.flags.writeable = False
    before = image.copy()
    backwards = np.ascontiguousarray(image[::-1, ::-1, ::-1])[::-1, ::-1, ::-1]
    for same in (image, np.asfortranarray(image), backwards):
        assert np.array_equal(predictor.predict(same).train_ids, expected)
    assert np.array_equal(image, before)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((1, 4, 4, 3), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_an_array_that_is_not_an_rgb_picture_is_refused(predictor, image):
    with pytest.raises(ImageError, match=r"must be \(H, W, 3\) uint8: found \("):
        predictor.predict(image)


def test_in_bfloat16_most_pixels_stay_the_same(weights, predictor):
    image = picture(64, 128)
    single = predictor.predict(image, with_confidence=True)
    half = Predictor.load(weights, "cpu", amp="bf16").predict(image, with_confidence=True)
    assert (half.train_ids == single.train_ids).mean() > 0.9
    assert not np.array_equal(half.confidence, single.confidence), "it must have been bfloat16"


def test_without_channels_last_the_prediction_is_the_same(tmp_path, predictor):
    path = save_network(tmp_path / "w.safetensors", channels_last=False)
    image = picture(64, 128)
    found = Predictor.load(path, "cpu", amp="off").predict(image).train_ids
    assert_best(found, naive_logits(predictor, image))


class BatchNormAndReLU(nn.BatchNorm2d):
    """As timm has it."""

    def forward(self, values):
        return super().forward(values).relu()


@pytest.mark.parametrize("norm", [nn.BatchNorm2d, BatchNormAndReLU])
def test_folding_a_batch_norm_into_a_convolution_changes_no_prediction(tmp_path, monkeypatch, norm):
    def build(*_, **__):
        layers = nn.Conv2d(3, 8, 3, padding=1), norm(8), nn.Conv2d(8, NUM_CLASSES, 1)
        return nn.Sequential(*layers)

    torch.manual_seed(0)
    for module in ("runs.checkpoints", "models.registry"):
        monkeypatch.setattr(f"cityseg.{module}.model_of", build)
    model, path = build(), tmp_path / "w.safetensors"
    nn.init.normal_(model[1].running_mean)
    nn.init.normal_(model[1].weight)
    save_weights(path, model, make_config({"size": (HEIGHT, WIDTH)}), 1, {})
    predictor, image = Predictor.load(path, "cpu", amp="off"), picture(64, 128)
    assert_best(predictor.predict(image).train_ids, naive_logits(predictor, image))


def test_a_run_folder_means_its_best_weights(tmp_path, predictor):
    run = RunDir.create(tmp_path, make_config({}))
    save_network(run.best)
    image = picture(32, 64)
    found = Predictor.load(run.path, "cpu", amp="off")
    assert found.checkpoint.path == run.best
    assert np.array_equal(found.predict(image).train_ids, predictor.predict(image).train_ids)


def test_a_run_that_was_not_trained_is_refused(tmp_path):
    run = RunDir.create(tmp_path, make_config({}))
    with pytest.raises(CheckpointError, match=r"has no best\.safetensors"):
        Predictor.load(run.path, "cpu", amp="off")


def test_a_damaged_checkpoint_is_refused(tmp_path, weights):
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="is damaged"):
        Predictor.load(path, "cpu", amp="off")


def test_a_missing_device_is_refused(weights):
    with pytest.raises(ConfigError, match=r"but this machine has \d+ CUDA devices"):
        Predictor.load(weights, "cuda:99")


def test_a_full_gpu_is_explained(predictor, monkeypatch):
    def full(pixels):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(predictor, "_model", full)
    with pytest.raises(
        CitysegError, match=r"^The memory of cpu is not enough for a 64×32 picture: stop"
    ):
        predictor.predict(picture(32, 64))

"""Predictions for the pages: one at a time, kept, and never of weights that are gone."""

import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import city
import numpy as np
import psutil
import pytest
import torch
from cachetools import LRUCache
from tiny_runs import files_limited_to, tiny_config
from waiting import PATIENCE_SECONDS, until

from cityseg.arrays import Uint8Array
from cityseg.data import png
from cityseg.data.images import read_image
from cityseg.errors import CheckpointError, ImageError
from cityseg.models import build_model
from cityseg.prediction.predictor import Predictor
from cityseg.runs.checkpoints import save_weights
from cityseg.ui.decoding import Budget
from cityseg.ui.predict import inference
from cityseg.ui.predict.inference import Upload, predict

IMAGE = np.random.default_rng(0).integers(0, 256, (40, 80, 3)).astype(np.uint8)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return save(tmp_path / "best.safetensors", seed=0)


def save(path: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    save_weights(path, build_model("unet", width=2), tiny_config(Path("/data")), 1, {})
    return path


class Decoder:
    """Counts how often it is asked, which is how often something is predicted."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, content: bytes) -> Uint8Array:
        self.calls += 1
        return read_image(content)


@pytest.fixture
def decode() -> Decoder:
    return Decoder()


@pytest.fixture
def picture() -> bytes:
    """Another one for each test, because predictions are kept for all."""
    image = IMAGE.copy()
    image[:2] = np.frombuffer(os.urandom(2 * 80 * 3), np.uint8).reshape(2, 80, 3)
    return city.encode(image)


def test_it_is_the_prediction_of_the_predictor(
    weights: Path, picture: bytes, decode: Decoder
) -> None:
    wanted = Predictor.load(weights).predict(read_image(picture), with_confidence=True)
    found = predict(weights, picture, decode)
    assert wanted.confidence is not None
    confidence = png.decode_grey(found.confidence_png)
    np.testing.assert_array_equal(found.train_ids, wanted.train_ids)
    np.testing.assert_array_equal(png.decode_grey(found.train_ids_png), wanted.train_ids)
    np.testing.assert_allclose(confidence, wanted.confidence * 255.0, atol=0.51)


def test_asked_again_it_is_not_predicted_again(
    weights: Path, picture: bytes, decode: Decoder
) -> None:
    assert predict(weights, picture, decode) is predict(weights, picture, decode)
    assert decode.calls == 1


@pytest.mark.parametrize("option", ["sliding", "flip"])
def test_other_options_are_another_prediction(
    weights: Path, picture: bytes, decode: Decoder, option: str
) -> None:
    predict(weights, picture, decode)
    predict(weights, picture, decode, **{option: True})
    assert decode.calls == 2


def test_new_weights_of_the_same_name_predict_again(
    weights: Path, picture: bytes, decode: Decoder
) -> None:
    before = predict(weights, picture, decode)
    save(weights, seed=1)
    assert predict(weights, picture, decode).train_ids_png != before.train_ids_png


def test_the_memory_of_kept_predictions_is_bounded(
    weights: Path, decode: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [city.encode(np.full((16, 16, 3), shade, np.uint8)) for shade in range(3)]
    size = predict(weights, pictures[0], decode).size_bytes
    kept = LRUCache[Hashable, inference.Predicted](2.5 * size, getsizeof=lambda p: p.size_bytes)
    monkeypatch.setattr(inference, "_kept", kept)
    for picture in pictures:
        predict(weights, picture, decode)
    assert len(kept) == 2
    decode.calls = 0
    predict(weights, pictures[2], decode)
    assert decode.calls == 0
    predict(weights, pictures[0], decode)
    assert decode.calls == 1


def test_three_hundred_predictions_in_a_row_leave_the_memory_as_it_is(
    weights: Path, decode: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = LRUCache[Hashable, inference.Predicted](1 << 20, getsizeof=inference._bounded_size)
    monkeypatch.setattr(inference, "_kept", kept)
    process, rng, held = psutil.Process(), np.random.default_rng(0), []
    for _ in range(300):
        picture = city.encode(rng.integers(0, 256, (128, 256, 3), np.uint8))
        predict(weights, picture, decode)
        held.append(process.memory_info().rss)
    assert decode.calls == 300
    assert held[-1] - held[99] < 15 << 20  # a prediction that stayed would take 0.2 MiB


def test_a_prediction_larger_than_all_that_is_kept_is_kept_alone(
    weights: Path, picture: bytes, decode: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference, "_KEPT_BYTES", 1)
    monkeypatch.setattr(inference, "_kept", LRUCache(1, getsizeof=inference._bounded_size))
    assert predict(weights, picture, decode) is predict(weights, picture, decode)


def test_uploaded_weights_predict_as_the_file_does_and_leave_none_behind(
    weights: Path,
    picture: bytes,
    decode: Decoder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    uploaded = Upload(picture.hex()[:80], "mine.safetensors", weights.read_bytes())
    found = predict(uploaded, picture, decode)
    assert found.train_ids_png == predict(weights, picture, decode).train_ids_png
    assert list((tmp_path / "temporary").iterdir()) == []


def test_an_upload_for_which_the_disk_has_no_room_is_a_sentence(
    weights: Path,
    picture: bytes,
    decode: Decoder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    uploaded = Upload("no room", "mine.safetensors", weights.read_bytes())
    message = r"^mine\.safetensors cannot be kept .* free some"
    with files_limited_to(3000), pytest.raises(CheckpointError, match=message):
        predict(uploaded, picture, decode)
    assert [path for path in tmp_path.iterdir() if path != weights] == []


def test_a_large_picture_is_predicted_within_the_budget_of_the_server(
    weights: Path, picture: bytes, decode: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = Budget(40 * 80)
    monkeypatch.setattr(inference, "BUDGET", budget)
    with ThreadPoolExecutor(1) as pool:
        with budget.spending(1):
            predicted = pool.submit(predict, weights, picture, decode)
            until(lambda: budget.waiting == 1, "it does not wait")
            assert decode.calls == 0
        assert predicted.result().train_ids.shape == (40, 80)


def test_an_error_names_the_uploaded_file(weights: Path, picture: bytes, decode: Decoder) -> None:
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    with pytest.raises(CheckpointError, match=r"^mine\.safetensors is damaged"):
        predict(Upload("broken", "mine.safetensors", bytes(content)), picture, decode)


def test_an_error_lets_the_next_one_predict(weights: Path, picture: bytes, decode: Decoder) -> None:
    with pytest.raises(ImageError):
        predict(weights, b"no picture", decode)
    with pytest.raises(CheckpointError):
        predict(weights.with_name("none.safetensors"), picture, decode)
    assert predict(weights, picture, decode)


def test_a_second_person_waits_and_sees_why(
    weights: Path, picture: bytes, decode: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_is_at_it, second_waits = threading.Event(), threading.Event()

    @contextmanager
    def spinner(text: str, **_: object) -> Iterator[None]:
        if "yours is next" in text:
            second_waits.set()
        yield

    def slowly(content: bytes) -> Uint8Array:
        first_is_at_it.set()
        assert second_waits.wait(PATIENCE_SECONDS)
        assert decode.calls == 0
        return decode(content)

    def second() -> None:
        assert first_is_at_it.wait(PATIENCE_SECONDS)
        predict(weights, city.encode(IMAGE[:20]), decode)

    monkeypatch.setattr(inference.st, "spinner", spinner)
    run_together([lambda: predict(weights, picture, slowly), second])
    assert decode.calls == 2


def test_the_first_picture_of_a_server_is_said_to_wait_for_pytorch(
    weights: Path, picture: bytes, decode: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []

    @contextmanager
    def spinner(text: str, **_: object) -> Iterator[None]:
        shown.append(text)
        yield

    monkeypatch.setattr(inference.st, "spinner", spinner)
    predict(weights, city.encode(IMAGE[:20]), decode)
    assert not any("PyTorch" in text for text in shown)
    monkeypatch.delitem(sys.modules, "cityseg.prediction")
    monkeypatch.setattr(inference.importlib, "import_module", lambda name: shown.append(name))
    inference._load_torch()
    assert shown[-2:] == [
        "Loading PyTorch, for the first picture of this server …",
        "cityseg.prediction",
    ]


def test_simultaneous_requests_for_the_same_are_predicted_once(
    weights: Path, picture: bytes, decode: Decoder
) -> None:
    run_together([lambda: predict(weights, picture, decode)] * 6)
    assert decode.calls == 1


def run_together(calls: Sequence[Callable[[], object]]) -> None:
    """Each in a thread of its own; raises what they raise."""
    with ThreadPoolExecutor(len(calls)) as pool:
        for future in [pool.submit(call) for call in calls]:
            future.result()


def test_weights_that_vanish_are_explained(weights: Path, picture: bytes, decode: Decoder) -> None:
    predict(weights, picture, decode)
    shutil.rmtree(weights.parent)
    with pytest.raises(CheckpointError, match="There is no checkpoint"):
        predict(weights, picture, decode)

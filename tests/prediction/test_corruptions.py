"""Corruptions: what is promised of each, on a frame of the sample city."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cityseg.corruption import CORRUPTIONS, SEVERITIES, Corruption
from cityseg.prediction.corruptions import corrupt, corrupt_picture
from cityseg.sample import paint_frame

NAME = "val/samplecity/samplecity_000000_000019"


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return paint_frame("val", 0)[0]


@pytest.fixture(scope="module")
def picture(image: np.ndarray) -> Tensor:
    """(1, 3, 128, 256) float32."""
    fractions = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    return F.interpolate(fractions, (128, 256), mode="area")


def psnr(first: Tensor, second: Tensor) -> float:
    return -10 * math.log10(F.mse_loss(first, second).item())


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_larger_severity_leaves_less_of_the_picture(name: str, picture: Tensor) -> None:
    found = [
        psnr(corrupt(picture, Corruption(name, severity), [NAME]), picture)
        for severity in SEVERITIES
    ]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == len(found)
    assert found[0] > 15
    assert found[-1] < found[0] - 5


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_shape_dtype_and_range_stay_and_the_input_as_well(name: str, picture: Tensor) -> None:
    batch = picture.repeat(2, 1, 1, 1)[..., :100, :199]
    for pictures in (batch, batch.half(), (batch * 255).round().to(torch.uint8)):
        before = pictures.clone()
        for severity in (0, 5):
            changed = corrupt(pictures, Corruption(name, severity), [NAME, "another"])
            assert (changed.shape, changed.dtype) == (pictures.shape, pictures.dtype)
            assert changed.data_ptr() != pictures.data_ptr()
            assert changed.min() >= 0
            assert changed.max() <= (255 if pictures.dtype == torch.uint8 else 1)
            assert torch.equal(changed, pictures) == (severity == 0)
        assert torch.equal(pictures, before)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_frame_gets_the_same_pixels_alone_or_in_a_batch(name: str, picture: Tensor) -> None:
    corruption = Corruption(name, 3)
    alone = corrupt(picture, corruption, [NAME])
    torch.manual_seed(1)  # which must not matter
    batch = corrupt(picture.repeat(2, 1, 1, 1), corruption, ["another", NAME])
    assert torch.equal(batch[1:], alone)
    is_random = name in ("noise", "motion", "fog", "rain")
    assert torch.equal(batch[:1], alone) != is_random


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_severity_means_the_same_at_every_size(name: str, image: np.ndarray) -> None:
    large = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    large = F.interpolate(large, (1024, 2048), mode="bilinear")
    small = F.interpolate(large, (256, 512), mode="area")
    corruption = Corruption(name, 4)
    reduced = F.interpolate(corrupt(large, corruption, [NAME]), (256, 512), mode="area")
    changed = corrupt(small, corruption, [NAME])
    assert psnr(reduced, changed) > psnr(changed, small) + 6


def test_an_array_is_made_worse_as_a_tensor_is(image: np.ndarray) -> None:
    before = image.copy()
    changed = corrupt_picture(image, Corruption("fog", 2), NAME)
    assert (changed.shape, changed.dtype) == (image.shape, image.dtype)
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None]
    expected = corrupt(pixels, Corruption("fog", 2), [NAME])[0].permute(1, 2, 0)
    assert (changed == expected.numpy()).all()
    assert (image == before).all()


def test_other_inputs_are_refused() -> None:
    with pytest.raises(ValueError, match=r"found \(3, 4, 4\) and 1 names"):
        corrupt(torch.zeros(3, 4, 4), Corruption("fog", 1), ["one"])
    with pytest.raises(ValueError, match=r"and 1 names"):
        corrupt(torch.zeros(2, 3, 4, 4), Corruption("fog", 1), ["one"])


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_smallest_picture_has_no_trouble(name: str) -> None:
    for size in ((1, 1), (1, 9), (7, 2)):
        pixel = torch.full((1, 3, *size), 0.4)
        assert corrupt(pixel, Corruption(name, 5), [NAME]).isfinite().all()

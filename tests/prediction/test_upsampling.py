"""The best class of every pixel equals that of fully interpolated logits, on CPUs and GPUs."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from cityseg.prediction import upsampling
from cityseg.prediction.upsampling import classify_logits

sides = st.integers(1, 70)


@pytest.fixture(params=["opencv", "torch"], autouse=True)
def backend(request, monkeypatch):
    """Both implementations run on the CPU; a GPU takes the second."""
    if request.param == "torch":
        monkeypatch.setattr(upsampling, "_best_by_opencv", upsampling._best_by_torch)


@pytest.fixture(autouse=True)
def small_strips(monkeypatch):
    monkeypatch.setattr(upsampling, "_CPU_STRIP", 200)


def interpolate(logits, size_hw):
    """(C, H, W) float64: single precision would itself be off where an edge is steep."""
    return F.interpolate(logits[None].double(), size_hw, mode="bilinear", align_corners=False)[0]


def margin(interpolated):
    """The lead of the best class over the second."""
    first, second = interpolated.topk(2, 0).values
    return (first - second).numpy()


@settings(max_examples=150)
@given(st.integers(0, 2**32), st.tuples(sides, sides), st.tuples(sides, sides))
def test_the_class_is_the_best_of_fully_interpolated_logits(seed, source_hw, target_hw):
    logits = torch.randn(19, *source_hw, generator=torch.Generator().manual_seed(seed))
    expected = interpolate(logits, target_hw)
    classes, confidence = classify_logits(logits, target_hw, with_confidence=False)
    assert classes.dtype == np.uint8
    assert confidence is None
    assert margin(expected)[classes != expected.argmax(0).numpy()].max(initial=0) < 1e-5


@settings(max_examples=50)
@given(st.integers(0, 2**32), st.tuples(sides, sides), st.tuples(sides, sides))
def test_the_confidence_is_the_softmax_of_the_best_class(seed, source_hw, target_hw):
    logits = 5 * torch.randn(19, *source_hw, generator=torch.Generator().manual_seed(seed))
    expected = interpolate(logits, target_hw).softmax(0).max(0).values
    _, confidence = classify_logits(logits, target_hw, with_confidence=True)
    assert confidence.dtype == np.float32
    assert np.abs(confidence - expected.numpy()).max() < 1e-4


def test_a_full_size_frame_is_classified_the_same_way(monkeypatch):
    monkeypatch.setattr(upsampling, "_CPU_STRIP", 1 << 17)
    logits = torch.randn(19, 128, 256, generator=torch.Generator().manual_seed(0))
    expected = interpolate(logits, (1024, 2048))
    classes, _ = classify_logits(logits, (1024, 2048), with_confidence=False)
    differs = classes != expected.argmax(0).numpy()
    assert differs.sum() < 10
    assert margin(expected)[differs].max(initial=0) < 1e-5


def test_the_order_in_memory_does_not_matter():
    logits = torch.randn(1, 19, 8, 16, generator=torch.Generator().manual_seed(0))
    last = logits.contiguous(memory_format=torch.channels_last)
    assert last.stride() != logits.stride()
    first, second = (
        classify_logits(each[0], (20, 30), with_confidence=False) for each in (logits, last)
    )
    assert np.array_equal(first[0], second[0])


def test_the_first_of_tied_classes_wins():
    classes, confidence = classify_logits(torch.zeros(4, 2, 2), (3, 3), with_confidence=True)
    assert not classes.any()
    assert (confidence == 0.25).all()


def test_class_255_can_win():
    logits = torch.zeros(256, 2, 2)
    logits[255] = 1
    assert (classify_logits(logits, (3, 3), with_confidence=False)[0] == 255).all()


def test_huge_logits_do_not_overflow():
    logits = torch.full((3, 2, 2), -1e30)
    logits[2] = 1e30
    classes, confidence = classify_logits(logits, (2, 2), with_confidence=True)
    assert (classes == 2).all()
    assert (confidence == 1).all()


def test_the_confidence_is_right_between_pixels_that_are_sure_of_different_classes():
    logits = torch.zeros(3, 2, 8)
    logits[0, :, ::2] = logits[1, :, 1::2] = 300  # their exponentials are 0 half-way between
    expected = interpolate(logits, (6, 32)).softmax(0).max(0).values
    _, confidence = classify_logits(logits, (6, 32), with_confidence=True)
    assert np.abs(confidence - expected.numpy()).max() < 1e-5

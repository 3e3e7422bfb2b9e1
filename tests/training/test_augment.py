"""Augmentation: where each pixel comes from, what is drawn at random, and from what.

Also tests: models/inputs.
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cityseg.config import make_config
from cityseg.models.inputs import normalise
from cityseg.training.augment import Views, augment, epoch_order, epoch_views

SIZE_HW = (24, 40)
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


def still(count=1, **changes):
    """Views that change nothing but what is named."""
    neutral = {
        "scale": 1.0,
        "top": 0.0,
        "left": 0.0,
        "flip": False,
        "brightness": 1.0,
        "contrast": 1.0,
        "saturation": 1.0,
        "blur": 0.0,
        "noise": 0.0,
        "noise_seed": 0,
    }
    return Views(**{k: np.full(count, v) for k, v in (neutral | changes).items()})


def blocks(count=1, size_hw=SIZE_HW, seed=0):
    """(N, H, W) uint8 masks of 8×8 blocks with some of the 19 train ids or 255."""
    rng = np.random.default_rng(seed)
    coarse = rng.choice([*range(19), 255], (count, *(-(-side // 8) for side in size_hw)))
    fine = coarse.repeat(8, axis=1).repeat(8, axis=2)[:, : size_hw[0], : size_hw[1]]
    return torch.from_numpy(np.ascontiguousarray(fine).astype(np.uint8))


def painted(masks):
    """(N, H, W, 3) uint8 images whose grey value is the train id times ten, 250 for 255."""
    grey = torch.where(masks == 255, 25, masks) * 10
    return grey.unsqueeze(-1).expand(-1, -1, -1, 3).contiguous()


def photos(count=1, size_hw=SIZE_HW, seed=0):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.integers(0, 256, (count, *size_hw, 3), np.uint8))


def unnormalised(inputs):
    """(N, 3, H, W) in 0–1."""
    return inputs * STD + MEAN


def seen(images, masks, views, crop_hw=SIZE_HW):
    """The views as (N, 3, h, w) in 0–1 and (N, h, w) int64."""
    inputs, truth = augment(images, masks, views, slice(0, len(images)), crop_hw)
    return unnormalised(inputs), truth


random_views = st.builds(
    still,
    scale=st.floats(0.3, 3),
    top=st.floats(0, 1),
    left=st.floats(0, 1),
    flip=st.booleans(),
)
crops = st.tuples(st.integers(1, 50), st.integers(1, 60))


# --- geometry --------------------------------------------------------------------------------


def test_nothing_random_gives_exactly_the_normalised_frame():
    images, masks = photos(3), blocks(3)
    inputs, truth = augment(images, masks, still(3), slice(0, 3), SIZE_HW)
    assert torch.equal(inputs, normalise(images.permute(0, 3, 1, 2).float() / 255))
    assert torch.equal(truth, masks.long())


def test_normalise_subtracts_the_mean_and_divides_by_the_deviation_of_each_channel():
    pixels = torch.tensor([0.485, 0.456 + 0.224, 0.406 - 2 * 0.225]).view(1, 3, 1, 1)
    assert normalise(pixels).flatten().tolist() == pytest.approx([0, 1, -2], abs=1e-6)


def test_inputs_are_float32_channels_first_and_truth_int64():
    inputs, truth = augment(photos(2), blocks(2), still(2, scale=1.5), slice(0, 2), (8, 16))
    assert (inputs.shape, inputs.dtype) == ((2, 3, 8, 16), torch.float32)
    assert (truth.shape, truth.dtype) == ((2, 8, 16), torch.int64)


def test_a_flip_mirrors_left_and_right_of_image_and_mask():
    images, masks = photos(), blocks()
    pixels, truth = seen(images, masks, still(flip=True))
    assert torch.equal(truth, masks.long().flip(2))
    expected = images.permute(0, 3, 1, 2).flip(3) / 255
    assert torch.allclose(pixels, expected, atol=1e-4)


def test_scale_two_shows_each_pixel_of_the_corner_four_times():
    masks = torch.tensor([[[1, 2, 3, 4], [5, 6, 7, 8]]], dtype=torch.uint8)
    _, truth = seen(painted(masks), masks, still(scale=2.0), (2, 4))
    assert truth.tolist() == [[[1, 1, 2, 2], [1, 1, 2, 2]]]


def test_scale_two_mixes_pixels_by_their_distance():
    masks = torch.tensor([[[0, 8], [0, 8]]], dtype=torch.uint8)
    pixels, _ = seen(painted(masks), masks, still(scale=2.0), (4, 4))
    middle_row = pixels[0, 0, 1] * 255
    assert middle_row[1:3].tolist() == pytest.approx([20, 60], abs=0.01)


def test_scale_one_half_shrinks_a_frame_into_the_corner_and_leaves_the_rest_255():
    masks = torch.tensor([[[3, 3, 4, 4]] * 4], dtype=torch.uint8)
    pixels, truth = seen(painted(masks), masks, still(scale=0.5), (4, 4))
    assert truth.tolist() == [[[3, 4, 255, 255]] * 2 + [[255] * 4] * 2]
    assert (pixels[0, 0] * 255)[:2, :2].tolist() == [pytest.approx([30, 40], abs=0.01)] * 2


def test_outside_the_frame_is_black_and_255_and_its_edge_is_as_bright_as_its_middle():
    masks = torch.full((1, 4, 4), 10, dtype=torch.uint8)
    pixels, truth = seen(painted(masks), masks, still(scale=1.5, top=0.5, left=0.5), (8, 8))
    inside = torch.zeros(1, 8, 8, dtype=torch.bool)
    inside[:, 1:7, 1:7] = True
    assert torch.equal(truth, torch.where(inside, 10, 255))
    assert torch.allclose(pixels[:, 0] * 255, torch.where(inside, 100.0, 0.0), atol=0.01)


def test_outside_the_frame_is_black_also_where_colours_are_jittered():
    views = still(scale=0.5, brightness=1.2, contrast=0.5, saturation=0.7)
    inputs, truth = augment(photos(), blocks(), views, slice(0, 1), SIZE_HW)
    black = normalise(torch.zeros(1, 3, 1, 1)).expand_as(inputs)
    outside = torch.ones(SIZE_HW, dtype=torch.bool)
    outside[:12, :20] = False
    assert torch.equal(inputs[:, :, outside], black[:, :, outside])
    assert bool((truth[:, outside] == 255).all())
    assert not torch.isclose(inputs, black)[:, :, ~outside].all()


@pytest.mark.parametrize(("top", "left"), [(0, 0), (1, 1), (0.5, 0.25), (0.33, 0.77)])
def test_a_crop_alone_is_a_part_of_the_frame_pixel_by_pixel(top, left):
    images, masks, crop_hw = photos(), blocks(), (10, 15)
    pixels, truth = seen(images, masks, still(top=top, left=left), crop_hw)
    y, x = round((24 - 10) * top), round((40 - 15) * left)
    assert torch.equal(truth, masks.long()[:, y : y + 10, x : x + 15])
    expected = images.permute(0, 3, 1, 2)[:, :, y : y + 10, x : x + 15] / 255
    assert torch.allclose(pixels, expected, atol=1e-4)


def test_a_crop_larger_than_the_frame_has_the_whole_frame_and_255_around_it():
    masks = blocks()
    _, truth = seen(painted(masks), masks, still(top=0.5, left=1.0), (30, 48))
    assert torch.equal(truth[:, 3:27, 8:], masks.long())
    assert (truth[:, :3] == 255).all()
    assert (truth[:, 27:] == 255).all()
    assert (truth[:, :, :8] == 255).all()


@settings(max_examples=60)
@given(random_views, crops)
def test_each_label_is_that_of_the_nearest_pixel_and_255_outside_the_frame(views, crop_hw):
    masks = blocks()
    _, truth = seen(painted(masks), masks, views, crop_hw)
    places = []
    for size, crop, where in zip(SIZE_HW, crop_hw, (views.top[0], views.left[0]), strict=True):
        start = round((size * views.scale[0] - crop) * where)
        places.append([(start + i + 0.5) / views.scale[0] for i in range(crop)])
    if views.flip[0]:
        places[1].reverse()
    for y, row in zip(places[0], truth[0].tolist(), strict=True):
        for x, label in zip(places[1], row, strict=True):
            if abs(y - round(y)) < 1e-3 or abs(x - round(x)) < 1e-3:
                continue  # between two pixels, where rounding decides
            inside = 0 < y < SIZE_HW[0] and 0 < x < SIZE_HW[1]
            assert label == (masks[0, int(y), int(x)] if inside else 255)


@settings(max_examples=60)
@given(random_views, crops)
def test_image_and_mask_stay_aligned(views, crop_hw):
    masks = torch.where(blocks() == 255, 0, blocks())
    pixels, truth = seen(painted(masks), masks, views, crop_hw)
    # Where all that interpolation may reach has one label.
    reach = int(np.ceil(views.scale[0]))
    labels = torch.nn.functional.pad(truth.float(), [reach] * 4, value=-1)
    around = labels.unfold(1, 2 * reach + 1, 1).unfold(2, 2 * reach + 1, 1).flatten(3)[0]
    away_from_edges = (around == truth[0].unsqueeze(-1)).all(-1) & (truth[0] != 255)
    found = (pixels[0, 0] * 25.5)[away_from_edges]
    assert torch.allclose(found, truth[0][away_from_edges].float(), atol=0.01)


@settings(max_examples=60)
@given(random_views, crops, st.integers(0, 99))
def test_no_label_is_invented(views, crop_hw, seed):
    masks = blocks(seed=seed)
    _, truth = seen(painted(masks), masks, views, crop_hw)
    assert set(truth.unique().tolist()) <= {*masks.unique().tolist(), 255}


# --- photometry ------------------------------------------------------------------------------


def grey(*levels):
    """A (1, 1, W, 3) uint8 image of grey pixels, and a mask of road."""
    values = torch.tensor(levels, dtype=torch.uint8)
    return values.view(1, 1, -1, 1).expand(-1, -1, -1, 3), torch.zeros(1, 1, len(levels))


def levels_seen(image, mask, **changes):
    pixels, _ = seen(image, mask, still(**changes), (1, image.shape[2]))
    return (pixels[0, 0, 0] * 255).tolist()


def test_brightness_multiplies():
    assert levels_seen(*grey(40, 100), brightness=1.5) == pytest.approx([60, 150], abs=0.01)


def test_contrast_stretches_around_the_mean():
    assert levels_seen(*grey(80, 120), contrast=1.5) == pytest.approx([70, 130], abs=0.01)
    assert levels_seen(*grey(80, 120), contrast=0.0) == pytest.approx([100, 100], abs=0.01)


def test_contrast_works_around_the_mean_after_brightness():
    found = levels_seen(*grey(40, 60), brightness=2.0, contrast=0.5)
    assert found == pytest.approx([90, 110], abs=0.01)


@pytest.mark.parametrize(
    ("saturation", "expected"),
    [(0, [0.299, 0.299, 0.299]), (0.5, [0.6495, 0.1495, 0.1495]), (1, [1, 0, 0])],
)
def test_saturation_mixes_with_the_luma(saturation, expected):
    red = torch.tensor([255, 0, 0], dtype=torch.uint8).view(1, 1, 1, 3)
    pixels, _ = seen(red, torch.zeros(1, 1, 1), still(saturation=saturation), (1, 1))
    assert pixels.flatten().tolist() == pytest.approx(expected, abs=1e-5)


def test_saturation_leaves_grey_as_it_is():
    assert levels_seen(*grey(30, 200), saturation=1.9) == pytest.approx([30, 200], abs=0.01)


@settings(max_examples=30)
@given(*[st.floats(0, 2)] * 3, st.integers(0, 99))
def test_jitter_stays_within_0_and_1(brightness, contrast, saturation, seed):
    views = still(brightness=brightness, contrast=contrast, saturation=saturation)
    pixels, _ = seen(photos(seed=seed), blocks(), views)
    assert pixels.min() > -1e-5
    assert pixels.max() < 1 + 1e-5


def test_jitter_leaves_masks_alone():
    masks = blocks()
    _, truth = seen(photos(), masks, still(brightness=0.3, contrast=1.8, saturation=0.2))
    assert torch.equal(truth, masks.long())


def test_each_frame_of_a_batch_has_its_own_jitter():
    image, mask = grey(100)
    views = still(2)
    views.brightness[:] = 0.5, 1.5
    pixels, _ = seen(image.repeat(2, 1, 1, 1), mask.repeat(2, 1, 1), views, (1, 1))
    assert (pixels[:, 0].flatten() * 255).tolist() == pytest.approx([50, 150], abs=0.01)


def plain(level, size_hw):
    """A frame of one grey level, and a mask of road."""
    image = torch.full((1, *size_hw, 3), level, dtype=torch.uint8)
    return image, torch.zeros(1, *size_hw, dtype=torch.uint8)


def test_blur_spreads_a_point_by_its_deviation_and_keeps_its_light():
    image = torch.zeros(1, 31, 31, 3, dtype=torch.uint8)
    image[0, 15, 15] = 255
    pixels, _ = seen(image, torch.zeros(1, 31, 31, dtype=torch.uint8), still(blur=2.0), (31, 31))
    spread, places = pixels[0, 1].double(), torch.arange(31) - 15.0
    assert float(spread.sum()) == pytest.approx(1, abs=1e-3)
    for profile in (spread.sum(0), spread.sum(1)):
        assert float((profile * places**2).sum()) == pytest.approx(4, rel=0.05)


def test_blur_and_noise_leave_frames_without_them_alone():
    images, masks, views = photos(3), blocks(3), still(3)
    views.blur[1], views.noise[2] = 1.0, 0.1
    before, _ = seen(images, masks, still(3))
    pixels, _ = seen(images, masks, views)
    differs = [(one - other).abs().max() > 0.01 for one, other in zip(pixels, before, strict=True)]
    assert differs == [False, True, True]


def test_noise_has_its_deviation_and_follows_from_its_seed():
    image, mask = plain(128, (64, 64))
    first, again, other = (
        seen(image, mask, still(noise=0.05, noise_seed=seed), (64, 64))[0] for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert float(first.mean()) == pytest.approx(128 / 255, abs=0.005)
    assert float(first.std()) == pytest.approx(0.05, rel=0.05)


def test_outside_the_frame_is_black_also_with_noise():
    image, mask = plain(200, (4, 4))
    views = still(scale=0.5, noise=0.5, blur=1.0)
    pixels, truth = seen(image, mask, views, (4, 4))
    assert pixels[0, :, truth[0] == 255].abs().max() < 1e-6


# --- chance ----------------------------------------------------------------------------------

RANDOM = make_config(
    {
        "scale_min": 0.5,
        "scale_max": 2,
        "flip": True,
        "jitter": 0.3,
        "blur": 1.5,
        "noise": 0.2,
        "seed": 7,
        "size": "24x40",
    }
)
FIELDS = Views.__slots__


def equal(one, other):
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in FIELDS)


@given(st.integers(0, 200), st.integers(0, 2**63 - 1), st.integers(1, 10_000))
def test_an_epoch_shows_every_frame_once(count, seed, epoch):
    assert sorted(epoch_order(count, seed, epoch).tolist()) == list(range(count))


def test_order_and_views_follow_from_seed_and_epoch_alone():
    assert np.array_equal(epoch_order(50, 7, 3), epoch_order(50, 7, 3))
    assert equal(epoch_views(50, RANDOM, 3), epoch_views(50, RANDOM, 3))


@pytest.mark.parametrize(("seed", "epoch"), [(7, 4), (8, 3)])
def test_another_epoch_or_seed_has_another_order_and_other_views(seed, epoch):
    assert not np.array_equal(epoch_order(50, 7, 3), epoch_order(50, seed, epoch))
    views = epoch_views(50, RANDOM, 3)
    others = epoch_views(50, RANDOM.model_copy(update={"seed": seed}), epoch)
    for name in FIELDS:
        assert not np.array_equal(getattr(views, name), getattr(others, name))


@settings(max_examples=30)
@given(st.sets(st.integers(1, 11)))
def test_a_frame_is_seen_alike_in_batches_of_any_size(borders):
    images, masks, views = photos(12), blocks(12), epoch_views(12, RANDOM, 1)
    whole = augment(images, masks, views, slice(0, 12), (16, 32))
    for first, last in zip([0, *sorted(borders)], [*sorted(borders), 12], strict=True):
        positions = slice(first, last)
        inputs, truth = augment(images[positions], masks[positions], views, positions, (16, 32))
        assert torch.allclose(inputs, whole[0][positions], atol=1e-5)
        assert torch.equal(truth, whole[1][positions])


@pytest.mark.parametrize("config", [RANDOM, make_config({"flip": True, "size": "24x40"})])
def test_the_same_batch_is_seen_the_same_to_the_last_bit(config):
    views = epoch_views(12, config, 1)
    one, other = (augment(photos(12), blocks(12), views, slice(0, 12), (24, 40)) for _ in range(2))
    assert torch.equal(one[0], other[0])
    assert torch.equal(one[1], other[1])


def assert_uniform(values, low, high):
    """Within 0.03 of the straight line, for thousands of values drawn from a fixed seed."""
    assert low <= values.min()
    assert values.max() <= high
    expected = np.linspace(low, high, len(values))
    assert np.abs(np.sort(values) - expected).max() < 0.03 * (high - low)


def test_scales_are_as_often_halved_as_doubled():
    assert_uniform(np.log2(epoch_views(5000, RANDOM, 1).scale), -1, 1)


def test_places_are_uniform():
    views = epoch_views(5000, RANDOM, 1)
    assert_uniform(views.top, 0, 1)
    assert_uniform(views.left, 0, 1)


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_jitter_factors_are_uniform_around_one(name):
    assert_uniform(getattr(epoch_views(5000, RANDOM, 1), name), 0.7, 1.3)


@pytest.mark.parametrize(("name", "largest"), [("blur", 1.5), ("noise", 0.2)])
def test_half_of_the_frames_get_blur_or_noise(name, largest):
    values = np.sort(getattr(epoch_views(5000, RANDOM, 1), name))
    assert (values == 0).mean() == pytest.approx(0.5, abs=0.02)
    assert_uniform(values[values > 0], 0, largest)


def test_the_random_numbers_of_a_frame_do_not_depend_on_each_other():
    views = epoch_views(5000, RANDOM, 1)
    correlation = np.corrcoef([getattr(views, name).astype(float) for name in FIELDS])
    assert np.abs(correlation - np.eye(len(FIELDS))).max() < 0.05


def test_half_of_the_frames_are_flipped():
    assert epoch_views(5000, RANDOM, 1).flip.mean() == pytest.approx(0.5, abs=0.02)


def test_the_reference_recipe_changes_no_frame():
    images, masks = photos(50), blocks(50)
    views = epoch_views(50, make_config({}), 1)
    inputs, truth = augment(images, masks, views, slice(0, 50), SIZE_HW)
    assert torch.equal(inputs, normalise(images.permute(0, 3, 1, 2).float() / 255))
    assert torch.equal(truth, masks.long())

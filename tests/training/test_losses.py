"""Losses: equality with torch, cases small enough for a pocket calculator, ignored pixels."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from cityseg.config import TrainConfig, make_config
from cityseg.labels import IGNORE, NUM_CLASSES
from cityseg.training.losses import build_loss, dice, inverse_log_weights, lovasz, ohem

LOSSES = TrainConfig.model_fields["loss"].annotation.__args__
CLASS_PIXELS = np.array([1000, 500, 0, 20, *range(1, 16), 12345], np.int64)


def loss_of(loss="cross_entropy", class_weights="none"):
    config = make_config({"loss": loss, "class_weights": class_weights})
    return build_loss(config, CLASS_PIXELS, torch.device("cpu"))


def random_batch(seed, ignored_share=0.3, shape=(2, 9, 11)):
    """(B, 19, H, W) logits that want a gradient, and (B, H, W) train ids."""
    generator = torch.Generator().manual_seed(seed)
    batch, height, width = shape
    logits = 4 * torch.randn(batch, NUM_CLASSES, height, width, generator=generator)
    truth = torch.randint(0, NUM_CLASSES, shape, generator=generator)
    truth[torch.rand(shape, generator=generator) < ignored_share] = IGNORE
    return logits.requires_grad_(), truth


def row(*true_class_probabilities, ignored=()):
    """A (1, 2, 1, N) batch of two classes whose truth is class 0; `ignored` are positions."""
    p = torch.tensor(true_class_probabilities)
    truth = torch.zeros(1, 1, len(p), dtype=torch.int64)
    truth[..., list(ignored)] = IGNORE
    return torch.stack((p, 1 - p)).log().view(1, 2, 1, -1).requires_grad_(), truth


# --- every loss ------------------------------------------------------------------------------

every_loss = pytest.mark.parametrize(
    ("loss", "class_weights"), [(loss, w) for loss in LOSSES for w in ("none", "inverse_log")]
)


@every_loss
@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), ignored_share=st.sampled_from([0.05, 0.5, 0.99]))
def test_ignored_pixels_have_no_gradient_and_no_effect(loss, class_weights, seed, ignored_share):
    logits, truth = random_batch(seed, ignored_share)
    value = loss_of(loss, class_weights)(logits, truth)
    value.backward()
    ignored = (truth == IGNORE).unsqueeze(1)
    assert logits.grad.isfinite().all()
    assert (logits.grad * ignored == 0).all()
    disturbed = torch.where(ignored, 7 * logits.detach().flip(0), logits.detach())
    assert loss_of(loss, class_weights)(disturbed, truth).item() == value.item()


@every_loss
def test_a_batch_without_labels_costs_nothing_and_has_a_gradient_of_zero(loss, class_weights):
    logits, truth = random_batch(0, ignored_share=1.1)
    value = loss_of(loss, class_weights)(logits, truth)
    value.backward()
    assert value.item() == 0
    assert (logits.grad == 0).all()


@every_loss
def test_a_sure_and_right_prediction_costs_next_to_nothing(loss, class_weights):
    _, truth = random_batch(0)
    logits = 30.0 * F.one_hot(truth % IGNORE, NUM_CLASSES).permute(0, 3, 1, 2)
    assert loss_of(loss, class_weights)(logits, truth).item() == pytest.approx(0, abs=1e-5)


@every_loss
def test_a_sure_and_wrong_prediction_costs_much(loss, class_weights):
    _, truth = random_batch(0)
    logits = 30.0 * F.one_hot((truth + 1) % NUM_CLASSES, NUM_CLASSES).permute(0, 3, 1, 2)
    assert loss_of(loss, class_weights)(logits, truth).item() > 0.9


@every_loss
def test_half_precision_logits_give_a_float32_loss_close_to_the_exact_one(loss, class_weights):
    logits, truth = random_batch(0)
    exact = loss_of(loss, class_weights)(logits, truth)
    rounded = loss_of(loss, class_weights)(logits.bfloat16(), truth)
    assert rounded.dtype == torch.float32
    assert rounded.item() == pytest.approx(exact.item(), rel=0.01)


# --- cross-entropy ---------------------------------------------------------------------------


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.5, 0.99]))
def test_cross_entropy_is_that_of_torch(seed, ignored_share):
    logits, truth = random_batch(seed, ignored_share)
    if (truth == IGNORE).all():
        return
    expected = F.cross_entropy(logits, truth, ignore_index=IGNORE)
    assert loss_of()(logits, truth).item() == pytest.approx(expected.item(), rel=1e-5)


@settings(max_examples=20)
@given(st.integers(0, 10**6))
def test_weighted_cross_entropy_is_that_of_torch(seed):
    logits, truth = random_batch(seed)
    weights = inverse_log_weights(CLASS_PIXELS)
    expected = F.cross_entropy(logits, truth, weights, ignore_index=IGNORE)
    found = loss_of(class_weights="inverse_log")(logits, truth)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


def test_cross_entropy_of_two_pixels_by_hand():
    assert loss_of()(*row(0.5, 0.125)).item() == pytest.approx((1 + 3) / 2 * math.log(2))


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.5, 0.99]), st.floats(0.01, 0.9))
def test_smoothed_cross_entropy_is_that_of_torch(seed, ignored_share, smoothing):
    logits, truth = random_batch(seed, ignored_share)
    if (truth == IGNORE).all():
        return
    config = make_config({"label_smoothing": smoothing})
    found = build_loss(config, CLASS_PIXELS, torch.device("cpu"))(logits, truth)
    expected = F.cross_entropy(logits, truth, ignore_index=IGNORE, label_smoothing=smoothing)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


def test_inverse_log_weights_follow_the_formula_of_enet():
    class_pixels = np.array([60, 40, *[0] * 17, 1000], np.int64)
    weights = inverse_log_weights(class_pixels).tolist()
    expected = [1 / math.log(1.02 + share) for share in (0.6, 0.4, *[0.0] * 17)]
    assert weights == pytest.approx(expected)
    assert weights[-1] == pytest.approx(50.5, abs=0.01)


def test_inverse_log_weights_of_no_pixels_are_finite():
    assert inverse_log_weights(np.zeros(20, np.int64)).isfinite().all()


# --- Lovász ----------------------------------------------------------------------------------


def one_minus_iou(predicted, truth):
    """Mean over the classes of `truth`, counted in NumPy."""
    predicted, truth = predicted[truth != IGNORE], truth[truth != IGNORE]
    ious = [
        (predicted[truth == each] == each).sum() / ((predicted == each) | (truth == each)).sum()
        for each in np.unique(truth)
    ]
    return 1 - np.mean(ious)


@settings(max_examples=50)
@given(st.integers(0, 10**6), st.sampled_from([0.05, 0.5]))
def test_of_sure_predictions_the_lovasz_extension_is_one_minus_the_mean_iou(seed, ignored_share):
    logits, truth = random_batch(seed, ignored_share)
    sure = 200 * F.one_hot(logits.argmax(1), NUM_CLASSES).permute(0, 3, 1, 2).float()
    expected = one_minus_iou(logits.argmax(1).numpy(), truth.numpy())
    assert lovasz(sure, truth).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", ["lovasz", "cross_entropy+lovasz"])
def test_the_lovasz_loss_may_count_every_third_row_and_column_alone(loss):
    logits, truth = random_batch(1)
    config = make_config({"loss": loss, "lovasz_stride": 3})
    value = build_loss(config, CLASS_PIXELS, torch.device("cpu"))(logits, truth)
    rest = loss_of()(logits, truth) if loss != "lovasz" else 0
    expected = lovasz(logits[:, :, ::3, ::3], truth[:, ::3, ::3]) + rest
    assert value.item() == pytest.approx(expected.item())


def test_the_lovasz_extension_of_two_pixels_by_hand():
    # Both are of class 0, with errors 1/2 and 1/4. The larger takes the IoU from 1 to 1/2, both
    # together take it to 0: each counts half.
    assert lovasz(*row(0.5, 0.75)).item() == pytest.approx(0.5 * 0.5 + 0.25 * 0.5)


# --- dice ------------------------------------------------------------------------------------


def test_dice_of_two_pixels_by_hand():
    probabilities = torch.tensor([[0.75, 0.25], [0.5, 0.5]])  # of each pixel
    logits = probabilities.log().T.view(1, 2, 1, 2)
    truth = torch.tensor([[[0, 1]]])
    coefficients = 2 * 0.75 / (0.75 + 0.5 + 1), 2 * 0.5 / (0.25 + 0.5 + 1)
    assert dice(logits, truth).item() == pytest.approx(1 - sum(coefficients) / 2)


def test_dice_leaves_out_classes_that_do_not_occur():
    logits, truth = row(0.75, 0.75)
    assert dice(logits, truth).item() == pytest.approx(1 - 2 * 1.5 / (1.5 + 2))


def test_dice_counts_over_the_whole_batch_before_it_divides():
    logits, truth = row(0.9, 0.6, 0.8, 0.7)
    stacked = logits.view(1, 2, 2, 2).transpose(0, 2).reshape(2, 2, 1, 2)
    assert dice(stacked, truth.view(2, 1, 2)).item() == pytest.approx(dice(logits, truth).item())


def test_cross_entropy_plus_dice_is_their_sum():
    batch = random_batch(3)
    total = loss_of()(*batch) + dice(*batch)
    assert loss_of("cross_entropy+dice")(*batch).item() == pytest.approx(total.item())


# --- hard examples ---------------------------------------------------------------------------


def chosen(logits, truth):
    """Positions of the pixels that have a gradient."""
    ohem(logits, truth).backward()
    return logits.grad.abs().sum(1).flatten().nonzero().flatten().tolist()


def test_ohem_takes_exactly_the_pixels_below_the_threshold():
    probabilities = [0.95] * 16
    probabilities[3], probabilities[7], probabilities[8] = 0.2, 0.699, 0.701
    batch = row(*probabilities)
    assert chosen(*batch) == [3, 7]
    expected = -(math.log(0.2) + math.log(0.699)) / 2
    assert ohem(*batch).item() == pytest.approx(expected, rel=1e-5)


def test_ohem_takes_all_pixels_if_all_are_hard():
    assert chosen(*row(*[0.3] * 16)) == list(range(16))


def test_ohem_takes_the_hardest_sixteenth_if_fewer_are_hard():
    probabilities = [0.95] * 48
    probabilities[5], probabilities[6], probabilities[40] = 0.6, 0.9, 0.8
    assert chosen(*row(*probabilities)) == [5, 6, 40]


@pytest.mark.parametrize(("pixels", "count"), [(1, 1), (15, 1), (16, 1), (17, 2), (33, 3)])
def test_ohem_takes_at_least_a_sixteenth_of_easy_pixels(pixels, count):
    easy = np.linspace(0.9, 0.99, pixels)
    assert chosen(*row(*easy.tolist())) == list(range(count))


def test_ohem_takes_a_sixteenth_of_the_pixels_that_count_not_of_all():
    easy = np.linspace(0.9, 0.99, 64).tolist()
    assert chosen(*row(*easy, ignored=range(32))) == [32, 33]


def test_ohem_of_a_batch_with_a_single_label_is_its_cross_entropy():
    logits, truth = row(*[0.5] * 63, 0.99, ignored=range(63))
    assert ohem(logits, truth).item() == pytest.approx(-math.log(0.99), rel=1e-4)


def test_ohem_chooses_by_probability_and_weighs_afterwards():
    logits = torch.tensor([[0.6, 0.4], [0.5, 0.5]]).log().T.view(1, 2, 1, 2)
    truth = torch.tensor([[[0, 1]]])
    found = ohem(logits, truth, torch.tensor([1.0, 10.0]))
    assert found.item() == pytest.approx(-(math.log(0.6) + 10 * math.log(0.5)) / 11)


def test_ohem_of_hard_pixels_is_the_weighted_cross_entropy():
    logits, truth, weight = (
        torch.zeros(2, 19, 4, 4),
        torch.arange(32).view(2, 4, 4) % 19,
        torch.arange(1.0, 20.0),
    )
    expected = F.cross_entropy(logits, truth, weight)
    assert ohem(logits, truth, weight).item() == pytest.approx(expected.item(), rel=1e-5)

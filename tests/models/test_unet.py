"""The U-Net: shapes, size, numerics, and that it learns."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cityseg.models.unet import UNet, pad_to_multiple


def tiny_unet(seed: int = 0) -> UNet:
    torch.manual_seed(seed)
    return UNet(width=4)


def random_images(batch: int, height: int, width: int) -> Tensor:
    return torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 40), (17, 33), (64, 128)])
def test_logits_have_the_size_of_the_images(size_hw: tuple[int, int]) -> None:
    logits = tiny_unet().eval()(random_images(2, *size_hw))
    assert logits.shape == (2, 19, *size_hw)


def test_the_classic_width_has_31_million_parameters() -> None:
    with torch.device("meta"):
        model = UNet(width=64, num_classes=19)
    assert sum(parameter.numel() for parameter in model.parameters()) == 31_038_803


def test_padding_repeats_the_right_and_lower_border() -> None:
    image = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])[None, None]
    expected = [[1, 2, 3, 3], [4, 5, 6, 6], [4, 5, 6, 6], [4, 5, 6, 6]]
    assert pad_to_multiple(image, 4)[0, 0].tolist() == expected


def test_images_of_a_fitting_size_are_not_copied() -> None:
    images = random_images(1, 16, 32)
    assert pad_to_multiple(images, 16) is images


def test_padding_inside_equals_padding_and_cropping_outside() -> None:
    model, images = tiny_unet().eval(), random_images(1, 17, 33)
    outside = model(F.pad(images, (0, 15, 0, 15), mode="replicate"))
    torch.testing.assert_close(model(images), outside[..., :17, :33])


def test_the_memory_format_changes_nothing() -> None:
    model, images = tiny_unet(), random_images(2, 40, 48)
    expected = model(images)
    model = model.to(memory_format=torch.channels_last)
    logits = model(images.to(memory_format=torch.channels_last))
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=1e-4)


def test_bfloat16_is_close_to_float32() -> None:
    model, images = tiny_unet().to(memory_format=torch.channels_last), random_images(2, 40, 48)
    expected = model(images)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(images)
    assert logits.dtype == torch.bfloat16
    assert (logits - expected).abs().mean() < 0.05 * expected.std()


def test_compiles_into_one_graph() -> None:
    model, images = tiny_unet().eval(), random_images(1, 17, 33)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(images), model(images))


def test_with_group_norm_a_frame_is_trained_on_as_if_it_were_alone() -> None:
    torch.manual_seed(0)
    model, images = UNet(width=4, norm="group").train(), random_images(2, 32, 48)
    alone = torch.cat([model(image[None]) for image in images])
    torch.testing.assert_close(model(images), alone, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("width", "groups"), [(1, 1), (4, 1), (12, 1), (16, 2), (20, 2), (64, 8)])
def test_groups_are_even_and_of_eight_channels_where_that_is_possible(
    width: int, groups: int
) -> None:
    with torch.device("meta"):
        norms = [m for m in UNet(width=width, norm="group").modules() if hasattr(m, "num_groups")]
    assert norms[0].num_groups == groups
    assert len(norms) == 18


def test_gradients_reach_every_parameter() -> None:
    model = tiny_unet()
    model(random_images(2, 32, 32)).square().mean().backward()
    unreached = [
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ]
    assert unreached == []


def test_all_classes_are_about_equally_likely_at_first() -> None:
    logits = tiny_unet()(random_images(2, 32, 32))
    loss = F.cross_entropy(logits, torch.zeros(2, 32, 32, dtype=torch.long))
    assert loss.item() == pytest.approx(math.log(19), abs=0.2)


def test_a_few_steps_learn_one_batch() -> None:
    torch.manual_seed(0)
    model = UNet(width=8, num_classes=3)
    images = random_images(2, 4, 4).repeat_interleave(8, 2).repeat_interleave(8, 3)
    classes = images.argmax(1)  # the strongest colour of each block
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), classes)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 10


def test_the_seed_decides_the_initial_weights() -> None:
    first, again, other = (tiny_unet(seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])


def test_an_image_gets_the_same_logits_in_any_batch() -> None:
    model, images = tiny_unet().eval(), random_images(3, 32, 32)
    torch.testing.assert_close(model(images)[1:2], model(images[1:2]))

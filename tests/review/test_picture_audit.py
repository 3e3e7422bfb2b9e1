"""Copies and near-duplicates: the right ones are named, at a cost that copies do not square."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cityseg.arrays import Uint8Array
from cityseg.review import near_hashes, picture_audit
from cityseg.review.findings import Finding
from cityseg.review.picture_audit import Look, audit_looks, look_at

RNG = np.random.default_rng(0)
SMALL_HW = (24, 48)
LOOK = look_at("a/b/c", "a", b"x", RNG.integers(0, 255, (30, 60, 3), np.uint8), (30, 60), "")


def named(findings: Sequence[Finding], reason: str) -> list[tuple[str, str, float]]:
    return [(f.frame, f.other, f.score) for f in findings if f.reason == reason]


def look(number: int, split: str, **more: Any) -> Look:
    return replace(LOOK, frame=f"{split}/{number}", split=split, digest=str(number), **more)


def many_looks(rng: np.random.Generator, count: int) -> Iterator[Look]:
    """Some copies of files, of annotations, and of pictures with noise, in three splits."""
    scenes = rng.integers(0, 255, (6, *SMALL_HW), np.uint8)
    hashes = rng.integers(0, 255, (6, 32), np.uint8)
    for number in range(count):
        scene, noise = rng.integers(6), rng.integers(3)
        small = np.clip(scenes[scene] + 12.0 * noise * rng.random(SMALL_HW), 0, 255)
        bits = hashes[scene] ^ np.uint8(noise * (rng.random(32) < 0.5))
        yield replace(
            LOOK,
            frame=f"{number}",
            split=str(rng.choice(["train", "val", "test"])),
            digest=f"{scene}-{rng.integers(3)}-{noise}",
            labels=str(rng.integers(8)),
            small=small.astype(np.uint8) if noise else scenes[scene],
            bits=bits,
        )


def expected_copies(looks: Sequence[Look], reason: str) -> Iterator[tuple[str, str, float]]:
    """Each compared with all before it."""
    for position, own in enumerate(looks):
        alike = [
            each
            for each in looks[:position]
            if (each.digest == own.digest) == (reason == "exact_copy")
            and (reason == "exact_copy" or each.labels == own.labels)
        ]
        across = [each for each in alike if each.split != own.split]
        if alike:
            yield own.frame, (across or alike)[0].frame, 1.0 if across else 0.9


def expected_near(looks: Sequence[Look]) -> Iterator[tuple[str, str]]:
    for position, own in enumerate(looks):
        near = [
            each
            for each in looks[:position]
            if each.split != own.split and int(np.bitwise_count(each.bits ^ own.bits).sum()) <= 40
        ]
        alike = [np.corrcoef(own.small.ravel(), each.small.ravel())[0, 1] for each in near]
        best = int(np.argmax(np.round(alike, 9))) if near else 0
        if near and alike[best] >= 0.97 and near[best].digest != own.digest:
            yield own.frame, near[best].frame


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("few", [0, near_hashes._FEW], ids=["by bands", "all compared"])
def test_the_copies_are_those_of_comparing_each_picture_with_all_before_it(
    seed: int, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(near_hashes, "_FEW", few)
    looks = list(many_looks(np.random.default_rng(seed), 120))
    findings = audit_looks(looks)
    for reason in ("exact_copy", "same_annotation"):
        assert sorted(named(findings, reason)) == sorted(expected_copies(looks, reason))
    near = {(frame, other) for frame, other, _ in named(findings, "near_duplicate")}
    assert near == set(expected_near(looks))
    assert len(near) > 5


class CountedText(str):
    """A text that counts how often such texts are compared."""

    count = 0

    def __eq__(self, other: object) -> bool:
        CountedText.count += 1
        return str.__eq__(self, str(other))

    def __ne__(self, other: object) -> bool:
        CountedText.count += 1
        return str.__ne__(self, str(other))

    __hash__ = str.__hash__


def compared_texts(count: int) -> int:
    """Comparisons among copies of one annotation, half of them copies of one file."""
    looks = [
        replace(
            LOOK,
            frame=str(number),
            split=CountedText("train"),
            digest=CountedText("same" if number % 2 else number),
            labels="one",
        )
        for number in range(count)
    ]
    CountedText.count = 0
    for reason in ("exact_copy", "same_annotation"):
        assert len(list(picture_audit._copies(looks, reason))) >= count // 2 - 1
    return CountedText.count


def test_copies_are_compared_in_linear_time() -> None:
    assert 0 < compared_texts(4000) <= 4.1 * compared_texts(1000)


@pytest.mark.parametrize("is_same_picture", [True, False])
def test_pictures_of_one_hash_are_compared_in_linear_time(
    is_same_picture: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: Counter[str] = Counter()
    correlations = picture_audit._correlations

    def counted(one: Uint8Array, others: Uint8Array) -> np.ndarray:
        compared["pictures"] += len(others)
        return correlations(one, others)

    monkeypatch.setattr(picture_audit, "_correlations", counted)
    rng = np.random.default_rng(1)
    scene = rng.integers(0, 250, SMALL_HW, np.uint8)
    looks = [
        look(
            number,
            ("train", "val")[number % 2],
            small=scene if is_same_picture else scene + rng.integers(0, 5, SMALL_HW, np.uint8),
        )
        for number in range(3000)
    ]
    found = named(audit_looks(looks), "near_duplicate")
    assert [frame for frame, _, _ in found] == [each.frame for each in looks[1:]]
    assert compared["pictures"] <= 3000 * (1 if is_same_picture else 32)


def test_one_picture_alone_is_not_suspicious() -> None:
    assert audit_looks([LOOK]) == []
    assert audit_looks([]) == []

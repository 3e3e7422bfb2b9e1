"""What is learned from verdicts: which regions they are about, and when they are enough."""

import sys

import numpy as np
import pytest

from cityseg.evaluation.verdict_model import outcomes, probabilities
from cityseg.review import Region, Verdict, VerdictCode

FRAMES = ["val/a/a", "val/a/a", "val/a/b"]
BOXES = np.array([[0, 0, 10, 10], [0, 0, 10, 12], [0, 0, 10, 10]])
SEEN = ["car", "truck", "car"]


def verdict(
    code: VerdictCode, frame: str = "val/a/a", width: int = 10, predicted: str = "car"
) -> Verdict:
    return Verdict(
        reviewer="Ada",
        frame=frame,
        annotation="",
        region=Region.of(np.ones((10, width), np.bool_)),
        truth="road",
        predicted=predicted,
        verdict=code,
    )


def judged(*verdicts: Verdict) -> dict[int, bool]:
    places, is_wrong = outcomes(FRAMES, BOXES, SEEN, verdicts)
    return dict(zip(places.tolist(), is_wrong.tolist(), strict=True))


def test_a_verdict_is_about_the_region_of_its_frame_box_and_class() -> None:
    assert judged(verdict("wrong_label")) == {0: True}
    assert judged(verdict("wrong_label", predicted="truck")) == {1: True}
    assert judged(verdict("network_wrong", frame="val/a/b")) == {2: False}
    assert judged(verdict("not_worth_it", width=12, predicted="")) == {1: False}


def test_verdicts_on_other_regions_and_unclear_ones_say_nothing() -> None:
    assert judged(verdict("unclear"), verdict("wrong_label", width=3)) == {}
    assert judged(verdict("wrong_label", frame="val/a/c")) == {}
    assert judged() == {}


def test_the_last_verdict_on_a_region_counts() -> None:
    assert judged(verdict("wrong_label"), verdict("network_wrong")) == {0: False}


EVEN = np.full(200, 0.5)


def test_regions_like_those_with_wrong_labels_become_likely() -> None:
    features = np.zeros((200, 2))
    features[:, 1] = np.arange(200) % 2
    places = np.arange(40)
    found = probabilities(features, EVEN, places, features[places, 1] > 0)
    assert found is not None
    assert found[41] > 0.7
    assert found[40] < 0.3


def test_what_verdicts_say_nothing_of_keeps_the_order_that_it_has_without_them() -> None:
    """Verdicts are on a tenth that is alike; of the rest the belief decides."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(2000, 2))
    belief = 1 / (1 + np.exp(-4 * features[:, 0]))
    places = np.argsort(-belief)[:40]
    found = probabilities(features, belief, places, np.arange(40) % 4 > 0)
    assert found is not None
    assert np.corrcoef(found, belief)[0, 1] > 0.9


def test_few_verdicts_or_those_of_one_outcome_teach_nothing() -> None:
    features = np.random.default_rng(0).normal(size=(100, 3))
    few = np.arange(20)
    assert probabilities(features, EVEN[:100], few, few % 2 == 0) is None
    many = np.arange(60)
    assert probabilities(features, EVEN[:100], many, many < 60) is None
    assert probabilities(features, EVEN[:100], many, many < 5) is None
    assert probabilities(features, EVEN[:100], many[:0], many[:0] > 0) is None


def test_without_scikit_learn_nothing_is_learned_and_a_message_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    places = np.arange(40)
    assert probabilities(np.zeros((40, 2)), EVEN[:40], places, places % 2 == 0) is None
    assert "install cityseg[review]" in caplog.text

"""Evidence of corrupted frames is compared with that of the same frames as they are."""

from pathlib import Path

import numpy as np
import pytest
import tiny_runs

from cityseg.corruption import Corruption
from cityseg.errors import ScoreError
from cityseg.evaluation import (
    corrupted_evidence,
    find_evidence,
    frame_confusions,
    load_evidence,
    robustness_of,
)
from cityseg.evaluation.evidence import collect_evidence
from cityseg.evaluation.evidence_files import Evidence
from cityseg.runs import RunDir


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    data = tiny_runs.make_city(tmp_path_factory.mktemp("worse") / "city", 4, 3)
    return tiny_runs.trained(data, epochs=1)


def collected(run: RunDir, **options: object) -> Evidence:
    data = run.config().data
    return collect_evidence(run.path, data, run.evidence, device="cpu", **options)


def test_only_what_is_of_the_same_frames_and_options_is_compared(run: RunDir) -> None:
    clean, flipped = collected(run), collected(run, flip=True)
    fog, rain = Corruption("fog", 4), Corruption("rain", 2)
    worse = {each: collected(run, corruption=each) for each in (rain, fog)}
    other = collected(run, corruption=fog, flip=True)
    assert {path for path, _ in find_evidence(run.evidence, "val")} == {
        clean.folder,
        flipped.folder,
    }
    found = corrupted_evidence(run.evidence, clean.about)
    assert list(found.items()) == [(fog, worse[fog].folder), (rain, worse[rain].folder)]
    assert corrupted_evidence(run.evidence, flipped.about) == {fog: other.folder}
    with pytest.raises(ScoreError, match="is of other frames, weights or options"):
        robustness_of(clean, {fog: frame_confusions(other)})
    chosen = np.array([2, 0])
    result = robustness_of(
        clean, {each: frame_confusions(load_evidence(path)) for each, path in found.items()}, chosen
    )
    assert result.clean[-1] == clean.scores(chosen).mean_iou
    assert result.corrupted[fog][-1] == worse[fog].scores(chosen).mean_iou
    with pytest.raises(ScoreError, match="no frame in common"):
        robustness_of(clean, {fog: frame_confusions(worse[fog])}, np.array([], int))


def test_an_unknown_corruption_of_a_newer_version_is_passed_over(run: RunDir) -> None:
    clean = collected(run)
    about = clean.about.model_copy(update={"corruption": "snow:3", "key": "0" * 32})
    folder: Path = run.evidence / "val-000000000000"
    folder.mkdir()
    about.write(folder)
    assert folder not in corrupted_evidence(run.evidence, clean.about).values()

"""The official Cityscapes evaluator as the oracle of our own scores.

    python tests/support/official_evaluator.py < cases.json > results.json

A case is `{"predictions": [path, …], "ground_truths": [path, …]}`, in pairs, with
`*_instanceIds.png` beside each `*_labelIds.png`. Its result is the evaluator's own dictionary,
written as JSON with NaN. A process of its own, because the evaluator needs `numpy.in1d`, which
NumPy 2.4 removed; tests call `results_of`, which starts that process once for many cases.
"""

import importlib
import json
import math
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

Case = dict[str, list[str]]


def load() -> Any:
    """Import the evaluator's module, after giving NumPy back what it needs."""
    if not hasattr(np, "in1d"):
        vars(np)["in1d"] = _in1d
    return importlib.import_module("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")


def _in1d(values: Any, test_values: Any, invert: bool = False) -> Any:
    return np.isin(values, test_values, invert=invert).ravel()


def results_of(cases: Sequence[Case]) -> list[dict[str, Any]]:
    """Evaluate the cases in one process of this file."""
    process = subprocess.run(
        [sys.executable, __file__], input=json.dumps(cases), capture_output=True, text=True
    )
    assert process.returncode == 0, process.stdout + process.stderr
    results: list[dict[str, Any]] = json.loads(process.stdout)
    return results


def assert_same(scores: Any, official: dict[str, Any]) -> None:
    """Assert that a `Scores` has every number of the evaluator's result, NaN where it has NaN."""
    assert scores.confusion.tolist() == official["confMatrix"]
    for ours, theirs in (
        (scores.class_iou, official["classScores"]),
        (scores.instance_iou, official["classInstScores"]),
        (scores.category_iou, official["categoryScores"]),
        (scores.category_instance_iou, official["categoryInstScores"]),
    ):
        assert ours.keys() <= theirs.keys()
        # What we leave out, the ignored labels and void, is NaN there.
        complete = dict.fromkeys(theirs, math.nan) | ours
        assert complete == pytest.approx(theirs, rel=0, abs=1e-9, nan_ok=True)
    means = {
        "averageScoreClasses": scores.mean_iou,
        "averageScoreInstClasses": scores.mean_instance_iou,
        "averageScoreCategories": scores.mean_category_iou,
        "averageScoreInstCategories": scores.mean_category_instance_iou,
    }
    theirs = {name: official[name] for name in means}
    assert means == pytest.approx(theirs, rel=0, abs=1e-9, nan_ok=True)


def _main() -> None:
    evaluator = load()
    evaluator.args.quiet = True
    evaluator.args.JSONOutput = False
    results = [
        evaluator.evaluateImgLists(case["predictions"], case["ground_truths"], evaluator.args)
        for case in json.load(sys.stdin)
    ]
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    _main()

"""Predictions in shards: several processes predict pictures, and one sees that none is missing.

A shard writes the files of its pictures where a whole prediction does, so nothing is put together:
the merge checks that all are there, and removes the journals.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cityseg.data import Shard, ShardFolder, work_of_shards, work_on_shard
from cityseg.errors import DatasetError, Skipped
from cityseg.prediction.files import (
    PicturePredictor,
    PredictionReport,
    output_paths,
    plan_names,
    predicted_files,
)
from cityseg.system import ProgressCallback, remove_unfinished


def predict_shard(
    predictor: PicturePredictor,
    images: Sequence[Path],
    out: Path,
    shard: Shard,
    identity: Mapping[str, Any],
    *,
    progress: ProgressCallback | None = None,
    **options: Any,
) -> PredictionReport:
    """Predict those of `images` that are the shard's, as `predict_all` does with `options`.

    `identity` (JSON) has what the predictions depend on: the network, and how it predicts. After an
    interruption the same shard keeps its finished pictures. Raises DatasetError while another
    process works on the shard.
    """
    names = plan_names(images, out)
    own = shard.share(list(names), str)

    def predict(missing: list[Path]) -> Iterator[list[str] | None]:
        chosen = {path: names[path] for path in missing}
        for result in predicted_files(predictor, chosen, out, **options):
            yield [result.reason, result.detail] if isinstance(result, Skipped) else None

    results = work_on_shard(
        _shards_of(names, out, identity),
        shard,
        list(names),
        predict,
        sources=lambda path: [path],
        is_whole=lambda path: _is_written(out, names[path]),
        progress=progress,
    )
    return _report(own, names, out, results)


def merge_predictions(
    images: Sequence[Path], out: Path, identity: Mapping[str, Any]
) -> PredictionReport:
    """Check that the shards have predicted all `images`, and forget the shards.

    Raises DatasetError if a shard is missing or at work, or a file is gone, and OSError.
    """
    names = plan_names(images, out)
    shards = _shards_of(names, out, identity)
    report = _report(names, names, out, work_of_shards(shards, map(str, names)))
    for path in report.written:
        if not _is_written(out, names[path]):
            raise DatasetError(
                f"A prediction of {path} in {out} is gone: run the shards again, which predict it"
            )
    remove_unfinished(path for paths in report.written.values() for path in paths)
    shards.remove()
    return report


def _shards_of(names: Mapping[Path, str], out: Path, identity: Mapping[str, Any]) -> ShardFolder:
    pictures = [[str(path.absolute()), name] for path, name in names.items()]
    return ShardFolder.of(out, "predict", {**identity, "pictures": pictures})


def _is_written(out: Path, name: str) -> bool:
    # A file without content is one that a power cut has emptied.
    return all(path.is_file() and path.stat().st_size for path in output_paths(out, name))


def _report(
    paths: Iterable[Path],
    names: Mapping[Path, str],
    out: Path,
    results: Iterable[list[str] | None],
) -> PredictionReport:
    report = PredictionReport()
    for path, skipped in zip(paths, results, strict=True):
        if skipped:
            report.skipped[path] = Skipped(*skipped)
        else:
            report.written[path] = output_paths(out, names[path])
    return report

"""What the card of a network is written from: its weights, its run, scores and evidence, read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cityseg.config import TrainConfig
from cityseg.data import SPLITS
from cityseg.defaults import default_runs
from cityseg.evaluation import (
    Evidence,
    SavedEvaluation,
    find_evidence,
    load_evaluation,
    load_evidence,
)
from cityseg.runs import (
    BOX_TITLE,
    BoxRun,
    CardNotes,
    MetricRow,
    RunDir,
    Seen,
    box_card,
    epoch_rows,
    find_weights,
    is_box,
    read_about,
    read_card_notes,
    read_config,
    read_metadata,
    read_notes,
    read_scores,
    read_seen,
    read_summary,
)
from cityseg.system import file_digest


@dataclass(frozen=True, eq=False)
class CardFacts:
    """All that is known of the network in the file `weights`, which was kept after `epoch`.

    `run` is where it was trained, or the box; a weights file alone has none. `left_out` are
    sentences on results of other weights than these.
    """

    weights: Path
    run: RunDir | None
    title: str
    config: TrainConfig
    epoch: int
    digest: str
    scores: dict[str, Any]
    rows: Sequence[MetricRow] = ()
    summary: dict[str, Any] = field(default_factory=dict)
    seen: Seen | None = None
    evaluations: Sequence[SavedEvaluation] = ()
    evidence: Sequence[Evidence] = ()
    left_out: Sequence[str] = ()
    box_notes: CardNotes | None = None

    @property
    def is_box(self) -> bool:
        """Whether it is the network that ships with cityseg."""
        return self.box_notes is not None


def read_card_facts(network: Path, evidence: Path) -> CardFacts:
    """Read what is known of `network`, a run's folder or a weights file.

    `evidence` is the folder with its folders of evidence; it need not exist. Raises CheckpointError
    without usable weights, and RunError, ConfigError or ScoreError if a file of the run is damaged.
    """
    weights = find_weights(network)
    ships = is_box(weights)
    run: RunDir | None = BoxRun.below(default_runs()) if ships else None
    if network.is_dir():
        run = RunDir.open(network)
    about = read_about(weights)
    left_out: list[str] = []
    evaluations = _evaluations(run, about.epoch, left_out) if run else []
    of_weights = _evidence(evidence, file_digest(weights), left_out)
    is_trained = run is not None and not ships
    return CardFacts(
        weights=weights,
        run=run,
        title=BOX_TITLE if ships else _title(run, weights),
        config=read_config(weights),
        epoch=about.epoch,
        digest=read_metadata(weights).get("digest", ""),
        scores=read_scores(weights),
        rows=epoch_rows(run.metrics()) if run and is_trained else (),
        summary=read_summary(run.summary_file) if run and is_trained else {},
        seen=read_seen(run) if run and is_trained else None,
        evaluations=evaluations,
        evidence=of_weights,
        left_out=left_out,
        box_notes=read_card_notes(box_card()) if ships else None,
    )


def _title(run: RunDir | None, weights: Path) -> str:
    """What people call the network."""
    if run is None:
        return weights.stem
    return read_notes(run).name or run.config().title or run.id


def _evaluations(run: RunDir, epoch: int, left_out: list[str]) -> list[SavedEvaluation]:
    """The evaluations of the weights of `epoch`; a sentence for each other goes to `left_out`."""
    found = []
    for split in SPLITS:
        evaluation = load_evaluation(run, split)
        if evaluation and evaluation.epoch == epoch:
            found.append(evaluation)
        elif evaluation:
            left_out.append(
                f"The evaluation on {split} is left out: it is of the weights of epoch "
                f"{evaluation.epoch}."
            )
    return found


def _evidence(folder: Path, digest: str, left_out: list[str]) -> list[Evidence]:
    """For each split the newest evidence of the weights with this digest.

    Where there is only other evidence, a sentence on it goes to `left_out`.
    """
    found = []
    for split in SPLITS:
        there = find_evidence(folder, split)
        usable = [path for path, about in there if about.is_done and about.weights == digest]
        if usable:
            found.append(load_evidence(usable[0]))
        elif there:
            left_out.append(
                f"The evidence on {split} is left out: it is unfinished or of other weights."
            )
    return found

"""The view Robustness: what is left of the IoU when the pictures are made worse."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cityseg.corruption import ALL, CORRUPTIONS, Corruption
from cityseg.evaluation import (
    FrameConfusions,
    corrupted_evidence,
    frame_confusions,
    load_evidence,
    robustness_of,
)
from cityseg.metrics import LEAST_CLEAN_IOU, ROBUSTNESS_ROWS, Robustness
from cityseg.runs import BOX, BoxRun
from cityseg.ui import cached, charts
from cityseg.ui.formatting import percent
from cityseg.ui.glossary import TERMS, explain
from cityseg.ui.results.chosen_runs import Comparison
from cityseg.ui.results.evidence_runs import RunEvidence, choose, choose_run
from cityseg.ui.text import cell, plain, words

#: In the glossary.
_MPC: Final = "Performance under corruption"
_RPC: Final = "Relative performance under corruption"
_COMMAND: Final = ("python", "-m", "cityseg", "evidence")


class _Corrupted(NamedTuple):
    """A run with evidence of corruptions, in these folders."""

    run: RunEvidence
    folders: Mapping[Corruption, Path]


def show_robustness(comparison: Comparison, controls: DeltaGenerator) -> None:
    """IoUs under corruptions beside those of the frames as they are, for all runs and by class."""
    shown = choose(comparison, controls)
    found = [_Corrupted(each, _folders(each)) for each in shown]
    found = [each for each in found if each.folders]
    if not found:
        if shown:
            _show_how_to_collect(shown[0])
        return
    found = _in_common(found)
    results = {each.run.run.run.id: _robustness(each) for each in found}
    _show_overall(found, results)
    chosen = choose_run([each.run for each in found], controls).run.run.id
    _show_classes(results[chosen])
    _show_severities(results[chosen])


def _show_how_to_collect(each: RunEvidence) -> None:
    st.info(
        "This view needs evidence of corruptions of these frames. This command collects it, for "
        "each corruption at severity 3:",
        icon=":material/info:",
    )
    run, about = each.run.run, each.evidence.about
    network = BOX if isinstance(run, BoxRun) else str(run.path)
    command = [*_COMMAND, network, "--data", about.data, "--split", about.split]
    text = shlex.join([*command, "--corrupt", f"{ALL}:3"])
    st.code(text, language=None, wrap_lines=True)


def _folders(each: RunEvidence) -> Mapping[Corruption, Path]:
    return corrupted_evidence(each.evidence.folder.parent, each.evidence.about)


def _in_common(found: Sequence[_Corrupted]) -> list[_Corrupted]:
    """The runs with the corruptions that all have; the first with its own if there are none."""
    common = [each for each in found[0].folders if all(each in other.folders for other in found)]
    if not common:
        name = plain(found[0].run.run.name)
        st.warning(
            f"These runs have no evidence of the same corruptions: only {name} is shown.",
            icon=":material/balance:",
        )
        return [found[0]]
    if any(len(each.folders) > len(common) for each in found):
        st.warning(
            f"Only the corruptions that all runs have are compared: {', '.join(map(str, common))}.",
            icon=":material/balance:",
        )
    return [_Corrupted(run, {each: of[each] for each in common}) for run, of in found]


def _robustness(each: _Corrupted) -> Robustness:
    confusions = {corruption: _confusions_in(path) for corruption, path in each.folders.items()}
    return robustness_of(each.run.evidence, confusions, each.run.frames)


def _confusions_in(folder: Path) -> FrameConfusions:
    return _confusions(folder, cached.stamp(folder / "evidence.json"))


@st.cache_resource(max_entries=128, show_spinner="Reading evidence …")
def _confusions(folder: Path, files: cached.Stamps) -> FrameConfusions:
    return frame_confusions(load_evidence(folder))


def _show_overall(found: Sequence[_Corrupted], results: Mapping[str, Robustness]) -> None:
    mean = ROBUSTNESS_ROWS.index("mean")
    rows = [results[each.run.run.run.id] for each in found]
    table = pd.DataFrame(
        {
            "Run": [cell(each.run.run.name) for each in found],
            "Clean": [percent(row.clean[mean]) for row in rows],
            "mPC": [percent(row.mpc[mean]) for row in rows],
            "rPC": [percent(row.rpc[mean]) for row in rows],
        }
    )
    columns: dict[str, Any] = {
        "Clean": st.column_config.TextColumn(help=TERMS["Mean IoU"], alignment="right"),
        "mPC": st.column_config.TextColumn(help=TERMS[_MPC], alignment="right"),
        "rPC": st.column_config.TextColumn(help=TERMS[_RPC], alignment="right"),
    }
    st.dataframe(table, hide_index=True, column_config=columns, width="content", alt="mPC and rPC")
    severities = sorted({each.severity for each in found[0].folders})
    st.caption(
        f"Mean IoU over {len(rows[0].by_corruption)} corruptions, severity "
        f"{words(', '.join(map(str, severities)))}.",
        help=explain("Corruption", _MPC, _RPC),
    )


def _show_classes(result: Robustness) -> None:
    columns = {"Clean": result.clean, "mPC": result.mpc, "rPC": result.rpc}
    columns |= {CORRUPTIONS[name]: iou for name, iou in result.by_corruption.items()}
    table = pd.DataFrame({"Class": [*ROBUSTNESS_ROWS[:-1], "Mean"], **columns})
    st.dataframe(
        table.style.format(dict.fromkeys(columns, percent)),
        hide_index=True,
        placeholder="–",
        height=35 * (len(table) + 1) + 3,
        alt="IoU of each class under each corruption",
    )
    st.caption(
        f"A class has no rPC where its clean IoU is below {LEAST_CLEAN_IOU:.0%}: a few pixels "
        "would decide it. The mean has the IoU of all classes."
    )


def _show_severities(result: Robustness) -> None:
    """Curves of the mean IoU, where a corruption has several severities."""
    mean = ROBUSTNESS_ROWS.index("mean")
    curves = []
    for position, name in enumerate(result.by_corruption):
        found = {0: float(result.clean[mean])} | {
            each.severity: float(iou[mean])
            for each, iou in result.corrupted.items()
            if each.name == name
        }
        curves.append(charts.Curve(CORRUPTIONS[name], list(found), list(found.values()), position))
    if any(len(curve.x) > 2 for curve in curves):
        figure = charts.line_chart(curves, y_title="Mean IoU", percent=True, x_title="Severity")
        alt = "Mean IoU over the severities of each corruption"
        st.plotly_chart(figure, config=charts.CONFIG, key="severities", alt=alt)

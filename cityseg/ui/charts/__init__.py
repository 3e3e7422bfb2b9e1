"""Plotly figures: scores in, figures out."""

from cityseg.ui.charts.cities import city_bars
from cityseg.ui.charts.confidence import (
    ReliabilityCurve,
    RiskCurve,
    reliability_diagram,
    risk_coverage_chart,
)
from cityseg.ui.charts.confusion import IGNORED, confusion_matrix
from cityseg.ui.charts.curves import Curve, line_chart
from cityseg.ui.charts.error_kinds import Errors, error_bars
from cityseg.ui.charts.frame_scatter import Axis, FramePoints, frame_scatter
from cityseg.ui.charts.frequencies import MEASURES, class_frequencies
from cityseg.ui.charts.iou import Series, iou_bars
from cityseg.ui.charts.learning import (
    PANES_ASPECT,
    LearningPanes,
    learning_curves,
    learning_panes,
)
from cityseg.ui.charts.shares import share_bars
from cityseg.ui.charts.style import CONFIG, RUN_COLORS

__all__ = [
    "CONFIG",
    "IGNORED",
    "MEASURES",
    "PANES_ASPECT",
    "RUN_COLORS",
    "Axis",
    "Curve",
    "Errors",
    "FramePoints",
    "LearningPanes",
    "ReliabilityCurve",
    "RiskCurve",
    "Series",
    "city_bars",
    "class_frequencies",
    "confusion_matrix",
    "error_bars",
    "frame_scatter",
    "iou_bars",
    "learning_curves",
    "learning_panes",
    "line_chart",
    "reliability_diagram",
    "risk_coverage_chart",
    "share_bars",
]

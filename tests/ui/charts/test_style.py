"""What all figures share: colours of classes, and text that stays text."""

from cityseg.labels import CLASS_NAMES, LABEL_OF_NAME
from cityseg.metrics.scores import EVALUATED_CATEGORIES
from cityseg.ui.charts.style import RUN_COLORS, class_colors, escape, run_color


def test_classes_have_the_colours_of_the_label_table() -> None:
    assert class_colors(["car"]) == ["rgb({},{},{})".format(*LABEL_OF_NAME["car"].color)]
    assert len(class_colors(CLASS_NAMES)) == 19


def test_categories_have_no_colour_although_one_is_called_like_a_class() -> None:
    assert "sky" in EVALUATED_CATEGORIES
    assert class_colors(EVALUATED_CATEGORIES) == []


def test_runs_beyond_the_last_colour_begin_again_with_the_first() -> None:
    assert run_color(len(RUN_COLORS)) == run_color(0) == RUN_COLORS[0]


def test_text_for_a_figure_has_no_markup_placeholder_or_formula() -> None:
    assert escape('<img onerror="alert(1)"> %{x} $x^2$\n') == (
        '&lt;img onerror="alert(1)"&gt; &#37;{x} &#36;x^2&#36; '
    )

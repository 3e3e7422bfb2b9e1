"""The card of a network: what is known is in it, what is missing is said, nothing else is shown.

Also tests: export/card_facts, export/card_sections.
"""

import shutil
from pathlib import Path
from typing import Any

import boxes
import pytest
import tiny_runs
import yaml
from huggingface_hub import ModelCard

from cityseg import __version__
from cityseg.cli.main import main
from cityseg.evaluation import load_evaluation
from cityseg.export.card import write_card
from cityseg.models import model_of
from cityseg.runs import RunDir, read_metadata, write_notes
from cityseg.runs.checkpoints import load_weights, save_weights

TITLE = "<b>Mine</b> | *x*: \"y\" 'z' # — 😀"

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """A run with an evaluation and evidence."""
    data = tiny_runs.make_city(tmp_path_factory.mktemp("card") / "city", 4, 2)
    run = tiny_runs.trained(data, title=TITLE)
    for command in ("evaluate", "evidence"):
        assert main([command, str(run.path), "--device", "cpu"]) == 0
    return run


def card_of(network: Path, out: Path, **options: bool) -> str:
    write_card(network, out, network / "evidence", **options)
    return out.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def markdown(run: RunDir, tmp_path_factory: pytest.TempPathFactory) -> str:
    return card_of(run.path, tmp_path_factory.mktemp("cards") / "card.md")


@pytest.fixture(scope="module")
def page(run: RunDir, tmp_path_factory: pytest.TempPathFactory) -> str:
    return card_of(run.path, tmp_path_factory.mktemp("cards") / "card.html")


def section(text: str, title: str) -> str:
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def front_matter(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return found


def test_the_front_matter_has_the_scores(run: RunDir, markdown: str) -> None:
    (model,) = front_matter(markdown)["model-index"]
    assert model["name"] == TITLE
    validated, evaluated = model["results"]
    evaluation = load_evaluation(run, "val")
    assert evaluation
    assert evaluated["dataset"] == {"type": "street-scenes", "name": "city", "split": "val"}
    values = {each["type"]: each["value"] for each in evaluated["metrics"]}
    assert values == {
        "mean_iou": evaluation.scores.mean_iou,
        "pixel_accuracy": evaluation.scores.pixel_accuracy,
    }
    assert validated["metrics"][0]["value"] == max(
        row["mean_iou"] for row in tiny_runs.epoch_rows(run)
    )


def test_hugging_face_reads_the_metadata(markdown: str) -> None:
    about = ModelCard(markdown).data
    assert (about.library_name, about.pipeline_tag) == ("cityseg", "image-segmentation")
    assert about.metrics == ["mean_iou", "pixel_accuracy"]
    assert {each.metric_type for each in about.eval_results} == set(about.metrics)


def test_the_card_has_what_the_run_knows(run: RunDir, markdown: str) -> None:
    assert "Frames: 4 of train, 2 of val." in section(markdown, "Data")
    assert "--width 2" in section(markdown, "Recipe")
    assert section(markdown, "Training curves").count("data:image/svg+xml;base64,") == 2
    environment = section(markdown, "Environment")
    assert "| CPU |" in environment
    assert f"| cityseg | {__version__} |" in environment
    assert read_metadata(run.best)["digest"] in markdown
    scores = section(markdown, "Scores")
    assert "| Validation in training | Evaluation on val of city, 2 frames |" in scores
    assert "| bus | – | – |" in scores
    assert "Classes without a score: " in section(markdown, "Limits")


def test_evidence_gives_intervals_calibration_and_worst_frames(markdown: str) -> None:
    evidence = section(markdown, "Evidence on val of city")
    assert "| Mean IoU | 0." in evidence
    assert "| Calibration error (ECE) | 0." in evidence
    assert "| road | 0." in evidence
    assert "| bus | – | – | – | – |" in evidence
    assert "data:image/svg+xml;base64," in evidence
    worst = evidence.partition("### Worst frames")[2]
    assert worst.count("val/tiny/tiny\\_000000\\_00000") == 2


def test_nothing_of_the_dataset_or_the_machine_is_in_it(run: RunDir, markdown: str) -> None:
    assert str(run.path.parent.parent) not in markdown
    assert markdown.count("data:image/webp;base64,") == 1  # the sample city


def test_pictures_of_the_dataset_come_when_asked_for(run: RunDir, tmp_path: Path) -> None:
    text = card_of(run.path, tmp_path / "card.md", with_frames=True)
    assert text.count("data:image/webp;base64,") == 1 + 2
    assert "tiny\\_000000\\_000001: frame, truth and prediction" in text


def test_the_page_needs_nothing_else_and_shows_names_as_text(page: str) -> None:
    assert "<h1>&lt;b&gt;Mine&lt;/b&gt;" in page
    assert "<b>" not in page
    assert page.count("<svg ") == 3
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")
    assert "&quot;model-index" not in page  # a key is plain
    assert "model-index: [" in page


def test_what_is_missing_is_said(run: RunDir, tmp_path: Path) -> None:
    weights = Path(shutil.copy(run.best, tmp_path / "mine.safetensors"))
    text = card_of(weights, tmp_path / "card.md")
    assert "\n# mine\n" in text
    assert "The frames were not recorded." in text
    assert "There are no curves" in text
    assert "There is no evidence of these weights" in text
    assert "cityseg does not know the licence" in text
    assert "| Trained on | Not recorded |" in text
    assert front_matter(text)["license"] == "unknown"


def test_a_network_without_scores_has_none(tmp_path: Path) -> None:
    weights = boxes.stand_in(tmp_path)
    scoreless = tmp_path / "scoreless.safetensors"
    config = load_weights(weights).config
    save_weights(scoreless, model_of(config), config, 1, {})
    text = card_of(scoreless, tmp_path / "card.md")
    assert "This network has no scores" in text
    assert front_matter(text)["model-index"][0]["results"] == []


def test_results_of_other_weights_are_left_out(run: RunDir, tmp_path: Path) -> None:
    other = RunDir(Path(shutil.copytree(run.path, tmp_path / "other")))
    kept = load_weights(other.best)
    save_weights(other.best, model_of(kept.config), kept.config, kept.epoch + 5, {"mean_iou": 0.5})
    text = card_of(other.path, tmp_path / "card.md")
    assert f"The evaluation on val is left out: it is of the weights of epoch {kept.epoch}." in text
    assert "The evidence on val is left out" in text
    assert "## Evidence on" not in text


def test_the_name_that_a_person_gave_is_the_title(run: RunDir, tmp_path: Path) -> None:
    named = RunDir(Path(shutil.copytree(run.path, tmp_path / "named")))
    write_notes(named, "Renamed", "", [])
    assert "\n# Renamed\n" in card_of(named.path, tmp_path / "card.md")


def test_the_box_states_its_licence_and_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    boxes.fill_box(tmp_path / "box", monkeypatch)
    out = tmp_path / "new" / "card.md"
    assert main(["export", "box", "--to", "card", "--out", str(out)]) == 0
    assert f"{out}: " in capsys.readouterr().out
    text = out.read_text()
    assert "Some frames" in section(text, "Data")
    assert "Many." in section(text, "Limits")
    assert "for non-commercial use only" in section(text, "Licence")
    assert front_matter(text)["license_name"] == "for-non-commercial-use-only"
    assert front_matter(text)["license_link"] == "https://www.cityscapes-dataset.com/license/"


def test_a_network_from_the_box_has_its_licence(tmp_path: Path) -> None:
    weights = boxes.stand_in(tmp_path, start_from="box")
    text = card_of(weights, tmp_path / "card.md")
    assert "whose weights are for non-commercial use only" in section(text, "Licence")
    assert front_matter(text)["license"] == "other"


def test_the_command_writes_beside_the_network(run: RunDir, capsys: Capture) -> None:
    assert main(["export", str(run.path), "--to", "card"]) == 0
    assert (run.path / "card.md").read_text().startswith("---\nlicense: ")


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        (["--out", "card.pdf"], "card.pdf is neither a .md nor a .html file"),
        (["--size", "32x64"], "--size goes with --to onnx or submission, and not with card"),
        (["--flip"], "--flip goes with --to submission, and not with card"),
    ],
)
def test_impossible_wishes_are_refused(
    options: list[str], refusal: str, run: RunDir, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(run.path), "--to", "card", *options]) == 1
    assert refusal in capfd.readouterr().err


def test_pictures_that_there_are_not_are_refused(
    run: RunDir, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "card.md"
    assert main(["export", str(run.best), "--to", "card", "--pictures", "--out", str(out)]) == 1
    assert "best has kept no pictures of its frames: leave out --pictures" in capfd.readouterr().err
    assert not out.exists()

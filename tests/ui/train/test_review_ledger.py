"""The ledgers that the form of a new run offers."""

from pathlib import Path

import city

from cityseg.review import ledger_file
from cityseg.ui.folders import Folders
from cityseg.ui.train.review_ledger import ledgers


def test_the_ledger_of_the_dataset_is_offered_once_there_is_one(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "data", tmp_path / "runs")
    other = tmp_path / "other"
    city.write(ledger_file(other, folders.runs))
    assert ledgers(folders, "") == {"": "None"}
    own = str(tmp_path / "reviews" / "other.jsonl")
    assert ledgers(folders, str(other)) == {"": "None", own: "That of the dataset"}

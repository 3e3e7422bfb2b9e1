"""The label table equals the official one, and its lookups agree with it."""

import cityscapesscripts.helpers.labels as official
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityseg import labels
from cityseg.labels import IGNORE, LABELS

OFFICIAL_FIELDS = {
    "name": "name",
    "id": "id",
    "train_id": "trainId",
    "category": "category",
    "category_id": "categoryId",
    "has_instances": "hasInstances",
    "ignore_in_eval": "ignoreInEval",
    "color": "color",
}
#: train id -> official label, for the 19 that are trained and evaluated.
EVALUATED = {label.trainId: label for label in official.labels if not label.ignoreInEval}


def test_every_field_of_a_label_is_compared_below():
    assert tuple(OFFICIAL_FIELDS) == labels.Label._fields


@pytest.mark.parametrize("field", OFFICIAL_FIELDS)
def test_a_field_of_all_labels_equals_the_official_table(field):
    ours = [getattr(label, field) for label in LABELS]
    assert ours == [getattr(label, OFFICIAL_FIELDS[field]) for label in official.labels]


def test_the_counts_are_35_labels_34_ids_19_classes():
    assert (len(LABELS), labels.NUM_LABEL_IDS, labels.NUM_CLASSES) == (35, 34, 19)


def test_labels_are_found_by_name():
    assert {name: label.id for name, label in labels.LABEL_OF_NAME.items()} == {
        name: label.id for name, label in official.name2label.items()
    }


def test_labels_are_found_by_id():
    assert {id_: label.name for id_, label in labels.LABEL_OF_ID.items()} == {
        id_: label.name for id_, label in official.id2label.items()
    }


def test_map_labels_are_indexed_by_label_id():
    assert [label.name for label in labels.MAP_LABELS] == [
        official.id2label[label_id].name for label_id in range(34)
    ]


def test_train_labels_are_indexed_by_train_id():
    assert [label.name for label in labels.TRAIN_LABELS] == [
        official.trainId2label[train_id].name for train_id in range(19)
    ]


def test_class_names_are_in_train_id_order():
    assert list(labels.CLASS_NAMES) == [EVALUATED[train_id].name for train_id in range(19)]


def test_categories_are_in_category_id_order():
    by_id = {label.categoryId: label.category for label in official.labels}
    assert list(labels.CATEGORIES) == [by_id[category_id] for category_id in range(len(by_id))]


def test_every_byte_maps_to_the_official_train_id_or_to_ignore():
    expected = [
        official.id2label[value].trainId if value in official.id2label else IGNORE
        for value in range(256)
    ]
    assert labels.TRAIN_ID_OF_LABEL_ID.tolist() == expected


def test_every_byte_maps_to_the_official_label_id_or_to_unlabeled():
    expected = [EVALUATED[value].id if value in EVALUATED else 0 for value in range(256)]
    assert labels.LABEL_ID_OF_TRAIN_ID.tolist() == expected


@given(st.integers(0, 18))
def test_a_train_id_survives_the_way_to_its_label_id_and_back(train_id):
    label_id = labels.LABEL_ID_OF_TRAIN_ID[train_id]
    assert labels.TRAIN_ID_OF_LABEL_ID[label_id] == train_id


@given(st.sampled_from([label.id for label in EVALUATED.values()]))
def test_an_evaluated_label_id_survives_the_way_to_its_train_id_and_back(label_id):
    train_id = labels.TRAIN_ID_OF_LABEL_ID[label_id]
    assert labels.LABEL_ID_OF_TRAIN_ID[train_id] == label_id


def test_the_train_id_palette_has_the_official_colors_and_black():
    expected = [EVALUATED[value].color if value in EVALUATED else (0, 0, 0) for value in range(256)]
    assert list(map(tuple, labels.TRAIN_ID_PALETTE.tolist())) == expected


def test_the_label_id_palette_has_the_official_colors_and_black():
    known = official.id2label
    expected = [known[value].color if value in known else (0, 0, 0) for value in range(256)]
    assert list(map(tuple, labels.LABEL_ID_PALETTE.tolist())) == expected


@pytest.mark.parametrize(
    ("name", "label"),
    [("car", "car"), ("cargroup", "car"), ("polegroup", "polegroup"), ("persongroup", "person")],
)
def test_a_group_has_the_label_of_its_members(name, label):
    assert labels.label_of(name) == labels.LABEL_OF_NAME[label]


@pytest.mark.parametrize("name", ["unicorn", "unicorngroup", "group", ""])
def test_an_unknown_name_has_no_label(name):
    assert labels.label_of(name) is None


def test_the_label_ids_of_the_classes_are_in_train_id_order():
    expected = [EVALUATED[train_id].id for train_id in range(labels.NUM_CLASSES)]
    assert labels.LABEL_IDS_OF_CLASSES.tolist() == expected
    assert not labels.LABEL_IDS_OF_CLASSES.flags.writeable


@pytest.mark.parametrize(
    "table",
    ["TRAIN_ID_OF_LABEL_ID", "LABEL_ID_OF_TRAIN_ID", "TRAIN_ID_PALETTE", "LABEL_ID_PALETTE"],
)
def test_a_table_is_uint8_and_refuses_changes(table):
    array = getattr(labels, table)
    assert array.dtype == np.uint8
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1

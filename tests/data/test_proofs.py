"""An instance map or polygons beside an annotation decide what its values are."""

import json

import city
import numpy as np
import pytest
from encoded import WRITTEN, write

from cityseg.data.dataset import find_frames
from cityseg.data.examination import examine
from cityseg.data.masks import convert
from cityseg.errors import DatasetError
from cityseg.labels import TRAIN_ID_OF_LABEL_ID


def test_an_instance_map_beside_settles_it(tmp_path):
    upside_down = city.street()[::-1].copy()
    write(tmp_path, [upside_down], WRITTEN["trainids"])
    instances = city.annotation_path(tmp_path, "ulm_000000_000019", kind="instanceIds.png")
    city.write(instances, city.encode(upside_down.astype(np.uint16)))
    found = examine(find_frames(tmp_path))
    assert found.encoding == "trainids"
    assert found.evidence.startswith("The instance map of train/ulm/ulm_000000_000019 gives")


def test_an_instance_map_in_train_ids_does_not_prove_label_ids(tmp_path):
    train_ids = TRAIN_ID_OF_LABEL_ID[city.street()]
    write(tmp_path, [city.street()], WRITTEN["trainids"])
    things = np.isin(train_ids, range(11, 19))
    instances = np.where(things, train_ids.astype(np.uint16) * 1000, train_ids)
    path = city.annotation_path(tmp_path, "ulm_000000_000019", kind="instanceIds.png")
    city.write(path, city.encode(instances))
    assert examine(find_frames(tmp_path)).encoding == "trainids"


def test_polygons_that_show_other_labels_refuse_the_dataset(tmp_path):
    write(tmp_path, [city.street()], lambda ids: np.roll(np.arange(256), 3)[ids].astype(np.uint8))
    whole = [
        ("sky", [[0, 0], [255, 0], [255, 63], [0, 63]]),
        ("road", [[0, 64], [255, 64], [255, 127]]),
    ]
    objects = [{"label": label, "polygon": points} for label, points in whole]
    polygons = {"imgHeight": 128, "imgWidth": 256, "objects": objects}
    path = city.annotation_path(tmp_path, "ulm_000000_000019", kind="polygons.json")
    city.write(path, json.dumps(polygons).encode())
    with pytest.raises(DatasetError, match="in no encoding do values agree with the polygons of"):
        convert(tmp_path)

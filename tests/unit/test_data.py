"""Where images come from."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image

from learngenes.errors import BadData, InvalidValue
from learngenes.families.vit import Geometry
from learngenes.job import DataOptions
from learngenes.preparation import called
from learngenes.training.augment import TestBatches
from learngenes.training.data import open_images


def png(value, size=(8, 8), mode="L"):
    out = io.BytesIO()
    Image.new(mode, size, value).save(out, "png")
    return out.getvalue()


def parquet(path, rows, *, column="label", names=("cat", "dog")):
    table = pa.table({"image": [{"bytes": b, "path": None} for b, _ in rows], column: [y for _, y in rows]})
    if names:
        features = {"info": {"features": {"label": {"names": list(names), "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(features)})
    pa.parquet.write_table(table, path)


def test_parquet_images_carry_labels_and_class_names(tmp_path):
    parquet(tmp_path / "a.parquet", [(png(9), 0), (png(200), 1)])
    found = open_images("parquet:a.parquet", data=tmp_path)
    assert (len(found), found.classes) == (2, ("cat", "dog"))
    image, label = found[1]
    assert (np.asarray(image).max(), label) == (200, 1)
    parquet(tmp_path / "b.parquet", [(png(9), 0)], names=None)
    (tmp_path / "classes.json").write_text('{"label": ["x", "y"]}')
    assert open_images("parquet:b.parquet", data=tmp_path).classes == ("x", "y")


def test_grey_images_become_colour_and_other_sizes_are_resized(tmp_path):
    parquet(tmp_path / "a.parquet", [(png(9), 0), (png((1, 2, 3), (10, 12), "RGB"), 1)])
    options = DataOptions("parquet:a.parquet", "parquet:a.parquet", augment="light")
    geometry = Geometry(depth=1, width=8, heads=1, patch=4, image=8, classes=2)
    pixels, labels = TestBatches(open_images(options.test, data=tmp_path), options=options, geometry=geometry)[0]
    assert pixels.shape == (2, 3, 8, 8)
    assert pixels[0].unique().tolist() == [9]
    assert pixels[1, :, 0, 0].tolist() == [1, 2, 3]
    assert labels.tolist() == [0, 1]


def test_folders_are_read_one_directory_per_class(tmp_path):
    for name, value in (("b", 5), ("a", 7)):
        (tmp_path / "set" / name).mkdir(parents=True)
        (tmp_path / "set" / name / "x.png").write_bytes(png((value,) * 3, mode="RGB"))
    found = open_images("folder:set", data=tmp_path)
    assert found.classes == ("a", "b")
    assert sorted((int(np.asarray(image).max()), label) for image, label in (found[0], found[1])) == [(5, 1), (7, 0)]
    (tmp_path / "set" / "a" / "x.png").write_bytes(b"no image")
    with pytest.raises(BadData, match=r"x\.png can't be decoded"):
        found[0], found[1]


def test_images_that_cannot_be_read_are_bad_data(tmp_path):
    def read(spec="parquet:a.parquet"):
        found = open_images(spec, data=tmp_path)
        return [found[i] for i in range(len(found))]

    with pytest.raises(BadData, match=r"no file .*a\.parquet; --data says"):
        read()
    (tmp_path / "a.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(BadData, match="not Parquet"):
        read()
    for rows, options, message in (
        ([(png(1), 0)], {"column": "fine_label"}, "no column 'label', only image, fine_label"),
        ([(png(1), 0)], {"names": None}, "names no classes"),
        ([(png(1), 2)], {}, "row 0 has label 2, labels are 0 to 1"),
        ([(b"no image", 0)], {}, "row 0 can't be decoded"),
        ([(None, 0), (png(1), 0)], {}, "row 0 holds no bytes"),
    ):
        parquet(tmp_path / "a.parquet", rows, **options)
        with pytest.raises(BadData, match=message):
            read()
    with pytest.raises(BadData, match=r"no directory .*missing; --data says"):
        read("folder:missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadData, match="no images in one directory per class"):
        read("folder:empty")


def test_a_number_in_brackets_takes_the_first_images_and_no_more_than_there_are(tmp_path):
    parquet(tmp_path / "a.parquet", [(png(9), 0), (png(200), 1), (png(7), 0)])
    found = open_images("parquet:a.parquet[:2]", data=tmp_path)
    assert (len(found), found.classes) == (2, ("cat", "dog"))
    assert [np.asarray(found[i][0]).max() for i in range(2)] == [9, 200]
    assert len(open_images("digits:train[:10]", data=tmp_path)) == 10
    with pytest.raises(BadData, match="has 3 images, fewer than the first 4"):
        open_images("parquet:a.parquet[:4]", data=tmp_path)
    with pytest.raises(InvalidValue, match="come class by class"):
        open_images("folder:set[:4]", data=tmp_path)
    assert called("parquet:cifar100/train.parquet[:50]") == ("cifar100", "train[:50]")

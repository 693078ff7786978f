from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from learngenes import header, tensorfile
from learngenes.errors import BadTensorFile, UnknownName
from learngenes.header import ITEM_BYTES, MAX_FILE_BYTES, MAX_HEADER_BYTES, MAX_TENSORS, Tensor
from learngenes.tensorfile import TensorFile

DTYPES = sorted(ITEM_BYTES)
ONE = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
names = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,6}(\.[A-Za-z0-9_-]{1,6}){0,2}", fullmatch=True)
arrays = hnp.arrays(np.float32, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
networks = st.dictionaries(names, arrays, max_size=5)


class Reader:
    """Gives out a file, and remembers what it was asked for."""

    def __init__(self, raw: bytes) -> None:
        self.raw, self.asked = raw, list[tuple[int, int]]()

    def __call__(self, start: int, stop: int) -> bytes:
        self.asked.append((start, stop))
        return self.raw[start:stop]


def file(header: bytes | dict[str, Any], data: bytes = b"0000", *, claim: int | None = None) -> bytes:
    """A safetensors file of any header at all."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if claim is None else claim).to_bytes(8, "little") + text + data


def entry(**changed: object) -> bytes:
    return file({"a": ONE | changed})


def many(count: int) -> bytes:
    empty = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    return file({f"t{i}": empty for i in range(count)}, b"")


@given(networks, st.sampled_from(DTYPES))
def test_what_is_written_is_read_back_rounded_once(tensors: dict[str, np.ndarray], dtype: str) -> None:
    read = TensorFile(b"".join(tensorfile.write(tensors, dtype)))
    assert list(read.tensors) == sorted(tensors)
    for name, array in tensors.items():
        assert read.array(name).shape == array.shape
        rounded = tensorfile.decode(tensorfile.encode(array, dtype), dtype)
        np.testing.assert_array_equal(read.array(name).reshape(-1), rounded)


@given(networks)
def test_rounding_twice_is_rounding_once(tensors: dict[str, np.ndarray]) -> None:
    for dtype in DTYPES:
        once = TensorFile(b"".join(tensorfile.write(tensors, dtype)))
        assert b"".join(tensorfile.convert(once, dtype)) == bytes(once.view)
        wide = TensorFile(b"".join(tensorfile.convert(once, "F32")))
        assert b"".join(tensorfile.convert(wide, dtype)) == bytes(once.view)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_stock_reader_opens_our_files_and_sees_the_same_values(dtype: str, tmp_path: Path) -> None:
    import safetensors.numpy
    import safetensors.torch

    draw = np.random.default_rng(0)
    tensors = {"a.weight": draw.normal(size=(3, 5)).astype("f4"), "a": draw.normal(size=7).astype("f4")}
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"".join(tensorfile.write(tensors, dtype)))
    ours, theirs = TensorFile.open(path), safetensors.torch.load_file(path)
    assert theirs.keys() == ours.tensors.keys()
    for name in tensors:
        np.testing.assert_array_equal(theirs[name].float().numpy(), ours.array(name))
    if dtype != "BF16":
        assert safetensors.numpy.load(path.read_bytes())["a"].dtype.itemsize == ITEM_BYTES[dtype]


def every_kind_of_float() -> np.ndarray:
    """Each bfloat16 and each float16 with the float32s around it and around the ties above it."""
    halves = np.arange(1 << 16, dtype=np.uint32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # signalling NaNs among them
        float16 = halves.astype(np.uint16).view(np.float16).astype(np.float32).view(np.uint32)
    near_bf16 = [(halves << 16) + np.uint32(low) for low in (0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF)]
    near_f16 = [float16 + np.uint32(low) for low in (0, 1, 0xFFF, 0x1000, 0x1001, 0x1FFF)]
    return np.concatenate(near_bf16 + near_f16).view(np.float32)


def test_bfloat16_is_rounded_as_ml_dtypes_does_down_to_subnormals_and_ties() -> None:
    values = every_kind_of_float()
    ours = np.frombuffer(tensorfile.encode(values, "BF16"), np.uint16)
    number = ~np.isnan(values)
    theirs = values[number].astype(ml_dtypes.bfloat16).view(np.uint16)
    np.testing.assert_array_equal(ours[number], theirs)
    assert np.isnan(tensorfile.decode(tensorfile.encode(values[~number], "BF16"), "BF16")).all()


def test_float16_is_rounded_as_torch_does_down_to_subnormals_and_ties() -> None:
    import torch

    values = every_kind_of_float()
    ours = np.frombuffer(tensorfile.encode(values, "F16"), np.uint16)
    number = ~np.isnan(values)
    theirs = torch.from_numpy(values[number]).to(torch.float16).numpy().view(np.uint16)
    np.testing.assert_array_equal(ours[number], theirs)
    assert np.isnan(tensorfile.decode(tensorfile.encode(values[~number], "F16"), "F16")).all()


def test_reading_a_tensor_copies_nothing_even_at_an_odd_byte() -> None:
    raw = file(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', np.float32(1.5).tobytes())
    read = TensorFile(raw)
    assert read.tensors["a"].start % 4
    assert read.array("a").tolist() == [1.5]
    assert read.raw("a").obj is raw


ATTACKS = {
    "an empty file": b"",
    "seven bytes": b"1234567",
    "a header of no bytes": bytes(8),
    "a header of 2**63 bytes": file(b"{}", claim=1 << 63),
    "a header of one byte more than the limit": file(b"{}", bytes(2_000_000), claim=MAX_HEADER_BYTES + 1),
    "a header beyond the file": file(b"{}", b"", claim=3),
    "no JSON": file(b"{'a':1}"),
    "a header that is a list": file(b"[]", b""),
    "a header that does not begin with a brace": file(b' {"a":' + json.dumps(ONE).encode() + b"}"),
    "a header with a byte order mark": file(b"\xef\xbb\xbf" + json.dumps({"a": ONE}).encode()),
    "a header in UTF-16": file(json.dumps({"a": ONE}).encode("utf-16-le")),
    "bytes that are not UTF-8": file(b'{"\xff":1}'),
    "arrays 100,000 deep": file(b"[" * 100_000),
    "objects 100,000 deep": file(b'{"a":' * 100_000),
    "a number of 5,000 digits": file(b'{"a":' + b"9" * 5_000 + b"}"),
    "NaN": file(b'{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,4]}}'),
    "metadata that is no table": file({"__metadata__": 5, "a": ONE}),
    "metadata that is not text": file({"__metadata__": {"format": ["pt"]}, "a": ONE}),
    "the same key twice": file(b'{"a":%b,"a":%b}' % ((json.dumps(ONE).encode(),) * 2)),
    "the same key twice in a tensor": file(b'{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}'),
    "a name that climbs": file({"../a": ONE}),
    "a name with a slash": file({"a/b": ONE}),
    "a name with NUL": file({"a\0b": ONE}),
    "a name with an empty part": file({"a..b": ONE}),
    "an empty name": file({"": ONE}),
    "a name of 201 letters": file({"a" * 201: ONE}),
    "a tensor that is a list": file({"a": [1]}),
    "a tensor without a shape": file({"a": {"dtype": "F32", "data_offsets": [0, 4]}}),
    "a tensor with a word more": entry(strides=[1]),
    "an unknown dtype": entry(dtype="I64"),
    "a dtype that is a list": entry(dtype=[]),
    "a dtype that is a table": entry(dtype={}),
    "a dtype of 900,000 letters": entry(dtype="F" * 900_000),
    "a negative shape": entry(shape=[-1]),
    "two negative sides": entry(shape=[-1, -1]),
    "a shape of floats": entry(shape=[1.0]),
    "a shape of truth": entry(shape=[True]),
    "a shape that is a word": entry(shape="1"),
    "a huge shape": entry(shape=[1 << 62]),
    "a shape that multiplies to huge": entry(shape=[1 << 40] * 8),
    "a shape of nine sides": entry(shape=[1] * 9),
    "a shape of 300,000 sides": entry(shape=[1] * 300_000),
    "one offset": entry(data_offsets=[0]),
    "offsets that run backwards": entry(data_offsets=[4, 0]),
    "offsets of floats": entry(data_offsets=[0, 4.0]),
    "offsets beyond the file": entry(data_offsets=[4, 8]),
    "a shape that is not the offsets": entry(shape=[2]),
    "tensors on top of each other": file({"a": ONE, "b": ONE}),
    "tensors that overlap": file({"a": ONE, "b": ONE | {"data_offsets": [2, 6]}}, b"000000"),
    "a gap between tensors": file({"a": ONE, "b": ONE | {"data_offsets": [5, 9]}}, b"000000000"),
    "a gap before the first": file({"a": ONE | {"data_offsets": [1, 5]}}, b"00000"),
    "bytes after the last": file({"a": ONE}, b"00000"),
    "too few bytes": file({"a": ONE}, b"000"),
    "10,001 tensors": many(MAX_TENSORS + 1),
    "200,000 tensors": many(200_000),
}


@pytest.mark.parametrize("raw", ATTACKS.values(), ids=ATTACKS)
def test_an_attack_is_refused_in_one_sentence_and_nothing_past_the_limits_is_read(raw: bytes) -> None:
    read = Reader(raw)
    with pytest.raises(BadTensorFile) as error:
        header.read_layout(read, len(raw))
    assert len(str(error.value)) < 400 and "\n" not in str(error.value)
    assert all(stop <= min(len(raw), 8 + MAX_HEADER_BYTES) for _, stop in read.asked)


def test_a_file_of_more_than_a_tebibyte_is_refused_by_its_size() -> None:
    raw = file(b"{}", b"")
    with pytest.raises(BadTensorFile, match=f"at most {MAX_FILE_BYTES} are read"):
        header.read_layout(Reader(raw), MAX_FILE_BYTES + 1)


@given(st.data())
def test_a_damaged_header_is_refused_or_still_tiles_the_file(data: st.DataObject) -> None:
    raw = bytearray(b"".join(tensorfile.write({"a": np.ones(3, "f4"), "b.c": np.ones((2, 2), "f4")}, "F16")))
    base = 8 + int.from_bytes(raw[:8], "little")
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, base - 1))] = data.draw(st.integers(0, 255))
    try:
        read = TensorFile(bytes(raw))
    except BadTensorFile:
        return
    places = list(read.tensors.values())
    stops = [len(read.layout.header), *(tensor.stop for tensor in places)]
    assert [tensor.start for tensor in places] == stops[:-1] and stops[-1] == len(raw)


WRITER_REFUSES: dict[str, dict[str, tuple[str, tuple[int, ...]]]] = {
    "10,001 tensors": {f"t{i}": ("F32", (1,)) for i in range(MAX_TENSORS + 1)},
    "a name that climbs": {"../a": ("F32", (1,))},
    "a header of more than a megabyte": {f"{'x' * 150}{i}": ("F32", (1,)) for i in range(6_000)},
}


@pytest.mark.parametrize("tensors", WRITER_REFUSES.values(), ids=WRITER_REFUSES)
def test_the_writer_refuses_what_the_reader_would(tensors: dict[str, tuple[str, tuple[int, ...]]]) -> None:
    with pytest.raises(BadTensorFile):
        header.layout(tensors)


@pytest.mark.parametrize(
    "use",
    [
        lambda: header.item_bytes("BF17"),
        lambda: header.layout({"a": ("BF17", (1,))}),
        lambda: tensorfile.encode(np.ones(1, "f4"), "BF17"),
        lambda: tensorfile.decode(b"", "BF17"),
    ],
)
def test_an_unknown_dtype_names_the_nearest(use: Any) -> None:
    with pytest.raises(UnknownName, match="did you mean 'BF16'"):
        use()


def test_a_layout_is_the_file_before_its_bytes() -> None:
    plan = header.layout({"b": ("F16", (2, 3)), "a": ("F32", ())})
    raw = plan.header + bytes(plan.size - len(plan.header))
    assert len(plan.header) % 8 == 0
    assert plan.tensors == {
        "a": Tensor("F32", (), len(plan.header), len(plan.header) + 4),
        "b": Tensor("F16", (2, 3), len(plan.header) + 4, len(plan.header) + 16),
    }
    assert TensorFile(raw).layout == plan


def test_a_file_is_mapped_from_disk_and_one_that_is_not_there_is_the_systems_error(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with pytest.raises(FileNotFoundError):
        TensorFile.open(path)
    path.touch()
    with pytest.raises(BadTensorFile, match="a is empty"):
        TensorFile.open(path)
    path.write_bytes(file({"a": ONE}))
    assert bytes(TensorFile.open(path).raw("a")) == b"0000"

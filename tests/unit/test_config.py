from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from learngenes import config
from learngenes.errors import InvalidValue, UnknownName


@dataclass(frozen=True, slots=True)
class Inner:
    rate: float
    kind: Literal["adam", "sgd"] = "adam"


@dataclass(frozen=True, slots=True)
class Outer:
    name: str
    inner: Inner
    depth: int = 1
    fast: bool = False
    sides: tuple[int, ...] = ()
    scale: tuple[float, float] = (0.5, 1.0)
    order: Literal["front", "last"] | tuple[int, ...] = "front"
    limit: int | None = None
    second: Inner | None = None
    options: dict[str, Any] = field(default_factory=dict)
    anything: Any = None
    stages: tuple[tuple[int, ...], ...] = ()
    made: int = field(init=False, default=5)

    def __post_init__(self) -> None:
        if self.depth < 1:
            raise InvalidValue(f"depth is at least 1, got {self.depth}")


def load(folder: Path, text: str | bytes) -> Outer:
    path = folder / "job.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return config.load(path, Outer)


def test_a_whole_file_becomes_a_dataclass(tmp_path: Path) -> None:
    text = """
        name = "a"
        depth = 3
        fast = true
        sides = [1, 2]
        scale = [0, 0.5]
        order = [2, 0, 1]
        limit = 7
        anything = [1, "x"]
        stages = [[1], [2, 3]]
        options.deep.er = 1
        [inner]
        rate = 1
        kind = "sgd"
        [second]
        rate = 0.5
    """
    assert load(tmp_path, text) == Outer(
        name="a",
        inner=Inner(1.0, "sgd"),
        depth=3,
        fast=True,
        sides=(1, 2),
        scale=(0.0, 0.5),
        order=(2, 0, 1),
        limit=7,
        second=Inner(0.5),
        options={"deep": {"er": 1}},
        anything=[1, "x"],
        stages=((1,), (2, 3)),
    )


def test_what_is_left_out_is_the_default() -> None:
    assert config.parse({"name": "a", "inner": {"rate": 1.5}}, Outer, where="job") == Outer("a", Inner(1.5))


def test_a_whole_number_for_a_float_becomes_one() -> None:
    made = config.parse({"rate": 1}, Inner, where="job")
    assert type(made.rate) is float


@pytest.mark.parametrize(("order", "read"), [("last", "last"), ([2, 1], (2, 1)), ([], ())])
def test_a_union_takes_each_of_its_members(order: object, read: object) -> None:
    assert config.parse({"name": "a", "inner": {"rate": 1}, "order": order}, Outer, where="job").order == read


def test_what_is_optional_may_be_none() -> None:
    made = config.parse({"name": "a", "inner": {"rate": 1}, "limit": None, "second": None}, Outer, where="job")
    assert (made.limit, made.second) == (None, None)


UNKNOWN: dict[str, dict[str, Any]] = {
    "unknown key in job 'dept'; did you mean 'depth'?": {"dept": 1},
    "unknown key in job 'zzz'; known: anything, depth, ": {"zzz": 1},
    "unknown key in job 'made'": {"made": 1},
    "unknown key in job: inner 'rat'; did you mean 'rate'?": {"inner": {"rat": 1}},
    "unknown job: inner: kind 'adan'; did you mean 'adam'?": {"inner": {"rate": 1, "kind": "adan"}},
    "unknown job: inner: kind [5]; known: adam, sgd": {"inner": {"rate": 1, "kind": [5]}},
    "unknown job: order 'lasst'; did you mean 'last'?": {"order": "lasst"},
}
REFUSED: dict[str, dict[str, Any]] = {
    "job: depth is of type int, got True": {"depth": True},
    "job: depth is of type int, got 1.0": {"depth": 1.0},
    "job: depth is of type int, got None": {"depth": None},
    "job: fast is of type bool, got 1": {"fast": 1},
    "job: name is of type str, got 5": {"name": 5},
    "job: inner: rate is of type float, got '1'": {"inner": {"rate": "1"}},
    "job: inner: rate is of type float, got True": {"inner": {"rate": True}},
    "job: inner: rate is": {"inner": {"rate": 10**400}},
    "job: inner is a table, got 5": {"inner": 5},
    "job: options is a table, got [1]": {"options": [1]},
    "job: sides is a list, got 5": {"sides": 5},
    "job: sides is a list, got '12'": {"sides": "12"},
    "job: sides is of type int, got '2'": {"sides": [1, "2"]},
    "job: scale has 2 entries, got 1: [1]": {"scale": [1]},
    "job: scale has 2 entries, got 3: [1, 2, 3]": {"scale": [1, 2, 3]},
    "job: stages is a list, got 1": {"stages": [1]},
    "job: order is of type int, got 'b'": {"order": [1, "b"]},
    "job: limit is of type int, got '7'": {"limit": "7"},
    "job: second needs rate": {"second": {}},
    "depth is at least 1, got 0": {"depth": 0},
}


@pytest.mark.parametrize("sentence", UNKNOWN)
def test_an_unknown_name_is_said_with_its_place_and_the_nearest_known_one(sentence: str) -> None:
    with pytest.raises(UnknownName) as error:
        config.parse({"name": "a", "inner": {"rate": 1}} | UNKNOWN[sentence], Outer, where="job")
    assert str(error.value).startswith(sentence)


@pytest.mark.parametrize("sentence", REFUSED)
def test_a_value_of_the_wrong_kind_is_said_with_its_place(sentence: str) -> None:
    with pytest.raises(InvalidValue) as error:
        config.parse({"name": "a", "inner": {"rate": 1}} | REFUSED[sentence], Outer, where="job")
    assert str(error.value).startswith(sentence)
    assert not isinstance(error.value, UnknownName)


def test_everything_that_is_missing_is_named() -> None:
    with pytest.raises(InvalidValue, match=r"^job needs name, inner$"):
        config.parse({}, Outer, where="job")


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    for text in ("name = ", b"name = '\xff'", "name = 'a'\nname = 'b'"):
        with pytest.raises(InvalidValue, match=r"job\.toml is not TOML: "):
            load(tmp_path, text)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match=r"can't read the configuration .*none\.toml: No such file"):
        config.load(tmp_path / "none.toml", Outer)
    with pytest.raises(InvalidValue, match=r"can't read the configuration .*: Is a directory"):
        config.load(tmp_path, Outer)


def test_an_error_in_a_file_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"unknown key in job\.toml: inner 'rat'"):
        load(tmp_path, "[inner]\nrat = 1")

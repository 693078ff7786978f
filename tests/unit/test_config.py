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


@pytest.mark.parametrize("order", ["front", "last", (2, 1), [], None])
def test_a_union_takes_each_of_its_members(order: Any) -> None:
    given = {"order": order} if order is not None else {"limit": None, "second": None}
    made = config.parse({"name": "a", "inner": {"rate": 1}} | given, Outer, where="job")
    assert made.order == ("front" if order is None else tuple(order) if isinstance(order, list) else order)
    assert made.limit is None


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown key": ({"dept": 1}, "unknown key in job 'dept'; did you mean 'depth'?"),
    "an unknown key inside": ({"inner": {"rat": 1}}, "unknown key in job: inner 'rat'; did you mean 'rate'?"),
    "a key like no other": ({"zzz": 1}, "unknown key in job 'zzz'; known: anything, depth, "),
    "a field that is not given": ({"made": 1}, "unknown key in job 'made'"),
    "an unknown word": ({"inner": {"rate": 1, "kind": "adan"}}, "job: inner: kind 'adan'; did you mean 'adam'?"),
    "an unknown word of a union": ({"order": "lasst"}, "unknown job: order 'lasst'; did you mean 'last'?"),
    "truth for a number": ({"depth": True}, "job: depth is of type int, got True"),
    "a number for truth": ({"fast": 1}, "job: fast is of type bool, got 1"),
    "a float for a whole number": ({"depth": 1.0}, "job: depth is of type int, got 1.0"),
    "text for a number": ({"inner": {"rate": "1"}}, "job: inner: rate is of type float, got '1'"),
    "truth for a float": ({"inner": {"rate": True}}, "job: inner: rate is of type float, got True"),
    "a number no float holds": ({"inner": {"rate": 10**400}}, "job: inner: rate is"),
    "a number for text": ({"name": 5}, "job: name is of type str, got 5"),
    "a number for a list": ({"sides": 5}, "job: sides is a list, got 5"),
    "text for a list": ({"sides": "12"}, "job: sides is a list, got '12'"),
    "text in a list of numbers": ({"sides": [1, "2"]}, "job: sides is of type int, got '2'"),
    "a list that is too short": ({"scale": [1]}, "job: scale has 2 entries, got 1: [1]"),
    "a list that is too long": ({"scale": [1, 2, 3]}, "job: scale has 2 entries, got 3: [1, 2, 3]"),
    "a wrong list in a list": ({"stages": [1]}, "job: stages is a list, got 1"),
    "a number for a table": ({"inner": 5}, "job: inner is a table, got 5"),
    "a list for a free table": ({"options": [1]}, "job: options is a table, got [1]"),
    "a list for a literal": ({"inner": {"rate": 1, "kind": ["adam"]}}, "known: adam, sgd"),
    "the wrong type for an optional": ({"limit": "7"}, "job: limit is of type int, got '7'"),
    "an error in an optional table": ({"second": {}}, "job: second needs rate"),
    "nothing where something is needed": ({"depth": None}, "job: depth is of type int, got None"),
    "what the class itself refuses": ({"depth": 0}, "depth is at least 1, got 0"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_wrong_is_said_with_its_place(what: str) -> None:
    given, sentence = REFUSED[what]
    with pytest.raises(InvalidValue) as error:
        config.parse({"name": "a", "inner": {"rate": 1}} | given, Outer, where="job")
    assert sentence in str(error.value)
    assert isinstance(error.value, UnknownName) == ("unknown" in what or "did you mean" in sentence
                                                    or "known: " in sentence or "not given" in what)  # fmt: skip


def test_everything_that_is_missing_is_named() -> None:
    with pytest.raises(InvalidValue, match="^job needs name, inner$"):
        config.parse({}, Outer, where="job")


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    for text in ("name = ", b"name = '\xff'", "name = 'a'\nname = 'b'"):
        with pytest.raises(InvalidValue, match="job.toml is not TOML: "):
            load(tmp_path, text)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match=r"can't read the configuration .*none\.toml: No such file"):
        config.load(tmp_path / "none.toml", Outer)
    with pytest.raises(InvalidValue, match="can't read the configuration .*: Is a directory"):
        config.load(tmp_path, Outer)


def test_an_error_in_a_file_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="unknown key in job.toml: inner 'rat'"):
        load(tmp_path, "[inner]\nrat = 1")

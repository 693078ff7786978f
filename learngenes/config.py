"""TOML into frozen dataclasses; an unknown key names the nearest known one."""

from __future__ import annotations

import dataclasses
import functools
import tomllib
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

from learngenes.errors import InvalidValue, UnknownName

T = TypeVar("T")

LATER = {"later": True}
"""Metadata of a field that an options class got when there were jobs already: see `spelt_out`."""


def load(path: Path, into: type[T]) -> T:
    """The TOML file at path as an instance of the dataclass `into`; InvalidValue says what is wrong and where."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InvalidValue(f"can't read the configuration {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidValue(f"{path} is not TOML: {error}") from error
    return parse(table, into, where=path.name)


def parse(table: dict[str, Any], into: type[T], *, where: str) -> T:
    """A table as an instance of the dataclass `into`; nested tables become nested dataclasses."""
    hints, fields = _fields(into)  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in fields:
            raise UnknownName(f"key in {where}", key, fields)
        values[key] = _convert(value, hints[key], where=f"{where}: {key}")
    missing = [
        name
        for name, field in fields.items()
        if name not in values and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise InvalidValue(f"{where} needs {', '.join(missing)}")
    return into(**values)


def spelt_out(options: Any) -> dict[str, Any]:
    """The table of a dataclass with every default written, so that it says the same under another version.

    A field of LATER stays out at its default: what was written before there was such a field keeps its identity.
    """
    table = dataclasses.asdict(options)
    for field in dataclasses.fields(options):
        if field.metadata.get("later") and getattr(options, field.name) == field.default:
            del table[field.name]
    return table


@functools.cache
def _fields(into: type[Any]) -> tuple[dict[str, Any], dict[str, dataclasses.Field[Any]]]:
    """Types and fields of a dataclass by name. Working out the types takes longer than all else in `parse`."""
    return typing.get_type_hints(into), {field.name: field for field in dataclasses.fields(into) if field.init}


def _convert(value: Any, hint: Any, *, where: str) -> Any:
    """The value as the annotated type: exact for bool, int and str; int passes for float; list for tuple."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _convert_union(value, arguments, where=where)
    if origin is typing.Literal:
        if value not in arguments:
            raise UnknownName(where, value, [str(a) for a in arguments])
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise InvalidValue(f"{where} is a list, got {value!r}")
        kinds = [arguments[0]] * len(value) if arguments[-1] is ... else list(arguments)
        if len(kinds) != len(value):
            raise InvalidValue(f"{where} has {len(kinds)} entries, got {len(value)}: {value!r}")
        return tuple(_convert(v, k, where=where) for v, k in zip(value, kinds, strict=True))
    if origin is dict or hint is dict:
        if not isinstance(value, dict):
            raise InvalidValue(f"{where} is a table, got {value!r}")
        return value
    if dataclasses.is_dataclass(hint):
        if isinstance(value, typing.cast("type[Any]", hint)):
            return value
        if not isinstance(value, dict):
            raise InvalidValue(f"{where} is a table, got {value!r}")
        return parse(value, typing.cast("type[Any]", hint), where=where)
    if hint is Any:
        return value
    if hint is float and type(value) is int:
        try:
            return float(value)
        except OverflowError:
            raise InvalidValue(f"{where} is too large: a number of {len(str(value))} digits") from None
    if type(value) is not hint:
        raise InvalidValue(f"{where} is of type {hint.__name__}, got {value!r}")
    return value


def _convert_union(value: Any, arguments: tuple[Any, ...], *, where: str) -> Any:
    if value is None and type(None) in arguments:
        return None
    problems = []
    for argument in arguments:
        if argument is type(None):
            continue
        try:
            return _convert(value, argument, where=where)
        except InvalidValue as problem:
            problems.append(problem)
    # A misspelt word is more likely than a value of the wrong type: its nearest known word is the better advice.
    raise next((p for p in problems if isinstance(p, UnknownName) and isinstance(value, str)), problems[-1])

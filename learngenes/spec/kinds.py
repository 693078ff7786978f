"""The kinds of jobs, each with its table: read, written in one canonical form, named by what decides its outcome."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_type_hints

from learngenes import config
from learngenes.errors import InvalidValue, UnknownName
from learngenes.evaluation.job import EvaluationJob
from learngenes.fit_job import FitJob
from learngenes.job import UNRELATED, LearnJob
from learngenes.job_options import check_once
from learngenes.tournament.job import TournamentJob
from learngenes.zoo import METHODS

Dtype = Literal["f32", "f16", "bf16"]


@dataclass(frozen=True, slots=True)
class Learn:
    """Learn a learngene and publish it.

    dtype: it is stored in. measure: depths whose untuned descendants are measured for the manifest; measure_widths: at
    these widths instead of its own. alias: of the name, moved to the new version. private: hide the name from callers
    without a key, marked before it can be seen.
    """

    job: LearnJob
    dtype: Dtype = "f32"
    measure: tuple[int, ...] = ()
    measure_widths: tuple[int, ...] = ()
    alias: str | None = None
    private: bool = False

    def __post_init__(self) -> None:
        check_once("measure", self.measure)
        check_once("measure_widths", self.measure_widths)


@dataclass(frozen=True, slots=True)
class FitSize:
    """Fit a learngene to one size and publish what the size needs; private where the learngene is."""

    job: FitJob
    dtype: Dtype = "f32"


@dataclass(frozen=True, slots=True)
class Evaluate:
    """Measure descendants and publish the measurements as the learngene's next version, to which alias is moved."""

    job: EvaluationJob
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Tournament:
    """Rank methods at one size; nothing is published, the report is the outcome."""

    job: TournamentJob


Spec = Learn | FitSize | Evaluate | Tournament

KINDS: dict[str, type[Spec]] = {
    "learn": Learn,
    "fit-size": FitSize,
    "evaluate": Evaluate,
    "tournament": Tournament,
}


def kind_of(spec: Spec) -> str:
    """Its name in KINDS."""
    return next(kind for kind, known in KINDS.items() if type(spec) is known)


def read(kind: str, table: Mapping[str, Any]) -> Spec:
    """The job of a kind from its one flat table: the fields of its `job` and its own. InvalidValue or UnknownName."""
    if kind not in KINDS:
        raise UnknownName("kind of job", kind, KINDS)
    if not isinstance(table, Mapping):
        raise InvalidValue(f"the spec of a {kind} job is a table, got {table!r}")
    into = KINDS[kind]
    job_type = get_type_hints(into)["job"]
    ours = {field.name for field in dataclasses.fields(into)} - {"job"}
    known = ours | {field.name for field in dataclasses.fields(job_type)}
    if unknown := [key for key in table if key not in known]:
        raise UnknownName(f"key of a {kind} job", unknown[0], known)
    where = f"the {kind} job"
    job = config.parse({key: table[key] for key in table if key not in ours}, job_type, where=where)
    spec = _spelt_out(config.parse({"job": job, **{key: table[key] for key in ours & table.keys()}}, into, where=where))
    try:
        to_json(spec)
    except (ValueError, TypeError, RecursionError) as error:  # NaN, lone surrogates, tables within tables without end
        raise InvalidValue(f"the {kind} job can't be written as JSON: {error}") from error
    return spec


def table(spec: Spec) -> dict[str, Any]:
    """The flat table of a job, JSON values only: `read` of it gives the job again."""
    own = {field.name: getattr(spec, field.name) for field in dataclasses.fields(spec) if field.name != "job"}
    plain: dict[str, Any] = _plain(dataclasses.asdict(spec.job) | own)
    return plain


def to_json(spec: Spec) -> bytes:
    """The canonical form, `{"kind": ..., "spec": ...}`: sorted keys, every default written. Equal jobs, equal bytes."""
    return _written({"kind": kind_of(spec), "spec": table(spec)})


def from_json(raw: bytes) -> Spec:
    """The job of `{"kind": ..., "spec": ...}`; what is left out is as by default. InvalidValue or UnknownName."""
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise InvalidValue(f"this is not the JSON of a job: {error}") from error
    if not (isinstance(document, dict) and document.keys() == {"kind", "spec"} and type(document["kind"]) is str):
        raise InvalidValue('a job is written {"kind": ..., "spec": {...}}, with these two keys')
    return read(document["kind"], document["spec"])


def identify(spec: Spec) -> str:
    """32 hex digits that follow from the kind and all that decides the outcome."""
    decisive = _decisive({"kind": kind_of(spec), "spec": table(spec)})
    return hashlib.sha256(_written(decisive)).hexdigest()[:32]


def _spelt_out(spec: Spec) -> Spec:
    """With the defaults of the method's own options, so that a job says the same under another version."""
    if not isinstance(spec, Learn):
        return spec
    method = METHODS.get(spec.job.method)
    if method is None:
        raise UnknownName("method", spec.job.method, METHODS)
    options = config.parse(spec.job.options, method.learning, where=f"the options of {spec.job.method}")
    return replace(spec, job=replace(spec.job, options=_plain(config.spelt_out(options))))


def _plain(value: Any) -> Any:
    """As JSON reads it back: lists for tuples."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, tuple | list) else value


def _decisive(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _decisive(inner) for key, inner in value.items() if key not in UNRELATED}
    return [_decisive(inner) for inner in value] if isinstance(value, list) else value


def _written(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()

"""What a job from outside may not decide: files outside the image directory, code, and how much work one line asks."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any

from learngenes.errors import InvalidValue, UnknownName
from learngenes.evaluation.job import EvaluationJob
from learngenes.families.vit import parameters
from learngenes.fit_job import FitJob
from learngenes.job import LearnJob
from learngenes.job_options import AncestorOptions, first_of
from learngenes.spec.kinds import Learn, Spec
from learngenes.tournament.job import TournamentJob
from learngenes.zoo import METHODS

MOST_WORKERS, MOST_PARAMETERS = 64, 10**10
"""Processes that a confined job may ask for to prepare its batches, and parameters of the network it trains."""

MOST_VALUES, MOST_CELLS, MOST_LONG = 64, 1000, 1000
"""Entries of a list that multiplies work, such as depths; what such lists come to together; entries of other lists."""

ARCHITECTURAL = frozenset(
    """
    act_layer attn_drop_rate base_width block_size cardinality channels class_token depth depths dims drop_path_rate
    drop_rate dynamic_img_pad dynamic_img_size embed_dim embed_dims fc_norm final_norm global_pool head_dim img_size
    init_values layers mlp_ratio mlp_ratios no_embed_class norm_layer num_features num_heads output_stride
    patch_drop_rate patch_size pool_size pos_drop_rate pos_embed pre_norm proj_bias proj_drop_rate qk_norm qkv_bias
    reg_tokens stem_chs stem_size stem_type stem_width width window_size
    """.split()  # noqa: SIM905
)
"""Arguments of timm.create_model that describe a network; others name files, pickles included, or code."""

MOST_ARGUMENT_VALUES, MOST_LETTERS = 16, 64
_NAME = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)


def confine(spec: Spec) -> None:
    """InvalidValue for what a job from outside may not decide. Takes no longer than reading the job; call it first."""
    job: LearnJob | FitJob | EvaluationJob | TournamentJob = spec.job
    _check_amount(spec)
    for what, path in _paths(job):
        inner = PurePosixPath(path)
        if inner.is_absolute() or ".." in inner.parts or "\\" in path or "\0" in path:
            raise InvalidValue(f"{what} is a path inside the image directory, without '..', got {path!r}")
    if isinstance(job, LearnJob | TournamentJob):
        if (count := parameters(job.geometry)) > MOST_PARAMETERS:
            raise InvalidValue(f"a network of this geometry has {count:,} parameters, the most are {MOST_PARAMETERS:,}")
        if job.ancestor is not None:
            _check_ancestor(job.ancestor)
    for table in _tables(job):
        if long := [
            name for name, value in table.items() if isinstance(value, list | tuple) and len(value) > MOST_LONG
        ]:
            raise InvalidValue(f"{long[0][:80]} has at most {MOST_LONG:,} entries, got {len(table[long[0]]):,}")
        if type(workers := table.get("workers", 0)) is int and workers > MOST_WORKERS:
            raise InvalidValue(f"workers is at most {MOST_WORKERS}, got {workers}")


def _check_amount(spec: Spec) -> None:
    lists = _lists(spec)
    for name, count in lists.items():
        if count > MOST_VALUES:
            raise InvalidValue(f"{name} has at most {MOST_VALUES} entries, got {count}")
    if isinstance(spec.job, TournamentJob):
        trained = lists["methods"] or len(METHODS)
        cells, product = lists["seeds"] * (trained + lists["learngenes"]), "seeds x (methods + learngenes)"
    else:
        cells, product = math.prod(max(1, count) for count in lists.values()), " x ".join(lists)
    if cells > MOST_CELLS:
        raise InvalidValue(f"{product} are at most {MOST_CELLS:,}, got {cells:,}; ask for several jobs")


def _lists(spec: Spec) -> dict[str, int]:
    """How long every list is that multiplies the work, by name."""
    match spec.job:
        case EvaluationJob():
            names: tuple[str, ...] = ("depths", "widths", "epochs", "seeds")
        case TournamentJob():
            names = ("seeds", "methods", "learngenes")
        case _:
            names = ("measure", "measure_widths") if isinstance(spec, Learn) else ()
    return {name: len(getattr(spec if isinstance(spec, Learn) else spec.job, name)) for name in names}


def _check_ancestor(ancestor: AncestorOptions) -> None:
    if not _NAME.fullmatch(ancestor.architecture):
        raise InvalidValue(f"the ancestor's architecture is a name of timm's, got {ancestor.architecture[:80]!r}")
    for name, value in ancestor.arguments.items():
        if name not in ARCHITECTURAL:
            raise UnknownName("argument of an ancestor's network", name[:80], ARCHITECTURAL)
        values = value if isinstance(value, list) else [value]
        short = len(values) <= MOST_ARGUMENT_VALUES
        if not short or not all(_is_scalar(inner) for inner in values):
            raise InvalidValue(
                f"the ancestor's argument {name} is a number, true, false, a word, or a list of at most "
                f"{MOST_ARGUMENT_VALUES} of these, got {str(value)[:80]}"
            )


def _is_scalar(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= MOST_LETTERS and (not value or _NAME.fullmatch(value) is not None)
    return value is None or isinstance(value, bool | int | float)


def _paths(job: LearnJob | FitJob | EvaluationJob | TournamentJob) -> Iterator[tuple[str, str]]:
    """Everything in a job that names a file or a directory."""
    if isinstance(job, EvaluationJob):
        sources = {"test": job.test, "train": job.train}
    else:
        sources = {} if job.data is None else {"data.train": job.data.train, "data.test": job.data.test}
    for what, source in sources.items():
        kind, _, path = first_of(source or "")[0].partition(":")
        if kind != "digits":
            yield what, path
    if isinstance(job, LearnJob | TournamentJob) and job.ancestor is not None and job.ancestor.checkpoint is not None:
        yield "ancestor.checkpoint", job.ancestor.checkpoint
    if isinstance(job, FitJob) and isinstance(target := job.options.get("target"), str):
        yield "options.target", target


def _tables(job: object) -> Iterator[dict[str, Any]]:
    """Every table, the job's own first."""
    waiting: list[Any] = [asdict(job)]  # type: ignore[call-overload]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting += value.values()
        elif isinstance(value, list | tuple):
            waiting += value

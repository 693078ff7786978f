"""What an experiment declares: a setting, learngenes, rows of measurements, claims. TOML in, dataclasses out; no torch.

`tables/<name>.toml` is a table; it names a file of `settings/`, which says what its tables have in common.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from learngenes import config
from learngenes.errors import InvalidValue, UnknownName
from learngenes.families.vit import Geometry
from learngenes.job_options import AncestorOptions, DataOptions, TrainingOptions
from learngenes.zoo import METHODS

HERE = Path(__file__).parent

Precision = Literal["float32", "bfloat16"]

Shown = Literal["by depth", "by size", "rows", "curves"]
"""How a table is laid out: a line per depth or size and a column per row; a line per row; a line per row and epoch."""


@dataclass(frozen=True, slots=True)
class Learngene:
    """What is learned once for every seed.

    ancestor: the name of one of [ancestors], or of another learngene, whose descendant of its own size it then is.
    geometry, data, training: fields that differ from the setting's. Tables a method does not look at are left out.
    """

    method: str
    ancestor: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    geometry: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UnknownName("method", self.method, METHODS)


@dataclass(frozen=True, slots=True)
class Row:
    """Measurements of one learngene's descendants: every depth x width x epochs, of every seed.

    depths, widths: the learngene's own when empty. options: of the plan. epochs: of tuning, 0 for none.
    training, data: fields that differ from the recipe of tuning, see EvaluationJob; `recipe = "learning"` starts from
    the setting's training instead. train, test: other images than the setting's, for transfer.
    fit: fields of FitJob; the sizes are then fitted first.
    paper: the paper's values in percent, one for each depth.
    """

    name: str
    learngene: str
    depths: tuple[int, ...] = ()
    widths: tuple[int, ...] = ()
    epochs: tuple[int, ...] = (0,)
    options: dict[str, Any] = field(default_factory=dict)
    recipe: Literal["tuning", "learning"] = "tuning"
    training: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    train: str = ""
    test: str = ""
    fit: dict[str, Any] = field(default_factory=dict)
    paper: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.paper and len(self.paper) != len(self.depths):
            raise InvalidValue(f"row {self.name!r} has {len(self.depths)} depths and {len(self.paper)} paper values")


@dataclass(frozen=True, slots=True)
class Setting:
    """What tables share. precision: of the arithmetic when measuring and tuning."""

    title: str
    geometry: Geometry
    data: DataOptions
    training: TrainingOptions
    ancestors: dict[str, AncestorOptions] = field(default_factory=dict)
    learngenes: dict[str, Learngene] = field(default_factory=dict)
    precision: Precision = "bfloat16"


@dataclass(frozen=True, slots=True)
class Table:
    """One experiment. about, notes: Markdown before and after; claims: see claim_kinds.

    evidence: whether the summary counts it; what only shows that everything runs does not. needs: a machine that it
    was declared for.
    """

    name: str
    title: str
    setting: Setting
    seeds: tuple[int, ...]
    rows: tuple[Row, ...]
    shown: Shown
    about: str
    notes: str
    claims: tuple[dict[str, Any], ...]
    evidence: bool
    needs: str


@dataclass(frozen=True, slots=True)
class _File:
    """defaults: fields of every row that does not give them itself."""

    title: str
    setting: str
    seeds: tuple[int, ...]
    shown: Shown
    about: str
    rows: tuple[dict[str, Any], ...]
    defaults: dict[str, Any] = field(default_factory=dict)
    notes: str = ""
    learngenes: dict[str, Any] = field(default_factory=dict)
    claims: tuple[dict[str, Any], ...] = ()
    evidence: bool = True
    needs: str = ""


def names(folder: Path = HERE) -> list[str]:
    """Of all tables."""
    return sorted(path.stem for path in (folder / "tables").glob("*.toml"))


def load(name: str, *, folder: Path = HERE) -> Table:
    """The table of a name; UnknownName or InvalidValue say what is wrong with it."""
    path = folder / "tables" / f"{name}.toml"
    if not path.exists():
        raise UnknownName("table", name, names(folder))
    file = config.load(path, _File)
    setting = _setting(folder / "settings" / f"{file.setting}.toml", more=file.learngenes)
    rows = tuple(config.parse(file.defaults | row, Row, where=f"row {row.get('name', '')!r}") for row in file.rows)
    for row in rows:
        if row.learngene not in setting.learngenes:
            raise UnknownName(f"learngene of row {row.name!r}", row.learngene, setting.learngenes)
    for key, learngene in setting.learngenes.items():
        if learngene.ancestor and learngene.ancestor not in {*setting.ancestors, *setting.learngenes} - {key}:
            raise UnknownName(f"ancestor of {key!r}", learngene.ancestor, [*setting.ancestors, *setting.learngenes])
    return Table(
        name=name,
        title=file.title,
        setting=setting,
        seeds=file.seeds,
        rows=rows,
        shown=file.shown,
        about=file.about.strip(),
        notes=file.notes.strip(),
        claims=file.claims,
        evidence=file.evidence,
        needs=file.needs,
    )


def _setting(path: Path, *, more: Mapping[str, Any]) -> Setting:
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise InvalidValue(f"there is no setting {path.stem!r}: {path} is missing") from None
    learngenes = table.pop("learngenes", {}) | dict(more)
    ancestors = table.pop("ancestors", {})
    made = config.parse(table, Setting, where=path.name)
    return replace(
        made,
        ancestors={
            name: config.parse(entry, AncestorOptions, where=f"[ancestors.{name}]") for name, entry in ancestors.items()
        },
        learngenes={
            name: config.parse(entry, Learngene, where=f"[learngenes.{name}]") for name, entry in learngenes.items()
        },
    )

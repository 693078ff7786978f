"""What the configuration beside a checkpoint says of it: timm's or transformers' config.json."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Literal

from learngenes.errors import InvalidValue
from learngenes.families.vit import TIMM_NORM_EPS
from learngenes.importing.checkpoint import Facts

CERTAIN = re.compile(r"(vit|deit|deit3)_(tiny|small|base|large)_patch[0-9]+_[0-9]+")
"""timm's names that stand for the plain ViT of their tensors, whatever else timm has by now."""


ARGUMENTS = frozenset(
    """
    class_token depth embed_dim fc_norm global_pool img_size in_chans mlp_ratio num_heads patch_size qkv_bias
    """.split()  # noqa: SIM905
)
"""Arguments of timm's VisionTransformer that leave it plain; others name files or code, or make another network."""


@dataclass(frozen=True, slots=True)
class Said:
    """facts: what of a checkpoint is known now; notes: sentences for who imports it."""

    facts: Facts
    notes: tuple[str, ...] = ()


def is_transformers(config: dict[str, Any]) -> bool:
    """Whether this config.json is one of transformers."""
    return "model_type" in config and "architecture" not in config


def by_timm(config: dict[str, Any], facts: Facts) -> Said:
    """The facts with what timm's config.json says. InvalidValue where it makes no sense."""
    cfg, given = _table(config, "pretrained_cfg"), arguments(config)
    heads, pool = given.get("num_heads"), config.get("global_pool", cfg.get("global_pool"))
    if heads is not None and type(heads) is not int:
        raise InvalidValue(f"config.json says num_heads {str(heads)[:40]}; that is a whole number")
    mean, std = _numbers(cfg, "mean"), _numbers(cfg, "std")
    said = replace(
        facts,
        heads=heads,
        pool=_pool(pool),
        mean=mean or facts.mean,
        std=std or facts.std,
        crop_pct=_share(cfg.get("crop_pct", facts.crop_pct)),
        labels=_labels(cfg.get("label_names")),
        license=str(cfg.get("license") or facts.license)[:100],
        description=facts.description or str(cfg.get("description") or "")[:500],
    )
    return _interpolated(said, cfg.get("interpolation", "bicubic"))


def by_transformers(config: dict[str, Any], preprocessor: dict[str, Any], facts: Facts) -> Said:
    """The facts with what transformers' config.json and preprocessor_config.json say."""
    names = config.get("id2label")
    labels: tuple[str, ...] = ()
    if isinstance(names, dict) and all(str(i) in names for i in range(len(names))):
        labels = tuple(str(names[str(i)]) for i in range(len(names)))
        if labels == tuple(f"LABEL_{i}" for i in range(len(names))):
            labels = ()
    said = replace(
        facts,
        heads=config.get("num_attention_heads", 12),
        pool="token" if config.get("model_type") == "vit" else "avg",
        mean=_numbers(preprocessor, "image_mean") or facts.mean,
        std=_numbers(preprocessor, "image_std") or facts.std,
        crop_pct=_crop(preprocessor),
        labels=labels,
    )
    notes: tuple[str, ...] = ()
    if (eps := config.get("layer_norm_eps", 1e-12)) != TIMM_NORM_EPS:
        notes = (f"layer_norm_eps is {eps} there and {TIMM_NORM_EPS} here, timm's: logits agree to some 1e-5",)
    interpolated = _interpolated(said, {2: "bilinear", 3: "bicubic"}.get(preprocessor.get("resample", 2), "other"))
    return Said(interpolated.facts, (*notes, *interpolated.notes))


def certain(config: dict[str, Any]) -> bool:
    """Whether the architecture that timm's config.json names is known to be plain without asking timm."""
    architecture = config.get("architecture")
    return isinstance(architecture, str) and CERTAIN.fullmatch(architecture) is not None


def arguments(config: dict[str, Any]) -> dict[str, Any]:
    """What timm's config.json gives its network; InvalidValue for what a plain ViT does not take."""
    given = _table(config, "model_args")
    if more := sorted(given.keys() - ARGUMENTS):
        raise InvalidValue(
            f"config.json gives the network {more[0]!r}, a plain ViT takes {', '.join(sorted(ARGUMENTS))}"
        )
    return given


def _table(config: dict[str, Any], name: str) -> dict[str, Any]:
    table = config.get(name) or {}
    if not isinstance(table, dict):
        raise InvalidValue(f"config.json says {name} {str(table)[:40]}; that is a table")
    return table


def _numbers(table: dict[str, Any], name: str) -> tuple[float, ...]:
    values = table.get(name) or []
    if not (isinstance(values, list) and all(type(value) in (int, float) for value in values)):
        raise InvalidValue(f"the configuration says {name} {str(values)[:40]}; that is one number a channel")
    return tuple(float(value) for value in values)


def _share(value: Any) -> float:
    if type(value) not in (int, float):
        raise InvalidValue(f"config.json says crop_pct {str(value)[:40]}; that is a share of the side, at most 1")
    return float(value)


def _pool(value: Any) -> Literal["token", "avg"] | None:
    if value not in (None, "token", "avg"):
        raise InvalidValue(f"config.json says global_pool {str(value)[:40]!r}; a plain ViT has 'token' or 'avg'")
    return value  # type: ignore[no-any-return]


def _labels(names: Any) -> tuple[str, ...]:
    if names is None:
        return ()
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise InvalidValue("config.json says label_names that are no list of names")
    return tuple(names)


def _crop(preprocessor: dict[str, Any]) -> float:
    """transformers says the side before the crop; timm its share."""
    size, crop = preprocessor.get("size"), preprocessor.get("crop_size")
    if preprocessor.get("do_center_crop") is True and isinstance(size, dict) and isinstance(crop, dict):
        edge, side = size.get("shortest_edge"), crop.get("height")
        if type(edge) is int and type(side) is int and edge >= side > 0:
            return round(side / edge, 4)
    return 1.0


def _interpolated(facts: Facts, interpolation: Any) -> Said:
    if interpolation == "bilinear":
        return Said(replace(facts, interpolation="bilinear"))
    if interpolation == "bicubic":
        return Said(replace(facts, interpolation="bicubic"))
    return Said(facts, (f"images were resized by {str(interpolation)[:40]!r} there; here it is {facts.interpolation}",))

"""Who takes part in a tournament: each method with what it learns and how, or why it can't. Free of torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from learngenes import config
from learngenes.catalog import Catalog
from learngenes.errors import InvalidValue, LearngeneNotFound, LearngenesError
from learngenes.families.vit import Geometry, timm_architecture, timm_arguments
from learngenes.gene import Manifest
from learngenes.initialize import Request
from learngenes.job import LearnJob, check_teaching
from learngenes.job_options import OWN_VIT, AncestorOptions, Teaching
from learngenes.ready import planned
from learngenes.tournament.job import TournamentJob
from learngenes.zoo import METHODS

STAGES = 5
"""Of SWS at most, as in the paper; networks of few blocks have fewer, of two blocks each."""


@dataclass(frozen=True, slots=True)
class Excluded:
    """Who does not take part, and why not."""

    name: str
    reason: str


def learnings(
    job: TournamentJob, *, seed: int, ancestor: AncestorOptions | None
) -> tuple[dict[str, LearnJob], list[Excluded]]:
    """What each applicable method learns, and the others with their reasons.

    ancestor: the job's, trained by now; while it is not, the job's own will do.
    """
    found: dict[str, LearnJob] = {}
    excluded = []
    for method in job.methods or METHODS:
        try:
            found[method] = _learning(job, method, seed=seed, ancestor=ancestor)
        except InvalidValue as error:
            excluded.append(Excluded(method, str(error)))
    return found, excluded


def existing(job: TournamentJob, catalog: Catalog) -> tuple[list[Manifest], list[Excluded]]:
    """The job's learngenes of the catalog that have the size; LearngeneNotFound for one that is not there."""
    found, excluded = [], []
    for reference in job.learngenes:
        manifest = catalog.get(reference)
        try:
            planned(catalog, manifest, Request(depth=job.depth, width=job.width))
        except LearngeneNotFound:
            raise
        except LearngenesError as error:
            excluded.append(Excluded(reference, str(error)))
        else:
            found.append(manifest)
    return found, excluded


def check_contestants(job: TournamentJob, catalog: Catalog) -> None:
    """InvalidValue unless somebody can take part; LearngeneNotFound."""
    methods, excluded = learnings(job, seed=0, ancestor=job.ancestor)
    learngenes, more = existing(job, catalog)
    if not methods and not learngenes:
        reasons = "; ".join(f"{one.name}: {one.reason}" for one in (*excluded, *more))
        raise InvalidValue(f"nobody can take part at depth {job.depth}, width {job.width}: {reasons}")


def shared_ancestor(job: TournamentJob, checkpoint: str | None) -> AncestorOptions | None:
    """The job's ancestor for every method; checkpoint: of the one that was trained, None where none has to be.

    The job's own ViT is named so that it stays the same network for methods that learn in another geometry.
    """
    ancestor = job.ancestor
    if ancestor is None:
        return None
    if checkpoint is not None:
        ancestor = replace(ancestor, checkpoint=checkpoint, training=None)
    if ancestor.architecture != OWN_VIT:
        return ancestor
    arguments = {name: value for name, value in timm_arguments(job.geometry).items() if name != "in_chans"}
    return replace(ancestor, architecture=timm_architecture(job.geometry), arguments=arguments)


def _learning(job: TournamentJob, method: str, *, seed: int, ancestor: AncestorOptions | None) -> LearnJob:
    """InvalidValue where the method can't learn this, or not for this size."""
    known = METHODS[method]
    geometry, defaults = _setting(job, method)
    options = defaults | job.options.get(method, {})
    taught = issubclass(known.learning, Teaching)
    if taught and ancestor is None:
        options = {"alpha": 0.0} | options
    learning = LearnJob(
        name=method.replace("_", "-"),
        method=method,
        geometry=geometry,
        data=job.data if "data" in known.takes else None,
        training=job.training if "training" in known.takes else None,
        ancestor=ancestor if "ancestor" in known.takes else None,
        options=options,
        seed=seed,
    )
    for table in known.needs:
        getattr(learning, f"need_{table}")()
    parsed = config.parse(options, known.learning, where=f"the options of {method}")
    if isinstance(parsed, Teaching):
        check_teaching(learning, alpha=parsed.alpha)
    facts = {"widths": options["widths"]} if method == "learngenepool" else {}
    known.space(geometry, facts).check(job.depth, job.width, learngene=learning.name)
    return learning


def _setting(job: TournamentJob, method: str) -> tuple[Geometry, dict[str, Any]]:
    """What a method learns in, and the options that follow from the sizes."""
    geometry, size = job.geometry, job.size
    match method:
        case "sws":
            return geometry, {"stages": list(stages(geometry.depth))}
        case "simple_lg":
            counts = job.options.get(method, {}).get("stages") or stages(geometry.depth)
            return replace(geometry, depth=len(counts)), {"stages": list(counts)}
        case "wave":
            return geometry, {"unit": math.gcd(geometry.width, size.width)}
        case "vanilla_lg":
            return geometry, {"blocks": min(3, geometry.depth)}
        case "learngenepool":
            small = size.width if size.width < geometry.width else _half(geometry)
            # Its networks have the blocks that are asked for: it grows by two at most.
            blocks = {"blocks": size.depth, "widths": [small, geometry.width], "features": _is_vit(job)}
            return replace(geometry, depth=size.depth), blocks
        case "minideit":
            dim = geometry.width // geometry.heads
            if size.width % dim:
                raise InvalidValue(f"width {size.width} is not of whole heads of [geometry]'s dimension {dim}")
            return replace(geometry, depth=size.depth, width=size.width, heads=size.width // dim), {}
        case _:
            return geometry, {}


def stages(depth: int) -> tuple[int, ...]:
    """So many blocks dealt to stages, what is left over to those in the middle: 16 blocks are 3, 3, 4, 3, 3."""
    count = max(1, min(STAGES, depth // 2))
    each, left = divmod(depth, count)
    inwards = sorted(range(count), key=lambda stage: (abs(stage - (count - 1) / 2), stage))
    return tuple(each + (stage in inwards[:left]) for stage in range(count))


def _half(geometry: Geometry) -> int:
    return max(1, geometry.heads // 2) * (geometry.width // geometry.heads)


def _is_vit(job: TournamentJob) -> bool:
    """Whether the ancestor has the tokens of [geometry] for sure."""
    return job.ancestor is not None and job.ancestor.architecture == OWN_VIT

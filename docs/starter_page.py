"""docs/results/starter.md: what the learngenes that ship are worth, out of their manifests alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from learngenes.catalog import Catalog, starter
from learngenes.gene import Manifest, Quality, size_fitted
from learngenes.ready import fitted_to
from learngenes.zoo import METHODS

HEAD = """\
# What the starter's descendants are worth

Top-1 in percent on the 10,000 test images of CIFAR-100 (100 classes: chance is 1 %), **without any training** after
initialization, in bfloat16 arithmetic; one seed. Every number stands in a manifest of the store that ships with the
library, beside the command that measured it. About two hours of learning on CIFAR-100 went into these networks
where the papers trained on ImageNet: read differences, not heights. Sizes in bold are fitted: what the service answers
there by default is a calibrated SWS descendant or WAVE's scalers of that size, stored as a small learngene of its own.
In the line above a calibrated SWS descendant stands the plain one of that size, which `calibration = "none"` gives. The
SWS here was learned as published. On Fashion-MNIST growing depths and calibrating are 0.4 ± 0.3 points ahead of
calibrating alone over 6 to 9 layers ([better](evidence/better.md)); that was not tried at this size.
"""


def page() -> str:
    """docs/results/starter.md, as text."""
    catalog = starter()
    parents = [manifest for manifest in catalog.offered() if manifest.parent is None]
    return "\n".join([HEAD, *(line for manifest in parents for line in _section(manifest, catalog))])


def _section(manifest: Manifest, catalog: Catalog) -> list[str]:
    children = sorted(
        fitted_to(catalog, manifest), key=lambda child: (size_fitted(child).width, size_fitted(child).depth)
    )
    own = _untuned(manifest.quality)
    fitted = _untuned(q for child in children for q in child.quality)
    sizes = [*own, *fitted]
    depths = sorted({depth for depth, _ in sizes})
    record, size = manifest.training, f"{manifest.geometry.depth} x {manifest.geometry.width}"
    kilobytes = sum(child.weights.bytes for child in children) / 1000
    lines = [
        f"## {manifest.reference}",
        "",
        f"{METHODS[manifest.method].title}, learned at {size} for {record['epochs']} epochs in "
        f"{record['seconds'] / 3600:.1f} hours on {record['hardware']}, seed {record['seed']}; "
        f"{manifest.weights.bytes / 1e6:.1f} MB in {manifest.dtype}"
        + (f", and {kilobytes:,.0f} kB for {len(children)} fitted sizes." if children else "."),
        "",
        "| width | " + " | ".join(map(str, depths)) + " |",
        "|---|" + "---|" * len(depths),
    ]
    for width in sorted({width for _, width in sizes}):
        plain = [_cell(own.get((depth, width))) for depth in depths]
        better = [_cell(fitted.get((depth, width)), bold=True) for depth in depths]
        rows = [(str(width), plain), (f"{width}, fitted", better)]
        if manifest.method == "wave":  # whose sizes are learned or fitted: none can be had both ways
            rows = [(str(width), [b or a for a, b in zip(plain, better, strict=True)])]
        lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in rows if any(cells)]
    return [
        *lines,
        "",
        "Made by (sizes that were fitted alike differ in depth and width, one is shown):",
        "",
        "```",
        *_commands([manifest, *children]),
        "```",
        "",
    ]


def _untuned(quality: Iterable[Quality]) -> dict[tuple[int, int], float]:
    """By depth and width, on all test images."""
    kept = ("cifar100", "test", "top1", 0, 10_000)
    return {(q.depth, q.width): q.value for q in quality if (q.dataset, q.split, q.metric, q.epochs_after, q.n) == kept}


def _cell(value: float | None, *, bold: bool = False) -> str:
    if value is None:
        return ""
    return f"**{100 * value:.1f}**" if bold else f"{100 * value:.1f}"


def _commands(manifests: Sequence[Manifest]) -> list[str]:
    """What learned, fitted and measured them; of sizes that were fitted alike, the first."""
    first, *children = manifests
    commands = [str(first.training["command"]), *(q.command for q in first.quality)]
    fits: dict[str, str] = {}
    for child in children:
        command = str(child.training["command"])
        words = command.split()
        alike = [w for at, w in enumerate(words) if words[at - 1] not in ("--depth", "--width")]
        fits.setdefault(" ".join(alike), command)
    return list(dict.fromkeys([*commands, *fits.values()]))

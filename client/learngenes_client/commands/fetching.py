"""fetch, export-onnx, describe, descendant, plan."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from learngenes_client.cache import copy_whole
from learngenes_client.commands import words
from learngenes_client.commands.common import DONE, Command, add_service, client, say, show
from learngenes_client.errors import InvalidArgument
from learngenes_client.model import Model
from learngenes_client.models import CONFIG_FILE, MODEL_FILE, Document
from learngenes_client.ranking import Estimate, Ranking

SIZE = ("depth", "width", "num_classes", "labels", "img_size", "patch_size", "in_chans", "pool")
REQUEST = (*SIZE, "learngene", "method", "dtype", "order", "strategy", "layers", "seed", "keys", "allow_yanked")
"""Arguments of `fetch` and `describe` that the client takes by the same names; `options` comes from --option."""

LIMITS = ("max_params", "max_macs", "max_bytes", "max_latency_ms")
BUDGET = (*LIMITS, "dataset", "epochs_after", "learngene", "method", "dtype", "limit")
"""Arguments of `plan`, likewise."""

SHOWN_EXCLUSIONS = 5


def fetch(options: argparse.Namespace) -> int:
    """Print where the checkpoint is."""
    out: Path | None = options.out
    if out:
        _check_place("--out", out)
    model = _fetched(options)
    if out:
        copy_whole(model.path, out)
    path = out or model.path
    if options.json:
        show({"path": str(path), "config": str(model.path.parent / CONFIG_FILE), **model.document.raw})
    else:
        print(path)  # as it is: it is ours, and for programs
    return DONE


def export_onnx(options: argparse.Namespace) -> int:
    """Print what was written."""
    _check_place("--to", options.to)
    made = _fetched(options).to_onnx(options.to)
    if options.json:
        show(asdict(made) | {"path": str(made.path)})
    else:
        say(
            f"{made.path}: {made.bytes:,} bytes, opset {made.opset}, largest difference to torch "
            f"{made.largest_difference:.1e} of logits up to {made.largest_logit:.1e}"
        )
    return DONE


def describe(options: argparse.Namespace) -> int:
    """Print what would be fetched."""
    with client(options) as service:
        document = service.describe(**_size_and_choices(options))
    show(document.raw) if options.json else say(*_summary(document))
    return DONE


def descendant(options: argparse.Namespace) -> int:
    """Print what a descendant is that was met before."""
    with client(options) as service:
        document = service.descendant(options.id, allow_yanked=options.allow_yanked)
    show(document.raw) if options.json else say(*_summary(document))
    return DONE


def plan(options: argparse.Namespace) -> int:
    """Print which sizes fit a budget, best first."""
    with client(options) as service:
        ranking = service.plan(**{name: getattr(options, name) for name in BUDGET})
    show(ranking.raw) if options.json else say(*_table(ranking))
    return DONE


def _add_fetch(parser: argparse.ArgumentParser) -> None:
    _add_fetched(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="put a copy of the checkpoint there")


def _add_export_onnx(parser: argparse.ArgumentParser) -> None:
    _add_fetched(parser)
    parser.add_argument("--to", type=Path, metavar="FILE", required=True, help="where the ONNX file goes")


def _add_fetched(parser: argparse.ArgumentParser) -> None:
    _add_describe(parser)
    parser.add_argument("--id", metavar="DESCENDANT", help="this one, by its 64 digits, instead of a size")
    parser.add_argument(
        "--local",
        action=argparse.BooleanOptionalAction,
        help="build it here from the learngene, fetched once; else where that saves bytes and learngenes is installed",
    )


def _add_describe(parser: argparse.ArgumentParser) -> None:
    add_service(parser)
    _add_source(parser)
    parser.add_argument("--depth", type=int, help="number of blocks")
    parser.add_argument("--width", type=int, help="embedding dimension")
    parser.add_argument("--num-classes", type=int, help="another than the learngene's gets a fresh head")
    parser.add_argument(
        "--labels",
        type=words.labels,
        metavar="A,B|@FILE",
        help="class names, in a file one a line; known rows are kept",
    )
    parser.add_argument("--img-size", type=int, metavar="PIXELS", help="side of an image")
    parser.add_argument("--patch-size", type=int, metavar="PIXELS", help="side of a patch")
    parser.add_argument("--in-chans", type=int, metavar="COUNT", help="channels of an image")
    parser.add_argument("--pool", metavar="token|avg", help="what the head sees: the class token or the average")
    parser.add_argument("--order", type=words.order, metavar="NAME|0,4,1", help="which stages get extra blocks first")
    parser.add_argument("--strategy", metavar="cyclic|random|proportional|interleave", help="how blocks are dealt")
    parser.add_argument("--layers", type=words.integers, metavar="0,0,1", help="the stage of every block, outright")
    parser.add_argument(
        "--option", type=words.option, action="append", metavar="NAME=VALUE", help="of the method, see methods"
    )
    parser.add_argument("--seed", type=int, help="for tensors made fresh or drawn")
    parser.add_argument("--keys", metavar="timm|transformers", help="whose tensor names to use")
    _add_yanked(parser)


def _add_descendant(parser: argparse.ArgumentParser) -> None:
    add_service(parser)
    parser.add_argument("id", metavar="DESCENDANT", help="its 64 digits")
    _add_yanked(parser)


def _add_plan(parser: argparse.ArgumentParser) -> None:
    add_service(parser)
    _add_source(parser)
    parser.add_argument("--max-params", type=words.count, metavar="12M", help="parameters")
    parser.add_argument("--max-macs", type=words.count, metavar="1.5G", help="multiply-adds of one image")
    parser.add_argument("--max-bytes", type=words.count, metavar="25M", help="bytes of the checkpoint")
    parser.add_argument("--max-latency-ms", type=float, metavar="5", help="milliseconds of one image")
    parser.add_argument("--dataset", help="whose measurements rank; else the one measured most")
    parser.add_argument("--epochs-after", type=int, help="of training after initialization; else 0, untuned")
    parser.add_argument("--limit", type=int, help="list so many of the best")


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--learngene", metavar="NAME[@VERSION]", help="what to build it from")
    parser.add_argument("--method", help="how to build it")
    parser.add_argument("--dtype", metavar="f32|f16|bf16", help="type of the tensors")


def _add_yanked(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--allow-yanked", action="store_true", help="take a version that was taken back all the same")


def _check_place(option: str, path: Path) -> None:
    if path.is_dir() or not path.parent.is_dir():
        raise InvalidArgument(f"{option} names a file in a folder that exists, got {str(path)!r}")


def _fetched(options: argparse.Namespace) -> Model:
    chosen = _size_and_choices(options)
    if options.id is not None and any(chosen[name] is not None for name in chosen if name != "allow_yanked"):
        raise InvalidArgument("--id names one descendant: nothing else can be chosen beside it")
    with client(options) as service:
        if options.id is not None:
            return service.fetch_descendant(options.id, allow_yanked=options.allow_yanked)
        return service.fetch_model(**chosen)


def _size_and_choices(options: argparse.Namespace) -> dict[str, Any]:
    given: list[tuple[str, Any]] = options.option or []
    names = [name for name, _ in given]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InvalidArgument(f"--option {twice[0]} is given twice")
    return {name: getattr(options, name) for name in REQUEST} | {"options": dict(given) or None}


def _summary(document: Document) -> list[str]:
    return [
        f"{document.learngene} ({document.method}), depth {document.depth}, width {document.width}",
        f"id          {document.id}",
        f"parameters  {document.params:,}",
        f"macs        {document.macs:,} multiply-adds",
        f"bytes       {document.file(MODEL_FILE).bytes:,} in {document.dtype}, names of {document.keys}",
        f"accuracy    {_accuracy(document)}",
        f"layer map   {' '.join(map(str, document.layer_map)) or '-'}",
        f"license     {document.license or '-'}",
    ]


def _accuracy(document: Document) -> str:
    measured = [
        f"{one['value']:.4g} top1 on {one.get('dataset')} {one.get('split')}"
        + (f", after {one['epochs_after']} epochs of tuning" if one.get("epochs_after") else ", untuned")
        for one in document.quality
        if one.get("metric") == "top1" and isinstance(one.get("value"), float | int)
    ]
    return "; ".join(measured) or "not measured"


def _table(ranking: Ranking) -> list[str]:
    rows = [
        f"{best.learngene}  depth {best.depth}, width {best.width}  {best.params:,} parameters  {best.bytes:,} bytes  "
        f"{ranking.metric} {_value(best.quality)}" + ("  needs fitting first" if best.needs_learning else "")
        for best in ranking.candidates
    ]
    if len(rows) < ranking.total:
        rows.append(f"and {ranking.total - len(rows)} more")
    reasons = [f"not {exclusion.learngene}, {exclusion.reason}" for exclusion in ranking.exclusions]
    if len(reasons) > SHOWN_EXCLUSIONS:
        reasons[SHOWN_EXCLUSIONS:] = [f"and {len(reasons) - SHOWN_EXCLUSIONS} more reasons: --json has them"]
    return [*(rows or ["nothing fits"]), *ranking.notes, *reasons]


def _value(estimate: Estimate) -> str:
    if estimate.value is None:
        return "not measured"
    interval = "" if estimate.low is None or estimate.high is None else f" ({estimate.low:.4g} to {estimate.high:.4g})"
    return f"{estimate.value:.4g}{interval}, {estimate.kind}"


COMMANDS = {
    "fetch": Command("fetch it and print its path", _add_fetch, fetch),
    "export-onnx": Command("fetch it and write it as ONNX, compared with torch", _add_export_onnx, export_onnx),
    "describe": Command("say what would be fetched", _add_describe, describe),
    "descendant": Command("say what a descendant is, by its id", _add_descendant, descendant),
    "plan": Command("say which sizes fit a budget, best first", _add_plan, plan),
}

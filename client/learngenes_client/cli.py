"""learngenes-client: the client's calls from a shell.

    learngenes-client fetch --depth 9 --width 384 --out vit.safetensors
    learngenes-client describe --depth 9 --width 384 --json
    learngenes-client plan --max-params 12M
    learngenes-client learngenes
    learngenes-client methods

Exit status: 0 done; 1 the service, the network or the disk said no; 2 a wrong command line; 130 Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from learngenes_client.arguments import BUDGET, DEFAULT_URL, REQUEST, VARIABLE, Run, parser
from learngenes_client.cache import copy_whole
from learngenes_client.client import Client
from learngenes_client.errors import ClientError, InvalidArgument
from learngenes_client.models import CONFIG_FILE, MODEL_FILE, Document, Learngene, Steps
from learngenes_client.ranking import Estimate, Ranking

SHOWN_EXCLUSIONS = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status. A wrong command line leaves by SystemExit(2)."""
    runs = {"fetch": fetch, "describe": describe, "plan": plan, "learngenes": learngenes, "methods": methods}
    options = parser(runs).parse_args(arguments)
    url = options.url or os.environ.get(VARIABLE) or DEFAULT_URL
    run: Run = options.run
    try:
        with Client(url, cache=options.cache) as client:
            run(client, options)
    except InvalidArgument as error:
        return _fail(error, 2)
    except (ClientError, OSError) as error:
        return _fail(error, 1)
    except KeyboardInterrupt:
        return _fail("stopped; what has arrived is kept", 130)
    return 0


def fetch(client: Client, options: argparse.Namespace) -> None:
    """Print where the checkpoint is."""
    out: Path | None = options.out
    if out and (out.is_dir() or not out.parent.is_dir()):
        raise InvalidArgument(f"--out names a file in a folder that exists, got {str(out)!r}")
    model = client.fetch_model(**_size_and_choices(options))
    if out:
        copy_whole(model.path, out)
    path = out or model.path
    if options.json:
        _print_json({"path": str(path), "config": str(model.path.parent / CONFIG_FILE), **model.document.raw})
    else:
        print(path)


def describe(client: Client, options: argparse.Namespace) -> None:
    """Print what would be fetched."""
    document = client.describe(**_size_and_choices(options))
    _print_json(document.raw) if options.json else print(_summary(document))


def plan(client: Client, options: argparse.Namespace) -> None:
    """Print which sizes fit a budget, best first."""
    ranking = client.plan(**{name: getattr(options, name) for name in BUDGET})
    _print_json(ranking.raw) if options.json else print(_table(ranking))


def learngenes(client: Client, options: argparse.Namespace) -> None:
    """Print one learngene, or all."""
    if options.name:
        learngene = client.learngene(options.name)
        _print_json(learngene.raw) if options.json else print(_line(learngene))
        return
    catalog = client.learngenes()
    if options.json:
        entries = [learngene.raw for learngene in catalog.learngenes]
        _print_json({"default": catalog.default, "learngenes": entries})
        return
    for learngene in catalog.learngenes:
        print(_line(learngene) + ("  (default)" if learngene.name == catalog.default else ""))


def methods(client: Client, options: argparse.Namespace) -> None:
    """Print all methods."""
    found = client.methods()
    if options.json:
        _print_json({"methods": [method.raw for method in found]})
        return
    for method in found:
        print(f"{method.name}  {method.title}")
        for name, schema in method.options.items():
            meaning = f": {schema['description']}" if "description" in schema else ""
            print(f"    {name}={json.dumps(schema.get('default'))}{meaning}")


def _size_and_choices(options: argparse.Namespace) -> dict[str, Any]:
    given: list[tuple[str, Any]] = options.option or []
    names = [name for name, _ in given]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InvalidArgument(f"--option {twice[0]} is given twice")
    return {name: getattr(options, name) for name in REQUEST} | {"options": dict(given) or None}


def _summary(document: Document) -> str:
    return "\n".join(
        [
            f"{document.learngene} ({document.method}), depth {document.depth}, width {document.width}",
            f"id          {document.id}",
            f"parameters  {document.params:,}",
            f"macs        {document.macs:,} multiply-adds",
            f"bytes       {document.file(MODEL_FILE).bytes:,} in {document.dtype}, names of {document.keys}",
            f"layer map   {' '.join(map(str, document.layer_map)) or '-'}",
            f"license     {document.license or '-'}",
        ]
    )


def _line(learngene: Learngene) -> str:
    sizes = f"depth {_span(learngene.depth)}, width {_span(learngene.width)}"
    return f"{learngene.name}@{learngene.version}  {learngene.method}  {sizes}"


def _table(ranking: Ranking) -> str:
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
    return "\n".join([*(rows or ["nothing fits"]), *ranking.notes, *reasons])


def _value(estimate: Estimate) -> str:
    if estimate.value is None:
        return "not measured"
    interval = "" if estimate.low is None or estimate.high is None else f" ({estimate.low:.4g} to {estimate.high:.4g})"
    return f"{estimate.value:.4g}{interval}, {estimate.kind}"


def _span(steps: Steps) -> str:
    if steps.first == steps.last:
        return str(steps.first)
    return f"{steps.first} to {steps.last}" + ("" if steps.step == 1 else f" in steps of {steps.step}")


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2))


def _fail(error: object, status: int) -> int:
    sentence = "".join(letter if letter.isprintable() else " " for letter in str(error))
    print(f"learngenes-client: {sentence}", file=sys.stderr)
    return status

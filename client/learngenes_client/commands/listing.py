"""learngenes, methods."""

from __future__ import annotations

import argparse
import json

from learngenes_client.commands.common import DONE, Command, add_service, client, say, show
from learngenes_client.models import Learngene, Steps


def learngenes(options: argparse.Namespace) -> int:
    """Print one learngene, or all."""
    with client(options) as service:
        if options.name:
            learngene = service.learngene(options.name)
            show(learngene.raw) if options.json else say(line(learngene))
            return DONE
        catalog = service.learngenes()
    if options.json:
        entries = [learngene.raw for learngene in catalog.learngenes]
        show({"default": catalog.default, "learngenes": entries})
        return DONE
    for learngene in catalog.learngenes:
        say(line(learngene) + ("  (default)" if learngene.name == catalog.default else ""))
    return DONE


def methods(options: argparse.Namespace) -> int:
    """Print all methods."""
    with client(options) as service:
        found = service.methods()
    if options.json:
        show({"methods": [method.raw for method in found]})
        return DONE
    for method in found:
        say(f"{method.name}  {method.title}")
        for name, schema in method.options.items():
            meaning = f": {schema['description']}" if "description" in schema else ""
            say(f"    {name}={json.dumps(schema.get('default'))}{meaning}")
    return DONE


def line(learngene: Learngene) -> str:
    """A learngene in one line."""
    sizes = f"depth {_span(learngene.depth)}, width {_span(learngene.width)}"
    back = f"  taken back: {learngene.yanked}" if learngene.yanked else ""
    return f"{learngene.name}@{learngene.version}  {learngene.method}  {sizes}{back}"


def _span(steps: Steps) -> str:
    if steps.first == steps.last:
        return str(steps.first)
    return f"{steps.first} to {steps.last}" + ("" if steps.step == 1 else f" in steps of {steps.step}")


def _add_learngenes(parser: argparse.ArgumentParser) -> None:
    add_service(parser)
    parser.add_argument("name", nargs="?", metavar="NAME[@VERSION]", help="only this one")


COMMANDS = {
    "learngenes": Command("list what can be built from", _add_learngenes, learngenes),
    "methods": Command("list ways to build, and their options", add_service, methods),
}

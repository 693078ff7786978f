"""`learngenes-service keys` and `learngenes-service private`: on the store, whether a service runs or not."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from learngenes.catalog import Catalog
from learngenes.store.opened import open_store
from learngenes_service.access.keys import FRESH_SECONDS, SCOPES, Keys
from learngenes_service.settings import Settings

SOON = f"a running service follows within {FRESH_SECONDS:g} seconds"


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands; each leaves in `run` what to call with the settings and the arguments."""
    keys = commands.add_parser("keys", help="add, list and revoke keys", description="Keys of callers.")
    verbs = keys.add_subparsers(required=True, metavar="VERB")
    verb = verbs.add_parser("add", help="make a key and print it, this once")
    verb.add_argument("name", metavar="NAME", help="whom it is for; stands in the log")
    verb.add_argument("--scope", choices=SCOPES, default="read", help="what it may do, all before it included (read)")
    verb.set_defaults(run=_add)
    verb = verbs.add_parser("list", help="name, scope and day of every key")
    verb.set_defaults(run=_list)
    verb = verbs.add_parser("revoke", help=f"end a key; {SOON}")
    verb.add_argument("name", metavar="NAME")
    verb.set_defaults(run=_revoke)
    private = commands.add_parser(
        "private",
        help="hide a learngene from callers without a key",
        description="Hide a learngene from callers without a key, or show it. Marked before it is published, it is "
        f"never seen; marked later, {SOON}.",
    )
    private.add_argument("name", metavar="NAME")
    private.add_argument("state", choices=("on", "off"), metavar="on|off")
    private.set_defaults(run=_private)


def _add(settings: Settings, options: argparse.Namespace) -> None:
    print(_keys(settings).add(options.name, options.scope, at=datetime.now(UTC)))


def _list(settings: Settings, options: argparse.Namespace) -> None:
    for key in _keys(settings).all():
        print(f"{key.name}  {key.scope}  {key.created}")


def _revoke(settings: Settings, options: argparse.Namespace) -> None:
    _keys(settings).revoke(options.name)


def _private(settings: Settings, options: argparse.Namespace) -> None:
    Catalog(open_store(settings.store)).set_private(options.name, options.state == "on")


def _keys(settings: Settings) -> Keys:
    return Keys(open_store(settings.store))

"""learngenes-client: the client's calls from a shell.

    learngenes-client fetch --depth 9 --width 384 --out vit.safetensors
    learngenes-client describe --depth 9 --width 384 --json
    learngenes-client plan --max-params 12M
    learngenes-client submit fit.json --watch
    learngenes-client push vit.safetensors --name my-vit
    learngenes-client cache ls

Exit status:

    0    done
    1    the service, the network or the disk said no
    2    a wrong command line
    3    offline, and the cache does not have it
    4    wrong bytes: what came is not what was promised, or `cache verify` found damage
    5    the job that was watched failed or was cancelled
    130  Ctrl-C; what has arrived is kept
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from learngenes_client.commands import caching, fetching, jobs, listing, publishing
from learngenes_client.commands.common import (
    DAMAGED,
    DONE,
    NO,
    NOT_CACHED,
    STOPPED,
    WRONG,
    Command,
    Run,
    printable,
)
from learngenes_client.errors import ClientError, IntegrityError, InvalidArgument, Offline

DESCRIPTION = "Fetches a Vision Transformer checkpoint of the size you name."
STATUSES = "Exit status" + (__doc__ or "").partition("Exit status")[2]
SHELLS = ("bash", "zsh", "tcsh")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status. A wrong command line leaves by SystemExit(2)."""
    options = parser().parse_args(arguments)
    run: Run = options.run
    try:
        status = run(options)
        sys.stdout.flush()  # what can't be written is found here, and not when the interpreter ends
    except BrokenPipeError:  # whoever read our output has seen enough
        _forget_output()
        return NO
    except InvalidArgument as error:
        return _fail(error, WRONG)
    except Offline as error:
        return _fail(error, NOT_CACHED)
    except IntegrityError as error:
        return _fail(error, DAMAGED)
    except (ClientError, OSError) as error:
        return _fail(error, NO)
    except KeyboardInterrupt:
        return _fail("stopped; what has arrived is kept", STOPPED)
    return status


def parser() -> argparse.ArgumentParser:
    """The parser of all commands; it leaves what to run in `run`."""
    parser = argparse.ArgumentParser(
        prog="learngenes-client",
        description=DESCRIPTION,
        epilog=STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        described = f"{command.help[0].upper()}{command.help[1:]}."
        added = commands.add_parser(name, help=command.help, description=described)
        command.add(added)
        if command.run is not None:
            added.set_defaults(run=command.run)
    return parser


def completion(options: argparse.Namespace) -> int:
    """Print the script that completes this command line in a shell."""
    try:
        import shtab
    except ModuleNotFoundError:
        return _fail("completion needs shtab: pip install 'learngenes-client[completion]'", NO)
    print(shtab.complete(parser(), options.shell))  # a script of ours: its tabs count
    return DONE


def _add_completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, help="for which shell")


COMMANDS: dict[str, Command] = {
    **fetching.COMMANDS,
    **listing.COMMANDS,
    **jobs.COMMANDS,
    **publishing.COMMANDS,
    **caching.COMMANDS,
    "completion": Command("print a script that completes these commands", _add_completion, completion),
}


def _forget_output() -> None:
    """What is still to be written to stdout goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _fail(error: object, status: int) -> int:
    try:
        sys.stdout.flush()
    except OSError:  # a full disk: it is the error, or comes on top of it
        _forget_output()
    print(f"learngenes-client: {printable(error)}", file=sys.stderr)
    return status

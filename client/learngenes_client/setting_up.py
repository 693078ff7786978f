"""From a client's arguments and the environment to the service it asks and the session it works in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from learngenes_client.cache import Cache, cache_root
from learngenes_client.errors import InvalidArgument
from learngenes_client.flows.session import Session
from learngenes_client.progress import Progress
from learngenes_client.service import Service

KEY_VARIABLE = "LEARNGENES_KEY"
OFFLINE_VARIABLE = "LEARNGENES_OFFLINE"
SWITCH = {"": False, "0": False, "false": False, "no": False, "1": True, "true": True, "yes": True}


def set_up(
    base_url: str,
    *,
    cache: Path | str | None,
    key: str | None,
    timeout_seconds: float,
    stall_seconds: float,
    tries: int,
    offline: bool | None,
    local: bool | None,
    progress: Progress | None,
    environment: Mapping[str, str],
) -> tuple[Service, Session]:
    """What is None comes from the environment. InvalidArgument for what can't be."""
    service = Service(
        base_url,
        timeout_seconds=timeout_seconds,
        stall_seconds=stall_seconds,
        key=environment.get(KEY_VARIABLE) if key is None else key,
        tries=tries,
    )
    session = Session(
        address=service.address,
        cache=Cache(cache_root(cache, environment)),
        offline=_switch(environment) if offline is None else offline,
        local=local,
        progress=progress,
    )
    return service, session


def _switch(environment: Mapping[str, str]) -> bool:
    value = environment.get(OFFLINE_VARIABLE, "")
    try:
        return SWITCH[value.lower()]
    except KeyError:
        raise InvalidArgument(f"{OFFLINE_VARIABLE} is 1 or 0, got {value!r}") from None

from __future__ import annotations

from pathlib import Path

import pytest
from learngenes_service.settings import from_environment

from learngenes.errors import InvalidValue, UnknownName


def test_nothing_said_listens_on_the_loopback_and_keeps_things_at_home() -> None:
    settings = from_environment({"HOME": "/home/ada", "PATH": "/bin"})
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.data == Path("/home/ada/.local/share/learngenes")
    assert settings.store == settings.data / "store"


def test_an_empty_variable_counts_as_not_given() -> None:
    names = ("HOST", "PORT", "DATA", "STORE", "DEFAULT", "ZERO_COPY")
    assert from_environment({f"LEARNGENES_{name}": "" for name in names}) == from_environment({})


def test_every_variable_is_read() -> None:
    settings = from_environment(
        {
            "LEARNGENES_HOST": "::1",
            "LEARNGENES_PORT": "0",
            "LEARNGENES_DATA": "/d",
            "LEARNGENES_STORE": "/s",
            "LEARNGENES_DEFAULT": "tiny",
            "LEARNGENES_ZERO_COPY": "0",
        }
    )
    assert (settings.host, settings.port, settings.default, settings.zero_copy) == ("::1", 0, "tiny", False)
    assert (settings.data, settings.store) == (Path("/d"), Path("/s"))


def test_a_misspelt_variable_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'LEARNGENES_PORT'"):
        from_environment({"LEARNGENES_PROT": "8000"})


def test_the_clients_variables_are_none_of_ours() -> None:
    assert from_environment({"LEARNGENES_URL": "http://x", "LEARNGENES_CACHE": "/c"}) == from_environment({})


@pytest.mark.parametrize("port", ["eighty", "-1", "65536", "8000.0", "٨٠"])
def test_a_port_that_cannot_be_is_refused(port: str) -> None:
    with pytest.raises(InvalidValue, match="LEARNGENES_PORT"):
        from_environment({"LEARNGENES_PORT": port})

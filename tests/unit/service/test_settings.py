from __future__ import annotations

from pathlib import Path

import pytest
from learngenes_service.settings import MEANINGS, Settings, from_environment

from learngenes.errors import InvalidValue, UnknownName


def test_nothing_said_listens_on_the_loopback_and_keeps_things_at_home() -> None:
    settings = from_environment({"HOME": "/home/ada", "PATH": "/bin"})
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.data == Path("/home/ada/.local/share/learngenes")
    assert settings.store == "/home/ada/.local/share/learngenes/store"
    assert (settings.runs, settings.image_directory) == (settings.data / "runs", settings.data / "images")


def test_an_empty_variable_counts_as_not_given() -> None:
    assert from_environment({f"LEARNGENES_{name}": "" for name in MEANINGS}) == from_environment({})


def test_every_variable_is_read() -> None:
    given = {
        "HOST": "::1",
        "PORT": "0",
        "DATA": "/d",
        "STORE": "s3://bucket/zoo",
        "DEFAULT": "tiny",
        "STARTER": "0",
        "ZERO_COPY": "0",
        "CACHE_BYTES": "5G",
        "REDIS_URL": "redis://queue:6379/0",
        "WORKERS": "2",
        "IMAGES": "/i",
        "RANKS": "4",
        "JOB_HOURS": "0.5",
        "RUN_BYTES": "500M",
        "FREE_BYTES": "1000",
        "KEEP_JOBS_DAYS": "7",
        "ANONYMOUS": "none",
        "RATE": "600/minute",
        "BODY_BYTES": "64k",
        "UPLOAD_BYTES": "2G",
        "STAGED_BYTES": "8G",
        "LOG": "json",
    }
    assert given.keys() == MEANINGS.keys()
    assert from_environment({f"LEARNGENES_{name}": value for name, value in given.items()}) == Settings(
        host="::1",
        port=0,
        data=Path("/d"),
        store="s3://bucket/zoo",
        default="tiny",
        starter=False,
        zero_copy=False,
        cache_bytes=5 * 10**9,
        redis_url="redis://queue:6379/0",
        workers=2,
        images=Path("/i"),
        ranks=4,
        job_hours=0.5,
        run_bytes=500 * 10**6,
        free_bytes=1000,
        keep_jobs_days=7,
        anonymous="none",
        rate="600/minute",
        body_bytes=64_000,
        upload_bytes=2 * 10**9,
        staged_bytes=8 * 10**9,
        log="json",
    )


@pytest.mark.parametrize(
    ("environment", "allowed"),
    [
        ({}, "train"),
        ({"HOST": "localhost"}, "train"),
        ({"HOST": "0.0.0.0"}, "read"),
        ({"REDIS_URL": "redis://queue"}, "read"),
        ({"HOST": "0.0.0.0", "ANONYMOUS": "train"}, "train"),
        ({"ANONYMOUS": "none"}, "none"),
    ],
)
def test_who_has_no_key_may_train_where_only_this_machine_can_ask(environment: dict[str, str], allowed: str) -> None:
    given = {f"LEARNGENES_{name}": value for name, value in environment.items()}
    assert from_environment(given).anonymous == allowed


def test_a_misspelt_variable_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'LEARNGENES_PORT'"):
        from_environment({"LEARNGENES_PROT": "8000"})


def test_the_clients_variables_are_none_of_ours() -> None:
    foreign = {"LEARNGENES_URL": "http://x", "LEARNGENES_CACHE": "/c", "LEARNGENES_KEY": "lgz_x"}
    assert from_environment(foreign) == from_environment({})


@pytest.mark.parametrize("port", ["eighty", "-1", "65536", "8000.0", "٨٠"])
def test_a_port_that_cannot_be_is_refused(port: str) -> None:
    with pytest.raises(InvalidValue, match="LEARNGENES_PORT"):
        from_environment({"LEARNGENES_PORT": port})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ZERO_COPY", "yes"),
        ("CACHE_BYTES", "much"),
        ("CACHE_BYTES", "-1"),
        ("BODY_BYTES", "1000"),
        ("RANKS", "0"),
        ("JOB_HOURS", "nan"),
        ("JOB_HOURS", "0"),
        ("KEEP_JOBS_DAYS", "inf"),
        ("ANONYMOUS", "write"),
        ("RATE", "many"),
        ("RATE", "0/minute"),
        ("LOG", "xml"),
        ("REDIS_URL", "localhost:6379"),
        ("REDIS_URL", "reddis://localhost:6379"),
        ("REDIS_URL", "redis://localhost:port"),
        ("REDIS_URL", "redis://"),
        ("REDIS_URL", "unix://"),
        ("REDIS_URL", "None"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_its_name(name: str, value: str) -> None:
    with pytest.raises(InvalidValue, match=f"LEARNGENES_{name}"):
        from_environment({f"LEARNGENES_{name}": value})


@pytest.mark.parametrize(
    "url",
    [
        "none",
        "redis://localhost",
        "redis://:p%40ss@queue:6379/0",
        "rediss://ada:pass@[::1]:6380/2?ssl_cert_reqs=none",
        "unix:///run/redis.sock?db=1",
    ],
)
def test_a_queue_is_named_by_its_address_or_none(url: str) -> None:
    assert from_environment({"LEARNGENES_REDIS_URL": url}).redis_url == url


def test_a_password_in_an_address_that_makes_no_sense_is_not_shown() -> None:
    with pytest.raises(InvalidValue, match=r"\.\.\.@queue:x/0'$") as error:
        from_environment({"LEARNGENES_REDIS_URL": "redis://:secret@queue:x/0"})
    assert "secret" not in str(error.value)

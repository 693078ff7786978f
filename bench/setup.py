"""What every measurement is given: the running servers, the subjects, the readers, and how much to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np

from bench import distance, readers, servers, subjects
from bench.readers import Ask, Reader
from bench.servers import Place, Server
from bench.subjects import Subject


@dataclass(frozen=True, slots=True)
class Effort:
    """How much to measure. rounds: pairs for each ratio of throughput (fewer where one takes seconds).

    probes: requests for one distribution of first bytes; builds: of them by torch; starts: of each kind of process.
    seconds: length of a load that runs beside something else.
    """

    rounds: int
    probes: int
    builds: int
    starts: int
    seconds: float


FULL = Effort(rounds=11, probes=200, builds=6, starts=5, seconds=4.0)
QUICK = Effort(rounds=3, probes=40, builds=2, starts=1, seconds=1.0)


@dataclass(frozen=True, slots=True)
class Setup:
    """reader: measures; load: keeps servers busy meanwhile; draw: decides every order that is left to chance."""

    effort: Effort
    place: Place
    small: Subject
    large: Subject
    service: Server
    nginx: Server | None
    files: Server
    reader: Reader
    load: Reader
    draw: np.random.Generator

    @property
    def both(self) -> tuple[Subject, Subject]:
        """The small one and the large one."""
        return self.small, self.large

    def distance(self) -> float:
        """Nanoseconds between the two cores that everything runs on, now; 0 if there is only one."""
        cores = distance.two_cores()
        if cores is None:
            return 0.0
        path = self.place.logs / "ping"
        path.write_bytes(bytes(4096))
        answering = self.load.start(distance.ping, path, core=cores[1], leads=False)
        leading = self.reader.run(distance.ping, path, core=cores[0], leads=True)
        answering.result()
        return leading

    def own_pids(self) -> list[int]:
        """Every process of ours that may run while something is measured, the measuring one excepted."""
        running = [server for server in (self.service, self.nginx, self.files) if server]
        return [self.reader.pid, self.load.pid, *(pid for server in running for pid in server.pids)]


@contextmanager
def running(effort: Effort, place: Place) -> Iterator[Setup]:
    """Everything made, started, and checked to send the same bytes; all of it ended afterwards."""
    small, large = subjects.make(place.data, place.files)
    subjects.reread(place.data)
    subjects.reread(place.files)
    with ExitStack() as stack:
        made = []
        for _ in range(2):
            made.append(Reader())
            stack.callback(made[-1].stop)
        setup = Setup(
            effort=effort,
            place=place,
            small=small,
            large=large,
            service=stack.enter_context(servers.service(place)),
            nginx=stack.enter_context(servers.nginx(place)),
            files=stack.enter_context(servers.file_app(place)),
            reader=made[0],
            load=made[1],
            draw=np.random.default_rng(0),
        )
        check(setup)
        yield setup


def check(setup: Setup) -> None:
    """Correctness first: every server's bytes are the stream's, by sha256 through HTTP; AssertionError otherwise."""
    for subject in setup.both:
        asks = [setup.service.post(subject.body), setup.service.get(subject.path), *others(setup, subject).values()]
        for ask in asks:
            found = setup.reader.run(readers.sha256, ask)
            assert found == (subject.sha256, subject.size), f"{ask} sent {found}, the stream is {subject}"


def others(setup: Setup, subject: Subject) -> dict[str, Ask]:
    """The same bytes from the other servers, by what they are called in the table."""
    asks = {
        "FileResponse": setup.files.get(f"/file/{subject.file.name}"),
        "StreamingResponse": setup.files.get(f"/stream/{subject.file.name}"),
    }
    if setup.nginx is None:
        return asks
    return {"nginx sendfile": setup.nginx.get(f"/{subject.file.name}")} | asks

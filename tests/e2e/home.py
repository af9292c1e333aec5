"""A local stack as people start it: `hoso` as a process, in a data folder and on ports of its own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.kafka import free_port

HOSO: Final = Path(sys.executable).with_name("hoso")
PORTS: Final = ("KAFKA", "KAFKA_CONTROLLER", "WORKER", "GATEWAY", "MONITOR", "REPORTS", "SQL")
WAIT_S_MAX: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A data folder, and the environment that names it and its ports."""

    var: Path
    environment: dict[str, str]

    def port(self, name: str) -> int:
        return int(self.environment[f"HOSO_{name}_PORT"])

    def hoso(self, *arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [HOSO, *arguments],
            env=self.environment | changed,
            capture_output=True,
            text=True,
            check=False,
            timeout=WAIT_S_MAX,
        )

    def start(self, command: str = "up", **changed: str) -> subprocess.Popen[str]:
        """`hoso up` or `hoso demo`, with what it says on standard error in up.log."""
        with (self.var / "up.log").open("w") as log:
            return subprocess.Popen(
                [HOSO, command, "--json"], env=self.environment | changed, stdout=subprocess.PIPE, stderr=log, text=True
            )

    def said(self) -> str:
        return (self.var / "up.log").read_text()


def make_home(var: Path, jars: list[Path]) -> Home:
    """A new one, on free ports, with the jars that are there already."""
    (var / "kafka").mkdir(parents=True)
    (var / "kafka" / "jars").symlink_to(jars[0].parent.absolute())
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("HOSO_")}
    ports = {f"HOSO_{name}_PORT": str(free_port()) for name in PORTS}
    return Home(var=var, environment=inherited | ports | {"HOSO_VAR": str(var)})


def read_document(home: Home, process: subprocess.Popen[str]) -> Any:
    """The document that is printed once there is something to say."""
    assert process.stdout is not None
    lines = []
    while line := process.stdout.readline():
        lines.append(line)
        if line.rstrip() == "}":
            return json.loads("".join(lines))
    raise AssertionError(home.said())


def stop(process: subprocess.Popen[str]) -> int:
    """Stop it as a person would, and return its exit code; harmless for one that has ended."""
    process.terminate()
    try:
        return process.wait(timeout=WAIT_S_MAX)
    finally:
        process.kill()
        assert process.stdout is not None
        process.stdout.close()

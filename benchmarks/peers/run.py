"""Runs a peer written in Python, each in a process of its own: some in our environment, some in one of their own."""

import asyncio
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Final

from benchmarks.peers.result import read_result
from benchmarks.stand import VAR, Load
from services.local.leash import leashed

REQUIREMENTS: Final = Path(__file__).with_name("requirements.txt")
END_S_MAX: Final = 20.0
RUN_S_MAX: Final = 300.0


def python_of_peers() -> Path:
    """The interpreter of an environment with the peers' packages, made anew when what they need has changed."""
    folder = VAR / "peers" / "venv"
    ready = folder / f".ready-{hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:16]}"
    python = folder / "bin" / "python"
    if not ready.exists():
        print("installing the peers' packages", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        install = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", REQUIREMENTS)
        subprocess.run([python, *install], check=True)
        ready.touch()
    return python


async def run_peer(
    name: str, load: Load, variables: Mapping[str, str], *, root: Path, python: Path = Path(sys.executable)
) -> float:
    """Events per second of `benchmarks.peers.NAME` on topics that hold `load`; its count of dossiers is checked."""
    out = root / f"{name}.result"
    out.unlink(missing_ok=True)
    command = [str(python), "-m", f"benchmarks.peers.{name}", str(load.events), str(out)]
    with running(command, variables, log=root / f"{name}.log") as process:
        give_up_at = monotonic() + RUN_S_MAX
        while not out.exists():
            if monotonic() > give_up_at:
                raise RuntimeError(f"{name} did not end within {RUN_S_MAX:.0f} s")
            if process.poll() is not None and not out.exists():
                raise RuntimeError(f"{name} ended early:\n{(root / f'{name}.log').read_text()[-4000:]}")
            await asyncio.sleep(0.1)
    result = read_result(out)
    if result.received != load.accepted:
        raise RuntimeError(f"{name} counted {result.received} dossiers, {load.accepted} were accepted")
    return load.events / result.seconds


@contextmanager
def running(command: Sequence[str], variables: Mapping[str, str], *, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A child process that ends with the block, whatever happens in it."""
    with (
        log.open("wb") as file,
        subprocess.Popen(leashed(command), env={**os.environ, **variables}, stdout=file, stderr=file) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(END_S_MAX)
            except subprocess.TimeoutExpired:
                process.kill()

"""The API key of this machine's own stack, so that the first event can be sent without asking anybody.

The clear key lies in var/demo.key for `hoso send` and the demo; a deployment makes its own sources file and has none.
`python -m services.local.key` makes it where no `hoso up` does, as in docker-compose.yml.
"""

import os
from pathlib import Path
from typing import Final

from schemas.settings import Settings, read_settings
from services.gateway.sources import EVERY_UNIT, create_source

SOURCE: Final = "https://motcua.uongbi.example"  # the samples' source is below it, so they can be sent as they are


def key_path(settings: Settings) -> Path:
    """Where the clear key is."""
    return settings.var / "demo.key"


def read_key(settings: Settings) -> str | None:
    """The local key; None when there is none."""
    path = key_path(settings)
    return path.read_text().strip() if path.exists() else None


def ensure_key(settings: Settings) -> None:
    """Make the key when there is no sources file yet, or when the local one has lost its clear key.

    A sources file that somebody named is never touched: whoever wrote it hands out the keys.
    """
    path = key_path(settings)
    if settings.sources_path.exists() and (settings.sources_file is not None or path.exists()):
        return
    key = create_source(settings.sources_path, SOURCE, [EVERY_UNIT])
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.fchmod(descriptor, 0o600)  # O_CREAT leaves the mode of an older file
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{key}\n")


if __name__ == "__main__":
    ensure_key(read_settings())

"""`python -m services.reports`: history over HTTP as a process of its own."""

import asyncio
import sys
from typing import Final

from schemas.errors import SettingsError
from schemas.logs import configure_logs
from schemas.settings import Settings, read_settings
from services.http import stop_on_signals
from services.reports.app import run

EXIT_SETTINGS: Final = 2  # a supervisor does not start it again


def main() -> None:
    """Serve until SIGTERM or SIGINT; exit code 2, and what to change, when the settings cannot work."""
    try:
        settings = read_settings()
        configure_logs(settings)
        asyncio.run(_run(settings))
    except SettingsError as error:
        sys.stderr.write(f"hoso reports: {error}\n")
        sys.exit(EXIT_SETTINGS)


async def _run(settings: Settings) -> None:
    await run(settings, stop=stop_on_signals())


if __name__ == "__main__":
    main()

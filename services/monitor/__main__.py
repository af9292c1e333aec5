"""`python -m services.monitor`: the monitor as a process of its own."""

import asyncio
import sys

from schemas.errors import SettingsError
from schemas.settings import Settings, read_settings
from services.http import stop_on_signals
from services.monitor.app import Monitor


def main() -> None:
    """Serve until SIGTERM or SIGINT; exits with what to change when the settings cannot work."""
    try:
        asyncio.run(_run(read_settings()))
    except SettingsError as error:
        sys.exit(f"hoso monitor: {error}")


async def _run(settings: Settings) -> None:
    await Monitor(settings).run(stop=stop_on_signals())


if __name__ == "__main__":
    main()

"""`python -m streams`: one worker."""

import sys

import faust
import structlog

from schemas.errors import SettingsError
from schemas.settings import read_settings
from streams.app import create_app


def main() -> int:
    """Run a worker until a signal; exit code 2 when the settings cannot work."""
    try:
        settings = read_settings()
        app = create_app(settings, now=settings.now)
    except (SettingsError, KeyError) as error:
        structlog.get_logger().critical("settings", error=str(error))
        return 2
    worker = faust.Worker(app, loglevel="WARNING", redirect_stdouts=False)
    worker.execute_from_commandline()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`python -m streams`: one worker."""

import sys

import faust

from schemas.errors import SettingsError
from schemas.logs import configure_logs
from schemas.settings import read_settings
from streams.app import create_app

EXIT_SETTINGS = 2  # starting again would not help


def main() -> int:
    """Run a worker until a signal; exit code 2 when the settings cannot work."""
    try:
        settings = read_settings()
        configure_logs(settings)
        app = create_app(settings, now=settings.now)
    except (SettingsError, KeyError) as error:
        print(f"hoso worker: {error}", file=sys.stderr)
        return EXIT_SETTINGS
    # Quiet, without a spinner and with our logs: Faust would draw on standard output and set up logging of its own.
    worker = faust.Worker(app, quiet=True, override_logging=False, redirect_stdouts=False)
    worker.spinner = None
    worker.execute_from_commandline()
    return 0


if __name__ == "__main__":
    sys.exit(main())

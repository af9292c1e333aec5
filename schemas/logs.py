"""What every process writes on standard error: JSON lines for machines, readable lines on a terminal.

Both `structlog` and the standard library's loggers end up here, so that all lines look alike. Neither shows the local
variables of a traceback: they may hold payloads.
"""

import logging
import sys
from types import TracebackType
from typing import Final

import structlog

from schemas.settings import Settings

CHATTY: Final = ("aiokafka", "asyncio", "clickhouse_connect", "faust", "httpcore", "httpx", "mode", "uvicorn")
"""Libraries whose daily business is not ours; their warnings are."""


def configure_logs(settings: Settings) -> None:
    """Call it once, in `main()`, before anything is logged."""
    terminal = sys.stderr.isatty()
    as_json = not terminal if settings.log_json is None else settings.log_json
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    rendered: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
        if as_json
        else [structlog.dev.ConsoleRenderer(colors=terminal, exception_formatter=structlog.dev.plain_traceback)]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendered],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    logging.captureWarnings(capture=True)
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    sys.excepthook = _log_crash


def _log_crash(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
        return
    structlog.get_logger("hoso").critical("crashed", exc_info=(kind, error, traceback))

"""`hoso`: every subcommand, and what an error means for the exit code.

Exit codes: 0 done; 1 done, and something differs or was refused (the output says what); 2 wrong usage or settings;
3 a broker, server or service cannot be reached; 130 interrupted.
"""

import logging
import sys
from typing import Final

import typer

from schemas.errors import ContractError, SettingsError, Unavailable
from services.cli import (
    audit,
    config,
    corrections,
    demo,
    doctor,
    explain,
    import_,
    lag,
    migrate,
    reference,
    report,
    send,
    sql,
    up,
    what_if,
)
from services.cli.output import complain

EXIT_DIFFERS: Final = 1
EXIT_USAGE: Final = 2
EXIT_UNAVAILABLE: Final = 3
EXIT_INTERRUPTED: Final = 130

app = typer.Typer(
    name="hoso",
    help="Live counters and exact history of administrative dossiers. Settings are HOSO_ variables: `hoso config`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo.demo)
app.command("up")(up.up)
app.command("send")(send.send)
app.command("import")(import_.import_)
app.command("report")(report.report)
app.command("corrections")(corrections.corrections)
app.add_typer(explain.app, name="explain")
app.command("what-if")(what_if.what_if)
app.command("sql")(sql.sql)
app.command("lag")(lag.lag)
app.command("audit")(audit.audit)
app.command("migrate")(migrate.migrate)
app.add_typer(reference.app, name="reference")
app.command("doctor")(doctor.doctor)
app.command("config")(config.config)


def main() -> None:
    """Run the command line; a known error is one line, an unknown one keeps its traceback."""
    for client in ("aiokafka", "clickhouse_connect"):
        logging.getLogger(client).setLevel(logging.CRITICAL)  # what they complain of is raised too, or met again
    try:
        app()
    except (SettingsError, ContractError) as error:
        complain(str(error))
        sys.exit(EXIT_USAGE)
    except Unavailable as error:
        complain(str(error))
        sys.exit(EXIT_UNAVAILABLE)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)

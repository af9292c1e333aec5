"""What processes write on standard error."""

import json
import subprocess
import sys

PROGRAM = """
import logging, warnings
import structlog
from schemas.logs import configure_logs
from schemas.settings import read_settings

configure_logs(read_settings())
structlog.get_logger("ours").info("opened", partition=3, unit="Uông Bí")
logging.getLogger("theirs").warning("%d left", 7)
logging.getLogger("aiokafka.client").info("daily business")
warnings.warn("old")
payload = "what must not be logged"
raise ValueError("wrong")
"""


def lines_of(log_json: str) -> list[str]:
    """What the program writes; its standard error is no terminal."""
    environment = {"HOSO_LOG_JSON": log_json, "PYTHONWARNINGS": "default"}
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    return ended.stderr.splitlines()


def test_every_line_is_json_where_no_terminal_is_even_that_of_a_crash() -> None:
    lines = [json.loads(line) for line in lines_of("")]
    said = [(line["logger"], line["level"], line["event"]) for line in lines]
    assert said[:2] == [("ours", "info", "opened"), ("theirs", "warning", "7 left")]
    assert [name for name, _, _ in said[2:]] == ["py.warnings", "hoso"]
    assert (lines[0]["partition"], lines[0]["unit"]) == (3, "Uông Bí")
    assert all(line["timestamp"].endswith("Z") for line in lines)
    assert lines[-1]["exception"].endswith("ValueError: wrong")


def test_people_get_readable_lines_on_demand() -> None:
    lines = lines_of("false")
    assert "[info     ] opened" in lines[0]
    assert "\x1b" not in "".join(lines), "colours are for terminals"
    assert lines[-1] == "ValueError: wrong"


def test_no_traceback_shows_local_variables() -> None:
    for log_json in ("true", "false"):
        assert "must not be logged" not in "\n".join(lines_of(log_json))

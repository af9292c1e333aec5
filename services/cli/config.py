"""`hoso config`: every setting with its value and where that comes from."""

import sys
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from schemas.settings import PREFIX, Settings, read_settings
from services.cli.output import AsJson, print_json

MASK: Final = "********"
ENVIRONMENT: Final = "environment"
DEFAULT: Final = "default"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One setting, as people and documents show it."""

    variable: str
    value: str
    default: str
    source: str
    description: str


def config(as_json: AsJson = False) -> None:
    """Show every setting: its variable, value, default and meaning. Secrets are masked.

    Example: HOSO_GATEWAY_PORT=28080 hoso config

    Exit code: 0 the settings can work; 2 a variable is unknown or wrong, and the message names it.
    """
    entries = [*entries_of(read_settings())]
    if as_json:
        print_json(entries)
    else:
        for entry in entries:
            changed = f"  # not {entry.default or 'empty'}" if entry.source == ENVIRONMENT else ""
            sys.stdout.write(f"{entry.variable}={entry.value}{changed}\n    {entry.description}\n")


def entries_of(settings: Settings) -> Iterator[Entry]:
    """Every setting, in the order of its class."""
    for name, info in Settings.model_fields.items():
        yield Entry(
            variable=variable_of(name),
            value=text_of(getattr(settings, name)),
            default=text_of(info.default),
            source=ENVIRONMENT if name in settings.model_fields_set else DEFAULT,
            description=info.description or "",
        )


def variable_of(field: str) -> str:
    """The environment variable of a setting."""
    return f"{PREFIX}{field.upper()}"


def text_of(value: Any) -> str:
    """A value as the environment would spell it; a secret that is set is masked."""
    if isinstance(value, SecretStr):
        return MASK if value.get_secret_value() else ""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def markdown_table() -> str:
    """The settings as docs/operations.md lists them."""
    lines = ["| variable | default | what it is |", "|---|---|---|"]
    for name, info in Settings.model_fields.items():
        lines.append(f"| `{variable_of(name)}` | {_code(info)} | {info.description or ''} |")
    return "\n".join(lines)


def _code(info: FieldInfo) -> str:
    text = text_of(info.default)
    return f"`{text}`" if text else ""

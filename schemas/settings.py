"""Every setting, once. Read in `main()`, frozen, passed down; an unknown `HOSO_` variable is an error.

Each process reads the same class, so that two processes cannot disagree about a name.
"""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

from pydantic import AwareDatetime, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from schemas.errors import SettingsError
from schemas.topics import TopicNames

PREFIX: Final = "HOSO_"
Port = Annotated[int, Field(ge=1, le=65535)]


class Settings(BaseSettings):
    """All settings with their defaults: those of the local stack. The field's name after `HOSO_` is the variable."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", secrets_dir=None)

    var: Path = Field(Path("var"), description="Where the local stack keeps its data, keys and logs.")
    host: str = Field("127.0.0.1", description="The address that services listen on.")

    kafka: str = Field("", description="Bootstrap servers; empty: the local stack's broker on kafka_port.")
    kafka_port: Port = Field(19092, description="Port of the local stack's broker.")
    kafka_controller_port: Port = Field(19093, description="Port of the local broker's controller.")
    kafka_replication: Annotated[int, Field(ge=1)] = Field(1, description="Replicas of each topic.")
    topic_prefix: str = Field("", description="Put before every topic and consumer group.")
    partitions: Annotated[int, Field(ge=1, le=1024)] = Field(
        4, description="Partitions of the topics keyed by dossier."
    )

    policy: str = Field("vn-day-1", description="The policy where neither facts nor the unit's rules name one.")
    policies_file: Path | None = Field(None, description="Policies; empty: those that come with Hoso.")
    calendars_file: Path | None = Field(None, description="Calendars; empty: those that come with Hoso.")
    procedures_file: Path | None = Field(None, description="Procedures; empty: those that come with Hoso.")
    units_file: Path | None = Field(None, description="Units; empty: those that come with Hoso.")
    clock: AwareDatetime | None = Field(
        None, description="Judge open dossiers at this instant instead of now: for demonstrations and audits."
    )

    worker_port: Port = Field(19094, description="Port of the worker's own health page.")
    slice_events_max: Annotated[int, Field(ge=1)] = Field(
        5000, description="Events of one slice; a partition with as many uncommitted waits."
    )
    tick_s: Annotated[float, Field(gt=0)] = Field(1.0, description="How often the clock alone may move counters.")
    session_timeout_s: Annotated[float, Field(ge=6)] = Field(
        10.0, description="After this silence a worker is given up."
    )

    gateway_port: Port = Field(18080, description="Port of the gateway.")
    sources_file: Path | None = Field(None, description="API keys by source; empty: var/sources.json.")
    body_bytes_max: Annotated[int, Field(ge=1024)] = Field(16 * 1024 * 1024, description="Largest request body.")
    repeat_window: Annotated[int, Field(ge=0)] = Field(1_000_000, description="Events remembered to recognise repeats.")

    monitor_port: Port = Field(18081, description="Port of the monitor and its page.")
    stale_after_s: Annotated[float, Field(gt=0)] = Field(10.0, description="Counters older than this are called stale.")

    reports_port: Port = Field(18082, description="Port of the reports: as-of, lineage, what-if.")

    clickhouse: str = Field("", description="host:port of a ClickHouse server; empty: the embedded engine in var.")
    clickhouse_user: str = "default"
    clickhouse_password: SecretStr = SecretStr("")
    clickhouse_secure: bool = False
    sql_port: Port = Field(18123, description="Port of the read-only SQL door on the embedded engine.")
    sink_rows_max: Annotated[int, Field(ge=1, le=200_000)] = Field(50_000, description="Rows of one insert.")
    sink_wait_s: Annotated[float, Field(gt=0)] = Field(0.5, description="How long a smaller insert waits to grow.")

    log_json: bool | None = Field(None, description="JSON log lines; empty: when standard error is no terminal.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only arguments: `read_settings` hands the environment over, so nothing else can reach in."""
        return (init_settings,)

    @property
    def bootstrap(self) -> str:
        """The broker to talk to."""
        return self.kafka or f"{self.host}:{self.kafka_port}"

    @property
    def topics(self) -> TopicNames:
        """Topic names under this deployment's prefix."""
        return TopicNames(self.topic_prefix)

    @property
    def group(self) -> str:
        """Consumer group and transactional id prefix of the processor."""
        return f"{self.topic_prefix}hoso-processor"

    @property
    def sources_path(self) -> Path:
        """Where the API keys are."""
        return self.sources_file or self.var / "sources.json"

    def now(self) -> datetime:
        """The office's clock: the real one, unless `clock` holds it still. Only outermost code asks."""
        return self.clock or datetime.now(UTC)


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from the environment; `SettingsError` names the variable that is wrong or unknown."""
    given = os.environ if environment is None else environment
    values: dict[str, str] = {}
    for name, text in given.items():
        if not name.startswith(PREFIX):
            continue
        field = name.removeprefix(PREFIX).lower()
        if field not in Settings.model_fields:
            raise SettingsError(f"{name} is no setting of Hoso; `hoso config` lists them all")
        if text:
            values[field] = text
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise SettingsError(f"{PREFIX}{str(first['loc'][0]).upper()}: {first['msg']}") from None

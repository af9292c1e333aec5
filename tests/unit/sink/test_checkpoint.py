"""Every row of the start-up decision table, and nothing else starts."""

from uuid import UUID

import pytest

from services.sink.checkpoint import (
    Log,
    LogShorterError,
    LogTruncatedError,
    Mark,
    Place,
    Start,
    TableEmptiedError,
    TableHoleError,
    TopicRecreatedError,
    UnsafeStartError,
    check_topic,
    decide,
)

PLACE = Place(topic="dossier-events", partition=2, table="raw.events")
TABLE = "raw.events"
FIRST_ID, SECOND_ID = UUID(int=1), UUID(int=2)


@pytest.mark.parametrize(
    ("mark", "committed", "log", "start"),
    [
        pytest.param(None, None, Log(start=0, end=0), Start(at=0), id="nothing anywhere"),
        pytest.param(None, None, Log(start=0, end=9), Start(at=0), id="a new table reads from the beginning"),
        pytest.param(None, None, Log(start=5, end=9), Start(at=5), id="the log may begin above zero"),
        pytest.param(
            Mark(last=9, batch_first=4), 10, Log(start=0, end=50), Start(at=4, repeat_to=9), id="repeat and go on"
        ),
        pytest.param(
            Mark(last=9, batch_first=4), 10, Log(start=0, end=10), Start(at=4, repeat_to=9), id="nothing new to read"
        ),
        pytest.param(
            Mark(last=9, batch_first=4), None, Log(start=0, end=50), Start(at=4, repeat_to=9), id="never committed"
        ),
        pytest.param(
            Mark(last=9, batch_first=4), 5, Log(start=0, end=50), Start(at=4, repeat_to=9), id="the hint lags behind"
        ),
        pytest.param(
            Mark(last=9, batch_first=4),
            40,
            Log(start=0, end=50),
            Start(at=4, repeat_to=9),
            id="the table lost its tail: it is read again whatever the hint says",
        ),
        pytest.param(
            Mark(last=9, batch_first=4),
            10,
            Log(start=4, end=50),
            Start(at=4, repeat_to=9),
            id="the batch is just there",
        ),
        pytest.param(
            Mark(last=9, batch_first=4),
            10,
            Log(start=5, end=50),
            Start(at=10),
            id="retention has taken part of the last batch, which is one whole part in the table",
        ),
        pytest.param(
            Mark(last=9, batch_first=4), 10, Log(start=10, end=50), Start(at=10), id="retention up to the mark"
        ),
        pytest.param(Mark(last=9), 10, Log(start=0, end=50), Start(at=10), id="an upsert repeats nothing"),
    ],
)
def test_safe_starts(mark: Mark | None, committed: int | None, log: Log, start: Start) -> None:
    assert decide(PLACE, mark=mark, committed=committed, log=log) == start


@pytest.mark.parametrize(
    ("mark", "committed", "log", "error"),
    [
        pytest.param(None, 10, Log(start=0, end=50), TableEmptiedError, id="the table was emptied"),
        pytest.param(
            Mark(last=9, batch_first=4), 10, Log(start=0, end=9), LogShorterError, id="the log has lost its tail"
        ),
        pytest.param(Mark(last=9, batch_first=4), None, Log(start=0, end=0), LogShorterError, id="the log is empty"),
        pytest.param(
            Mark(last=9, batch_first=4), 10, Log(start=11, end=50), LogTruncatedError, id="retention passed the mark"
        ),
        pytest.param(
            Mark(last=9, batch_first=4, missing=3), 10, Log(start=0, end=50), TableHoleError, id="a lost part"
        ),
    ],
)
def test_unsafe_starts_name_place_and_remedy(
    mark: Mark | None, committed: int | None, log: Log, error: type[UnsafeStartError]
) -> None:
    with pytest.raises(error, match=r"dossier-events:2 -> raw\.events: .+\. .+") as caught:
        decide(PLACE, mark=mark, committed=committed, log=log)
    assert caught.value.place == PLACE


def test_an_emptied_table_is_filled_anew_when_the_operator_says_so() -> None:
    assert decide(PLACE, mark=None, committed=10, log=Log(start=0, end=50), rebuild=True) == Start(at=0)


def test_rebuild_excuses_nothing_else() -> None:
    with pytest.raises(LogShorterError):
        decide(PLACE, mark=Mark(last=9), committed=10, log=Log(start=0, end=5), rebuild=True)


def test_a_table_belongs_to_one_topic() -> None:
    check_topic(topic="dossier-events", table=TABLE, filled_from=None, topic_id=FIRST_ID)
    check_topic(topic="dossier-events", table=TABLE, filled_from=("dossier-events", FIRST_ID), topic_id=FIRST_ID)
    with pytest.raises(TopicRecreatedError, match="created anew"):
        check_topic(topic="dossier-events", table=TABLE, filled_from=("dossier-events", FIRST_ID), topic_id=SECOND_ID)
    with pytest.raises(TopicRecreatedError, match="HOSO_TOPIC_PREFIX"):
        check_topic(
            topic="b-dossier-events", table=TABLE, filled_from=("a-dossier-events", FIRST_ID), topic_id=FIRST_ID
        )

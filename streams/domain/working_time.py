"""Time that counts: what of a span between two moments is charged to an office.

Calendars and office hours are not modelled yet: every microsecond counts. This is the one place that will know them.
"""


def between(start: int, end: int) -> int:
    """Microseconds that count from `start` to `end` (both since 1970); never negative."""
    return max(0, end - start)

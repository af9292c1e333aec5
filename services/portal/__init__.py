"""Payloads of the national portal as events: pure functions, no I/O (docs/portal.md)."""

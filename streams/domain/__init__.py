"""The core: what "early", "overdue" or "paused" means is decided here only. No I/O, no clock, no logging."""

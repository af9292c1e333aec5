"""The audit: a second, slow reading of the log by its own rules, held against everything that was derived from it."""

"""The processor: folds the log of facts into states and counters, one transaction per slice."""

"""Files of other systems as events: what `hoso import` does, without its command line (docs/import.md)."""

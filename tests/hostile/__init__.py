"""Hostile histories: seeded, synthetic, as bad as a log may be; four readings of them must agree."""

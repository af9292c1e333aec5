"""The processor's job in other systems: the same events, a state per dossier, tallies per unit."""

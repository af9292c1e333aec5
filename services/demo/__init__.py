"""A city's year that never was: synthetic dossiers whose sums are the published figures of Uông Bí for 2021."""

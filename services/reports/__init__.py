"""Official figures: the report form II.06a and the indicators of QD 766, for any unit, period and cut-off."""

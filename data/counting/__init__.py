"""From a log, or from files where they lie, to counts of measurement patterns per cell."""

"""`evaluate`: every score of a training run, on any set, with intervals over subjects."""

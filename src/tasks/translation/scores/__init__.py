"""What a translation is scored by, beside its values: distances of sets, and a finished run that reads it."""

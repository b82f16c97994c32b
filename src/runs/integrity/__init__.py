"""Files of a run that are read again: checked as they are read, restored from copies, or refused."""

"""Commands, processes and signals: how a run starts and ends."""

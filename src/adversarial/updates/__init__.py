"""Updates: one batch becomes one optimizer step for each player."""

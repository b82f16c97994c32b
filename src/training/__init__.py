"""From a validated configuration to data, task, trainer and results."""

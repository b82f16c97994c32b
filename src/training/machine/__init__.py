"""Planner of the machine: precision, memory layout and threads of a run, by evidence and by timing."""

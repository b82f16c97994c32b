"""Paired comparison of finished runs: differences with intervals, verdicts, and cases side by side."""

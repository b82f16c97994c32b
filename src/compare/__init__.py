"""Paired comparison of finished runs: differences with intervals, a verdict for each score, cases side by side."""

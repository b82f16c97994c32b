"""Start from weights: where they come from, which of them fit, and which stay as they are."""

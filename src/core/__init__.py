"""Configuration, the run directory, and what is built from them."""

"""Configuration: composed by Hydra, validated, resolved, and read back from other versions."""

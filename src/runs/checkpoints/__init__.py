"""Checkpoints: files with a checksum, the last few kept, and which of them a run goes on from."""

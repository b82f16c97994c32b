"""What the machine can do: its memory allocator, and the arithmetic of its processor."""

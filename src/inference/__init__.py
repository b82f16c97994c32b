"""A finished run applied: its network with its weights, and new files on their way there and back."""

"""What watches a run: checkpoints, sample pictures, progress, history."""

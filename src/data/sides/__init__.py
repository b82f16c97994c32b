"""Training batches whose images and targets are drawn independently (`data.unpaired`)."""

"""From file to network input: the deterministic preparation, augmentation and patches."""

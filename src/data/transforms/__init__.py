"""From file to network input: preparation, augmentation, degradation and patches."""

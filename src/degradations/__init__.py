"""What a scanner does to a clean image, in physical terms."""

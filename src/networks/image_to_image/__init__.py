"""Networks from an image to an image or to maps."""

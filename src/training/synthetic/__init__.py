"""`synthetic`: images of a finished run of synthesis that take the place of training images."""

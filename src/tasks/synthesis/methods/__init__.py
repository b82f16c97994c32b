"""Methods of synthesis: how a generator of images from noise learns."""

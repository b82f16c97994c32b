"""A run as a MONAI bundle: network, preparation, inference and the way back, without GANatomy."""

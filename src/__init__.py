"""GANatomy: train, compare and ship GANs for medical images."""

__version__ = "0.1.0"

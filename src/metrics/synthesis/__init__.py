"""How good a set of synthetic images is: near to the real ones, as varied as they, and no copy of them.

All take sets of images [n, C, H, W] on one device, in any units: what is compared is scaled by the real set.
"""

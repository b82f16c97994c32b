"""Scores of a set of synthetic images: nearness to the real ones, variety, and memorisation.

All take sets of images [n, C, H, W] on one device, in any units: intensities are scaled by the real set.
"""

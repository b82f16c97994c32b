"""Scores of translated images: inside a region, on a fixed range; of lesions that are kept or invented."""

"""Checks of losses, penalties, weights and augmentations of the user's own before they are used."""

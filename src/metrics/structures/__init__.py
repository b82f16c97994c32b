"""Scores of what a label map draws: are structures found as a whole?"""

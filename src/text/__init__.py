"""Text for people: names from outside as they are shown, cells as a spreadsheet may see them, sizes."""

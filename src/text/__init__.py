"""Text for people: names as they are shown, cells as a spreadsheet may see them, sizes, values."""

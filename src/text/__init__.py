"""Text that came from outside: names as they are shown, cells as a spreadsheet may see them."""

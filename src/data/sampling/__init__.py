"""How often training draws a case: by its classes, or by a table of weights."""

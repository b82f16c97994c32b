"""Paper experiments as code: arms over seeds, claims, and what the runs say about them."""

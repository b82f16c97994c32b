"""What a score has to beat: predictors that learn next to nothing, scored as `baseline/<name>/<score>`."""

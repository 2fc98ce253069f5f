"""The laboratory: an embedded AWS, models of what it does not emulate, and the live demo."""

"""The scalers to compare."""

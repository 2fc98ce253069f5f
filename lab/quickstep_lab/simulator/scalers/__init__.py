"""The scalers that are compared."""

"""AWS in memory: all of the scaler's ports, checked by the real adapters' contract tests."""

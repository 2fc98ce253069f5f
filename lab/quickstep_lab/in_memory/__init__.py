"""AWS in memory: what an evaluation needs of it, checked by the real adapters' contract tests."""

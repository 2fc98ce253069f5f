"""The `quickstep` command."""

__version__ = "0.1.0"
"""Same as in pyproject.toml; a test keeps them equal."""

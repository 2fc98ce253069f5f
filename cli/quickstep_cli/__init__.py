"""The `quickstep` command."""

__version__ = "0.1.0"
"""As in pyproject.toml; a test holds them together."""

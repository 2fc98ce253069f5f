"""The `quickstep` command."""

"""Figures that are claimed, measured: each module prints its own."""

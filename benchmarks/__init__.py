"""Measurements, each a command of its own. Nothing here is a test."""

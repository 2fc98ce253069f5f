"""Measurements, each with its own command. None of them is a test."""

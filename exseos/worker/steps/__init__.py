"""Prepare steps: one file per step, found by its file name."""

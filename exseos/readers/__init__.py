"""Readers: the numbers of a tool's report, typed, with unit, level and origin."""

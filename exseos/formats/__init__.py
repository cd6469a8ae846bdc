"""Data formats: one file per format, found by its file name; adding one touches one file and its tests."""

"""Which of TensorFlow's operations are exact: the scan, its table, and other CPUs to run it on."""

GROUPS = ("functions", "small types", "layers", "graphs", "chains", "trainings", "rows")
"""The parts of a scan, each a process of its own."""

"""ExSeOS-HLS: reproducible machine-learning-on-FPGA experiments as one file."""

__version__ = "0.1.0"

"""What the toolchains of vendors share: how an installation is recognised, run and read."""

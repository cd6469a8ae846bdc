"""Engines: what runs an image in a sandbox. Each is one module of this package, found by its file name."""

from exseos.engines.choice import choose, engines

__all__ = ["choose", "engines"]

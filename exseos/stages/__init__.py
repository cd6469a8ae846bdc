"""Kinds of stages: one declaration for each, which plan, pack, verify, judge and the worker read."""

from exseos.stages.kinds import KINDS, Kind, kind

__all__ = ["KINDS", "Kind", "kind"]

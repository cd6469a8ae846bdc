"""``exseos capsule``: the group."""

from exseos.cli import LazyGroup

command = LazyGroup(
    "capsule",
    "Build, verify, replay, inspect and unpack capsules.",
    {
        "build": ("capsule_build", "Run an experiment and pack it as one file."),
        "verify": ("capsule_verify", "Check every byte of a capsule."),
        "replay": ("capsule_replay", "Run a capsule again and judge it claim by claim."),
        "inspect": ("capsule_inspect", "Show what a capsule says of itself."),
        "unpack": ("capsule_unpack", "Turn a capsule into a folder to read, change and build again."),
    },
)

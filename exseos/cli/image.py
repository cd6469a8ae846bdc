"""``exseos image``: the group."""

from exseos.cli import LazyGroup

command = LazyGroup(
    "image",
    "Build and save the container image of an experiment.",
    {
        "build": ("image_build", "Assemble the image that a spec's lock determines."),
        "save": ("image_save", "Write the image as one tar that docker and podman load."),
        "lock-base": ("image_lock_base", "Pin the Debian packages of the base layer anew."),
        "base-context": ("image_base_context", "Write the folder that `docker build -f Dockerfile.base` takes."),
    },
)

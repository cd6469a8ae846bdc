"""Images: pinned Debian packages and wheels become layers, layers an image with one id, and an image one tar."""

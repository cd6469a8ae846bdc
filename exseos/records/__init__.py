"""What a capsule keeps, in classes of its own: frozen as format 1, apart from the spec and from the code that makes it.

A capsule is written by anybody and read for decades. So nothing here follows the spec's defaults, today's stages or today's
words: a record holds every value that counts, and reading it needs nothing but this room.
"""

FORMAT = 1
"""The format of ``capsule.json`` that this version writes and reads."""

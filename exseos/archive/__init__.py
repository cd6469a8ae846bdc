"""One canonical zip: the same entries give the same bytes, and no other bytes are taken for them.

The format is a subset of PKWARE's APPNOTE 6.3.10. Every entry is stored, so a byte of the file is either content,
which a digest covers, or part of a record that can be written again from the names, sizes and CRCs alone.
"""

from exseos.archive.reader import ArchiveReader, ChunkStream
from exseos.archive.writer import ArchiveWriter
from exseos.archive.zip_format import Member

__all__ = ["ArchiveReader", "ArchiveWriter", "ChunkStream", "Member"]

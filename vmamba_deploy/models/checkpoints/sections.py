"""A run of bytes within a file, and the records of a zip archive as such runs."""

from __future__ import annotations

import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.files import open_file, shown
from vmamba_deploy.models.checkpoints.limits import MAX_DIRECTORY_BYTES
from vmamba_deploy.models.checkpoints.other_files import refuse_other_archive

AGAIN = "Get the file again and compare its sha256 with the published one."
_LOCAL = struct.Struct("<4s22xHH")


@dataclass(frozen=True)
class Section:
    """Bytes of a file.

    Attributes:
        path: of the file.
        offset: of the first byte.
        size: in bytes.
        crc32: that the file says they have; None where it says nothing.
    """

    path: Path
    offset: int
    size: int
    crc32: int | None = None

    def read(self) -> bytearray:
        """Read all of it.

        Raises:
            InputFileError: the file is shorter, or the bytes do not have their checksum.
        """
        data = bytearray(self.size)
        with open_file(self.path, what="a checkpoint") as file:
            file.seek(self.offset)
            complete = file.readinto(data) == self.size
        if not complete:
            problem = "are missing"
        elif self.crc32 is not None and zlib.crc32(data) != self.crc32:
            problem = "do not have the checksum (CRC32) that the file has of them"
        else:
            return data
        raise InputFileError(
            f"{shown(self.path)} is damaged: {self.size:,} bytes from byte {self.offset:,} on "
            f"{problem}.",
            hint=AGAIN,
        )


def zip_records(path: Path, file: BinaryIO) -> dict[str, Section]:
    """The records of a zip archive, stored one after the other as torch.save does.

    Where all checksums of the archive are 0, it was written without any, as
    `torch.serialization.set_crc32_options(False)` has it; damage does not look like that.

    Raises:
        InputFileError: it is another archive, or its records are compressed, encrypted, repeated,
            overlapping or overlong.
        Exception: of any class, for the archive is damaged.
    """
    with zipfile.ZipFile(_ShortReads(file)) as archive:
        records, limit = archive.infolist(), archive.start_dir
    refuse_other_archive(path, [record.filename for record in records])
    has_checksums = any(record.CRC for record in records)
    sections: dict[str, Section] = {}
    for record in sorted(records, key=lambda record: record.header_offset, reverse=True):
        offset = _data_offset(file, record)
        plain = record.compress_type == zipfile.ZIP_STORED and not record.flag_bits & 1
        stored = plain and record.compress_size == record.file_size
        if not stored or offset + record.file_size > limit or record.filename in sections:
            raise InputFileError(
                f"{shown(path)} is a zip archive, but not one that torch.save writes: its records "
                "are compressed or claim more bytes than the file has, overlap, or have one name.",
                hint="Use the checkpoint file itself, not an archive of it.",
            )
        crc32 = record.CRC if has_checksums else None
        sections[record.filename] = Section(path, offset, record.file_size, crc32)
        limit = record.header_offset
    return sections


class _ShortReads:
    """A file for zipfile, which reads the list of records at once and makes an object of each."""

    def __init__(self, file: BinaryIO) -> None:
        self.seek, self.tell, self._read = file.seek, file.tell, file.read

    def read(self, count: int = -1) -> bytes:
        if count > MAX_DIRECTORY_BYTES:
            raise zipfile.BadZipFile(f"its list of records has {count:,} bytes")
        return self._read(count)


def _data_offset(file: BinaryIO, record: zipfile.ZipInfo) -> int:
    file.seek(record.header_offset)
    signature, name, extra = _LOCAL.unpack(file.read(_LOCAL.size))
    if signature != b"PK\3\4":
        raise zipfile.BadZipFile(f"there is no record at byte {record.header_offset:,}")
    return int(record.header_offset + _LOCAL.size + name + extra)

"""Text files as they come: packed or not, and in the encoding that all their lines have in common."""

from __future__ import annotations

import codecs
import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, AnyStr, NamedTuple, cast

import pyarrow as pa

from clvml.errors import InputError, first_of
from clvml.log.finding import Finding
from clvml.log.readers.code_pages import MOST_WORDS, WORD, guess_code_page

PACKED = (".gz", ".zst", ".zip")
_BLOCK_BYTES = 1 << 20
# DuckDB takes lines of so many bytes. A longer one is no order: a quote is not closed, or line breaks are missing.
LONGEST_LINE = 2_000_000
_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
# What cp1252 has at 80-9F; elsewhere it is Latin-1.
_WINDOWS_BYTES = frozenset(range(0x80, 0xA0))
_UNDEFINED_BYTES = frozenset(b"\x81\x8d\x8f\x90\x9d")


_REGIONS = {"cp1250": "Central European", "cp1251": "Cyrillic", "cp1254": "Turkish"}


class Scan(NamedTuple):
    """What a text file is: its lines, its encoding, and a doubt about that."""

    lines: int
    encoding: str
    doubt: Finding | None = None


def shown_encoding(encoding: str) -> str:
    """Return the name of an encoding as people know it.

    >>> shown_encoding("utf-16-le"), shown_encoding("latin-1")
    ('utf-16', 'cp1252')
    """
    return "cp1252" if encoding == "latin-1" else encoding.removesuffix("-le").removesuffix("-be")


def scan_text(path: Path, code_page: str | None = None) -> Scan:
    """Read a file once; return how many lines it has, blank ones at the end left out, and its encoding.

    That is ``utf-8``, ``utf-16-le``, ``utf-16-be``, or else ``code_page``; where that is not known ``cp1252`` or
    ``latin-1``, or what its words look like.

    Raises
    ------
    InputError
        The file mixes encodings or is not text, or a packed file is damaged or cut off.
    """
    lines, pending, seen, is_utf8, has_null = 0, 0, False, True, False
    decoder = codecs.getincrementaldecoder("utf-8")()
    with damage_reported(path), open_bytes(path) as stream:
        head = block = stream.read(_BLOCK_BYTES)
        while block:
            body = block.rstrip(b"\r\n")
            if body:
                lines += pending + body.count(b"\n")
                pending, seen = 0, True
            pending += block.count(b"\n", len(body))
            has_null = has_null or b"\x00" in block
            if is_utf8 and not (block.isascii() and decoder.getstate()[0] == b""):
                is_utf8 = _decodes(decoder, block)
            block = stream.read(_BLOCK_BYTES)
    if utf16 := _utf16(head):
        with damage_reported(path), open_text(path, utf16) as text:
            return Scan(sum(1 for line in bounded_lines(text) if line.strip("\r\n")), utf16)
    if has_null:
        raise InputError(
            f"'{path}' is not a text file, whatever its name; save it as CSV with UTF-8 encoding"
        )
    is_utf8 = is_utf8 and _decodes(decoder, b"", final=True)
    if is_utf8:
        return Scan(lines + seen, "utf-8")
    return Scan(lines + seen, *_one_byte_encoding(path, code_page))


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file, unpacked.

    Raises
    ------
    InputError
        A .zip does not hold exactly one file.
    """
    suffix = path.suffix.lower()
    if suffix == ".gz":
        return cast("IO[bytes]", gzip.open(path))
    if suffix == ".zst":
        return cast("IO[bytes]", pa.CompressedInputStream(pa.OSFile(str(path)), "zstd"))
    if suffix == ".zip":
        name = packed_name(path)
        with damage_reported(path):
            return zipfile.ZipFile(path).open(name)
    return path.open("rb")


def open_text(path: Path, encoding: str) -> io.TextIOWrapper:
    """Open a text file, unpacked and without the mark in front that tells its encoding."""
    if encoding.startswith("utf-16"):
        encoding = "utf-16" if _head(path)[:2] in _UTF16 else encoding
    elif encoding == "utf-8":
        encoding = "utf-8-sig"
    return io.TextIOWrapper(open_bytes(path), encoding=encoding, errors="replace", newline="")


def packed_name(path: Path) -> str:
    """Return the name of the one file in a .zip.

    Raises
    ------
    InputError
        It holds none or several, is encrypted or no .zip.
    """
    with damage_reported(path), zipfile.ZipFile(path) as archive:
        inside = [
            member
            for member in archive.infolist()
            if not member.is_dir()
            and not PurePosixPath(member.filename).name.startswith((".", "_"))
            and not member.filename.startswith("__MACOSX/")
        ]
    if len(inside) != 1:
        listed = first_of((f"'{member.filename}'" for member in inside), most=5, longest=500) or "no file"
        raise InputError(
            f"'{path}' holds {listed}; pack one file, or unpack it and give the file or its folder"
        )
    if inside[0].flag_bits & 1:
        raise InputError(f"'{path}' is protected by a password; unpack it first")
    return inside[0].filename


def bounded_lines(stream: IO[AnyStr]) -> Iterator[AnyStr]:
    """Yield the lines of a stream; of one longer than `LONGEST_LINE`, its beginning without a line break."""
    while line := stream.readline(LONGEST_LINE):
        rest = line
        while is_cut(rest):
            rest = stream.readline(LONGEST_LINE)
        yield line


def is_cut(line: str | bytes) -> bool:
    """Return whether a line of `bounded_lines` goes on."""
    return len(line) == LONGEST_LINE and line[-1:] not in ("\n", "\r", b"\n")


@contextmanager
def damage_reported(path: Path) -> Iterator[None]:
    """Turn what a damaged file raises into an `InputError`."""
    try:
        yield
    except (EOFError, OSError, zlib.error, zipfile.BadZipFile, NotImplementedError) as error:
        raise InputError(
            f"'{path}' cannot be read to its end ({error}); it may be cut off: copy or export it again"
        ) from None


def _decodes(decoder: codecs.IncrementalDecoder, block: bytes, final: bool = False) -> bool:
    try:
        decoder.decode(block, final)
    except UnicodeDecodeError:
        return False
    return True


def _head(path: Path) -> bytes:
    with damage_reported(path), open_bytes(path) as stream:
        return stream.read(4096)


def _utf16(head: bytes) -> str:
    """Return the kind of UTF-16 that a file begins as, or nothing."""
    if head[:2] in _UTF16:
        return _UTF16[head[:2]]
    even, odd = head[:4096:2].count(0), head[1:4096:2].count(0)
    # Most characters of any table are below 256, so that every other byte is 0.
    if max(even, odd) > len(head[:4096]) * 0.3 and min(even, odd) == 0:
        return "utf-16-be" if even else "utf-16-le"
    return ""


def _one_byte_encoding(path: Path, code_page: str | None) -> tuple[str, Finding | None]:
    """Return the encoding of a file that is not UTF-8 and a doubt about it, and refuse one of which some lines are."""
    utf8 = other = 0
    words: dict[bytes, None] = {}
    windows: set[int] = set()
    with damage_reported(path), open_bytes(path) as stream:
        for number, line in enumerate(bounded_lines(stream), start=1):
            if line.isascii():
                continue
            if _decodes(codecs.getincrementaldecoder("utf-8")(), line, final=True):
                utf8 = utf8 or number
            else:
                other = other or number
                windows.update(_WINDOWS_BYTES.intersection(line))
                if code_page is None and len(words) < MOST_WORDS:
                    words.update(dict.fromkeys(WORD.findall(line)))
            if utf8 and other:
                raise InputError(
                    f"'{path}' mixes encodings: line {utf8:,} is UTF-8 and line {other:,} is not; export it again in"
                    " one encoding, UTF-8 if there is a choice"
                )
    if code_page is not None:
        return code_page, None
    western = "latin-1" if not windows or windows & _UNDEFINED_BYTES else "cp1252"
    guessed, word = guess_code_page(words)
    if guessed == "cp1252" and western == "latin-1" and windows:
        guessed, word = "", next((each for each in words if _UNDEFINED_BYTES.intersection(each)), word)
    if guessed == "cp1252":
        return western, None
    if guessed:
        text = f"words such as '{word.decode(guessed, errors='replace')}' are read as {guessed} ({_REGIONS[guessed]})"
        text += "; data.encoding names another"
    else:
        text = f"words such as '{word.decode(western, errors='replace')}' make no sense as cp1252, as which it is read"
        text += "; name the right one in data.encoding, such as cp1253, cp850, koi8-r, mac_roman or cp932"
    return guessed or western, Finding("assumed-encoding", f"'{path}' is not UTF-8, and {text}")

"""SFTP version 3 on the wire: requests read, replies written (draft-ietf-secsh-filexfer-02).

Version 3 is what every client speaks, OpenSSH's only. Requests are cut out of the stream without
copying where they arrive whole; replies are bytes with their length in front.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct, error
from typing import Final

VERSION: Final = 3
MAX_DATA: Final = 1 << 20
"""Bytes that one read gives or one write carries, at most; told by limits@openssh.com."""
MAX_PACKET: Final = MAX_DATA + 1024
MAX_TEXT: Final = 4096
"""Bytes of a path, handle or extension's name, at most."""

_U32: Final = Struct(">I")
_U64: Final = Struct(">Q")
_LENGTH: Final = 4


class Kind(IntEnum):
    """What a packet is."""

    INIT = 1
    VERSION = 2
    OPEN = 3
    CLOSE = 4
    READ = 5
    WRITE = 6
    LSTAT = 7
    FSTAT = 8
    SETSTAT = 9
    FSETSTAT = 10
    OPENDIR = 11
    READDIR = 12
    REMOVE = 13
    MKDIR = 14
    RMDIR = 15
    REALPATH = 16
    STAT = 17
    RENAME = 18
    READLINK = 19
    SYMLINK = 20
    STATUS = 101
    HANDLE = 102
    DATA = 103
    NAME = 104
    ATTRS = 105
    EXTENDED = 200
    EXTENDED_REPLY = 201


class Status(IntEnum):
    """How a request ended: the nine codes that version 3 has."""

    OK = 0
    EOF = 1
    NO_SUCH_FILE = 2
    PERMISSION_DENIED = 3
    FAILURE = 4
    BAD_MESSAGE = 5
    NO_CONNECTION = 6
    CONNECTION_LOST = 7
    OP_UNSUPPORTED = 8


READ, WRITE, APPEND, CREAT, TRUNC, EXCL = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
"""The flags of OPEN."""

_SIZE, _OWNER, _MODE, _TIMES, _EXTENDED = 0x01, 0x02, 0x04, 0x08, 0x80000000


class BadPacket(Exception):
    """The bytes are no SFTP: what follows cannot be trusted either."""


class Packets:
    """Cuts the stream of one session into packets; keeps at most one that is not whole yet."""

    def __init__(self) -> None:
        self._chunks: deque[memoryview] = deque()
        self._have = 0
        self._wanted = 0  # bytes of the next packet; 0 while its length is not here

    def feed(self, data: bytes) -> bool:
        """Add what arrived; whether the next packet may be whole now."""
        self._chunks.append(memoryview(data))
        self._have += len(data)
        return self._have >= self._wanted

    def next(self) -> memoryview | None:
        """The next whole packet without its length, or None when more must come first.

        Raises:
            BadPacket: it is empty, or longer than any request.
        """
        if not self._wanted:
            if self._have < _LENGTH:
                return None
            (self._wanted,) = _U32.unpack(self._take(_LENGTH))
            if not 0 < self._wanted <= MAX_PACKET:
                raise BadPacket(f"a packet of {self._wanted} bytes")
        if self._have < self._wanted:
            return None
        packet = self._take(self._wanted)
        self._wanted = 0
        return packet

    def clear(self) -> None:
        """Forget everything that was not cut out yet."""
        self._chunks.clear()
        self._have = self._wanted = 0

    def _take(self, size: int) -> memoryview:
        self._have -= size
        first = self._chunks[0]
        if len(first) > size:
            self._chunks[0] = first[size:]
            return first[:size]
        if len(first) == size:
            return self._chunks.popleft()
        return memoryview(b"".join(self._gather(size)))

    def _gather(self, size: int) -> Iterable[memoryview]:
        while size:
            first = self._chunks.popleft()
            if len(first) > size:
                self._chunks.appendleft(first[size:])
                first = first[:size]
            size -= len(first)
            yield first


class Fields:
    """Reads the fields of one packet, one after the other.

    Every method raises BadPacket when the packet is too short for it.
    """

    def __init__(self, packet: memoryview, at: int = 0) -> None:
        self._packet = packet
        self._at = at

    def u32(self) -> int:
        """A number of 32 bits."""
        return self._number(_U32)

    def u64(self) -> int:
        """A number of 64 bits."""
        return self._number(_U64)

    def _number(self, kind: Struct) -> int:
        try:
            (found,) = kind.unpack_from(self._packet, self._at)
        except error as short:
            raise BadPacket("a packet too short") from short
        self._at += kind.size
        return int(found)

    def data(self) -> memoryview:
        """Bytes with their length in front, not copied."""
        size = self.u32()
        end = self._at + size
        if end > len(self._packet):
            raise BadPacket("a packet too short")
        found = self._packet[self._at : end]
        self._at = end
        return found

    def text(self) -> bytes:
        """A path, handle or name: a copy, of bounded length."""
        found = self.data()
        if len(found) > MAX_TEXT:
            raise BadPacket(f"a text of {len(found)} bytes")
        return bytes(found)

    def wanted_size(self) -> int | None:
        """The size in an ATTRS, when it sets one; the rest of it is read over."""
        flags = self.u32()
        size = self.u64() if flags & _SIZE else None
        for flag, count in ((_OWNER, 2), (_MODE, 1), (_TIMES, 2)):
            for _ in range(count if flags & flag else 0):
                self.u32()
        if flags & _EXTENDED:
            for _ in range(self.u32()):
                self.data()
                self.data()
        return size


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a client is told of a file or folder: size in bytes, mode, seconds since the epoch."""

    size: int
    mode: int
    modified: int

    def encode(self) -> bytes:
        """As ATTRS, with no numeric owner: there is none."""
        times = _U32.pack(self.modified) * 2
        flags = _U32.pack(_SIZE | _OWNER | _MODE | _TIMES)
        return b"".join((flags, _U64.pack(self.size), bytes(8), _U32.pack(self.mode), times))


@dataclass(frozen=True, slots=True)
class Name:
    """An entry of a folder: its name, its line in `ls -l`, what it is."""

    name: str
    long_name: str
    attributes: Attributes

    def encode(self) -> bytes:
        """As an entry of NAME."""
        return string(self.name) + string(self.long_name) + self.attributes.encode()


def string(text: str | bytes) -> bytes:
    """Text or bytes with their length in front."""
    raw = text.encode() if isinstance(text, str) else text
    return _U32.pack(len(raw)) + raw


def _packet(kind: Kind, request: int, *parts: bytes) -> bytes:
    length = 5 + sum(map(len, parts))
    return b"".join((_U32.pack(length), bytes((kind,)), _U32.pack(request), *parts))


def version(extensions: Iterable[tuple[str, str]]) -> bytes:
    """The answer to INIT: our version and what we offer beyond it."""
    offered = (string(name) + string(data) for name, data in extensions)
    return _packet(Kind.VERSION, VERSION, *offered)


def status(request: int, code: Status, text: str = "") -> bytes:
    """The outcome of a request, with a text for people."""
    return _packet(Kind.STATUS, request, _U32.pack(code), string(text), string("en"))


def handle(request: int, name: bytes) -> bytes:
    """What an open file or folder is called from now on."""
    return _packet(Kind.HANDLE, request, string(name))


def data(request: int, content: bytes) -> bytes:
    """Bytes of a file."""
    return _packet(Kind.DATA, request, _U32.pack(len(content)), content)


def names(request: int, entries: Iterable[Name]) -> bytes:
    """Entries of a folder."""
    encoded = [entry.encode() for entry in entries]
    return _packet(Kind.NAME, request, _U32.pack(len(encoded)), *encoded)


def attributes(request: int, found: Attributes) -> bytes:
    """What a file or folder is."""
    return _packet(Kind.ATTRS, request, found.encode())


def limits(request: int, handles: int) -> bytes:
    """The answer to limits@openssh.com: longest packet, read and write in bytes, open handles."""
    numbers = (MAX_PACKET, MAX_DATA, MAX_DATA, handles)
    return _packet(Kind.EXTENDED_REPLY, request, *map(_U64.pack, numbers))


POSITIONED: Final = Struct(">BIIIQI")
"""The start of every READ and WRITE: kind, id, 4, handle, offset, length. All handles have 4 bytes.
"""


def positioned(packet: memoryview) -> tuple[int, int, int, int]:
    """Id, handle (-1 when it cannot be ours), offset and length of a READ or WRITE.

    Raises:
        BadPacket: it is too short.
    """
    try:
        _, request, size, handle_, offset, length = POSITIONED.unpack_from(packet)
    except error as short:
        raise BadPacket("a packet too short") from short
    if size != _LENGTH:
        return request, -1, offset, 0
    return request, handle_, offset, length

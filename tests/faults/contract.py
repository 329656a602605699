"""The product's messages in Python and what these tests need of their encoding. The generated code is that of tests/e2e."""
import pathlib
import sys
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))

from careteam_client import encode_frame  # noqa: E402, F401
from careteam.v1 import entries_pb2, wire_pb2  # noqa: E402

ClientFrame = wire_pb2.ClientFrame
Entry = entries_pb2.Entry
Welcome, Committed, Refused, Reset, PresenceState = (
    getattr(wire_pb2, name) for name in ("Welcome", "Committed", "Refused", "Reset", "PresenceState"))
SHARED, CLINICAL, SUPPORT, AUDIT = 1, 2, 3, 4
NO_CHAIN = bytes(32)

# google.rpc.Code: the refusals after which the same command may be sent again.
RESOURCE_EXHAUSTED, UNAVAILABLE = 8, 14
RETRYABLE = (RESOURCE_EXHAUSTED, UNAVAILABLE)


def uuid7(randbits):
    """A UUIDv7 (RFC 9562) in text form, from a seeded generator's getrandbits."""
    value = (time.time_ns() // 1_000_000) << 80 | randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=value))


def fields_of(message):
    """The fields of an encoded ServerFrame, as (number, bytes), in the order in which they were written. All are length-delimited."""
    at, end = 0, len(message)
    while at < end:
        tag = message[at]
        at += 1
        if tag & 0x87 != 2:
            raise ValueError(f"tag {tag} in a ServerFrame")
        size = shift = 0
        while True:
            byte = message[at]
            at += 1
            size |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
        if at + size > end:
            raise ValueError("a ServerFrame ends in the middle of a field")
        yield tag >> 3, message[at : at + size]
        at += size

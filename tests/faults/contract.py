"""The product's messages in Python, generated from proto/ when the tests start, and what these tests need of their encoding."""
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]

_generated = tempfile.TemporaryDirectory(prefix="careteam-proto-")  # Removed at the end, with this object.
subprocess.run(["protoc", f"-I{ROOT / 'proto'}", f"--python_out={_generated.name}",
                *map(str, (ROOT / "proto" / "careteam" / "v1").glob("*.proto"))], check=True)
sys.path.insert(0, _generated.name)

from careteam.v1 import entries_pb2, wire_pb2  # noqa: E402

ClientFrame = wire_pb2.ClientFrame
Entry, ServerFrame = entries_pb2.Entry, wire_pb2.ServerFrame
Welcome, Committed, Refused, Reset, PresenceState = (
    getattr(wire_pb2, name) for name in ("Welcome", "Committed", "Refused", "Reset", "PresenceState"))
SHARED, CLINICAL, SUPPORT, AUDIT = 1, 2, 3, 4
UNKNOWN, OFFLINE, ONLINE = 1, 2, 3  # PresenceState.State
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


def encode_frame(opcode, payload):
    """A client's WebSocket frame (RFC 6455): whole, masked."""
    size = len(payload)
    if size < 126:
        head = bytes([0x80 | opcode, 0x80 | size])
    elif size < 65536:
        head = bytes([0x80 | opcode, 0x80 | 126]) + struct.pack(">H", size)
    else:
        head = bytes([0x80 | opcode, 0x80 | 127]) + struct.pack(">Q", size)
    key = os.urandom(4)
    stretched = (key * (size // 4 + 1))[:size]
    return head + key + (int.from_bytes(payload, "big") ^ int.from_bytes(stretched, "big")).to_bytes(size, "big")


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

#!/usr/bin/env python3
"""Connects everybody of a token file over TLS, lets them be idle, and prints one JSON object like `careteam bench --mode idle`.

tls_crowd.py --port N --tokens FILE --certificate FILE --server-pid PID [--warm-up S] [--seconds S]

One process, one thread; pings are answered. `careteam bench` does not speak TLS: this does just enough of it.
"""
import argparse
import json
import os
import selectors
import socket
import ssl
import sys
import time

HELLO_FIELD, TOKEN_FIELD, DEVICE_FIELD = 1, 1, 2
PING, PONG, CLOSE, BINARY = 0x9, 0xA, 0x8, 0x2


def field(number, value):
    """A length-delimited field of protobuf."""
    size, length = len(value), b""
    while size >= 0x80:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + value


def frame(opcode, payload):
    """A client's frame, masked with zeros (RFC 6455, section 5.3)."""
    size = len(payload)
    head = bytes([0x80 | opcode]) + (bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + size.to_bytes(2, "big"))
    return head + bytes(4) + payload


class Member:
    def __init__(self, person, token, port, context):
        self.stream = context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost")
        self.received = b""
        self.welcomed = False
        self.stream.sendall(b"GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                            b"Sec-WebSocket-Protocol: careteam.v1.proto\r\n\r\n")
        answer = b""
        while b"\r\n\r\n" not in answer:
            part = self.stream.recv(4096)
            if not part:
                sys.exit("tls_crowd: the server closed a connection during the upgrade")
            answer += part
        if not answer.startswith(b"HTTP/1.1 101"):
            sys.exit(f"tls_crowd: no upgrade: {answer[:80]!r}")
        self.received = answer.split(b"\r\n\r\n", 1)[1]
        hello = field(TOKEN_FIELD, token.encode()) + field(DEVICE_FIELD, b"bench-" + person.encode())
        self.stream.sendall(frame(BINARY, field(HELLO_FIELD, hello)))
        self.stream.setblocking(False)

    def read(self):
        """Takes what has come and answers pings. False: the connection has ended."""
        while True:
            try:
                part = self.stream.recv(65536)
            except ssl.SSLWantReadError:
                break
            if not part:
                return False
            self.received += part
        while len(self.received) >= 2:
            opcode, size, at = self.received[0] & 0x0F, self.received[1], 2
            if size >= 126:
                at = 4 if size == 126 else 10
                if len(self.received) < at:
                    break
                size = int.from_bytes(self.received[2:at], "big")
            if len(self.received) < at + size:
                break
            payload, self.received = self.received[at:at + size], self.received[at + size:]
            if opcode == CLOSE:
                return False
            if opcode == PING:
                self.stream.sendall(frame(PONG, payload))
            elif opcode == BINARY:
                self.welcomed = True
        return True


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        times = file.read().rsplit(")", 1)[1].split()
    return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--tokens", required=True)
    options.add_argument("--certificate", required=True)
    options.add_argument("--server-pid", type=int, required=True)
    options.add_argument("--warm-up", type=float, default=45)
    options.add_argument("--seconds", type=float, default=40)
    asked = options.parse_args()

    context = ssl.create_default_context(cafile=asked.certificate)
    with open(asked.tokens, encoding="ascii") as file:
        people = [line.split() for line in file]
    selector = selectors.DefaultSelector()
    members = []
    closed = 0

    def serve(until):
        nonlocal closed
        while (left := until - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                if not key.data.read():
                    closed += 1
                    selector.unregister(key.fileobj)

    before, began = resident_bytes(asked.server_pid), time.monotonic()
    for person, token in people:
        member = Member(person, token, asked.port, context)
        members.append(member)
        selector.register(member.stream, selectors.EVENT_READ, member)
        if len(members) % 100 == 0:
            serve(time.monotonic() + 0.001)
    while not all(member.welcomed for member in members):
        if time.monotonic() - began > 300 or closed:
            sys.exit(f"tls_crowd: not everybody was welcomed; {closed} connections were closed")
        serve(time.monotonic() + 0.1)
    connected = time.monotonic() - began
    serve(time.monotonic() + asked.warm_up)
    cpu, measured_from = cpu_seconds(asked.server_pid), time.monotonic()
    serve(measured_from + asked.seconds)
    share = (cpu_seconds(asked.server_pid) - cpu) / (time.monotonic() - measured_from)
    after = resident_bytes(asked.server_pid)
    print(json.dumps({"connections": len(members), "seconds": asked.seconds, "connect_seconds": round(connected, 3),
                      "tls": members[0].stream.version(), "cipher": members[0].stream.cipher()[0],
                      "server_rss_per_connection_bytes": round((after - before) / len(members), 3), "server_cpu_share": round(share, 4),
                      "faults": {"closed": closed}, "checks_hold": closed == 0}))
    sys.exit(0 if closed == 0 else 1)


if __name__ == "__main__":
    main()

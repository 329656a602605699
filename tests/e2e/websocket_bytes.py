"""WebSocket from its bytes up: upgrades and frames, right ones and wrong ones, for the client of the tests and for those who attack."""
import asyncio
import base64
import hashlib
import secrets
import socket
import struct

PATH = "/v1/ws"
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
TIMEOUT = 8.0


class BrokenPromise(AssertionError):
    """The server sent what the protocol rules out."""


class HttpAnswer:
    """What came back instead of, or for, an upgrade."""

    def __init__(self, status, headers, body, reader, writer):
        self.status, self.headers, self.body, self.reader, self.writer = status, headers, body, reader, writer


async def open_tcp(port, receive_buffer=None, limit=2**20, tls=None):
    """A connection; with an ssl.SSLContext as `tls`, one with TLS."""
    sock = socket.socket()
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return await asyncio.open_connection(sock=sock, limit=limit, ssl=tls, server_hostname="127.0.0.1" if tls else None)


async def http_upgrade(port, path=PATH, protocol="careteam.v1.json", headers=None, method="GET", behind=b"", receive_buffer=None, limit=2**20,
                       tls=None):
    """Sends an upgrade request; `headers` overrides or (None) removes. Returns HttpAnswer with status 0 when nothing came back."""
    reader, writer = await open_tcp(port, receive_buffer, limit, tls)
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    fields = {"Host": f"127.0.0.1:{port}", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": key,
              "Sec-WebSocket-Version": "13"}
    if protocol is not None:
        fields["Sec-WebSocket-Protocol"] = protocol
    fields.update(headers or {})
    lines = [f"{method} {path} HTTP/1.1"]
    for name, value in fields.items():
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                lines.append(f"{name}: {one}")
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + behind)
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), TIMEOUT)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()
        return HttpAnswer(0, {}, b"", reader, writer)
    status_line, *rest = head.decode().split("\r\n")
    got = {name.lower(): value for name, value in (line.split(": ", 1) for line in rest if line)}
    status = int(status_line.split()[1])
    body = b""
    if status != 101:
        body = await asyncio.wait_for(reader.read(-1), TIMEOUT)
        writer.close()
    else:
        expected = base64.b64encode(hashlib.sha1((fields["Sec-WebSocket-Key"] + GUID).encode()).digest()).decode()
        if got.get("sec-websocket-accept") != expected or got.get("sec-websocket-protocol") != protocol:
            raise BrokenPromise(f"wrong upgrade: {got}")
    return HttpAnswer(status, got, body, reader, writer)


def encode_frame(opcode, payload, fin=True, mask=True, rsv=0, length=None):
    """One WebSocket frame as a client sends it. `length`: a length to claim instead of the true one."""
    claimed = len(payload) if length is None else length
    head = bytearray([(0x80 if fin else 0) | rsv << 4 | opcode])
    flag = 0x80 if mask else 0
    if claimed < 126:
        head.append(flag | claimed)
    elif claimed < 65536:
        head += bytes([flag | 126]) + struct.pack(">H", claimed)
    else:
        head += bytes([flag | 127]) + struct.pack(">Q", claimed)
    if not mask:
        return bytes(head) + payload
    key = secrets.token_bytes(4)
    repeated = (key * (len(payload) // 4 + 1))[:len(payload)]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(len(payload), "big") if payload else b""
    return bytes(head) + key + masked

#!/usr/bin/env python3
"""What a gateway does with a webhook before it believes it: time, signature, and the key by which a repetition is known. Also the other
direction: how it signs its report to /v1/notifier/callbacks. Nothing but the standard library.

    deploy/notifier/verify_webhook.py SECRET webhook.http [NOW]      checks a recorded request; NOW: seconds since 1970
"""
import hashlib
import hmac
import json
import pathlib
import sys
import time

REPLAY_WINDOW_SECONDS = 300


def signature(secret, timestamp, body):
    return "v1=" + hmac.new(secret.encode(), str(timestamp).encode() + b"." + body, hashlib.sha256).hexdigest()


def verify(secret, headers, body, now, seen):
    """The call, or None when it was taken before; ValueError: it is not to be believed. `seen`: ids of the last day, which this adds to."""
    timestamp = headers["careteam-timestamp"]
    if abs(int(timestamp) - now) > REPLAY_WINDOW_SECONDS:
        raise ValueError("too old, or from a clock that is wrong")
    if not hmac.compare_digest(headers["careteam-signature"], signature(secret, timestamp, body)):
        raise ValueError("the signature is wrong")
    call = json.loads(body)
    if headers["idempotency-key"] != call["id"]:
        raise ValueError("the key is not the call's")
    if call["id"] in seen:
        return None
    seen.add(call["id"])
    return call


def report(secret, id, outcome, now):
    """Headers and body of a report: outcome is "delivered" or "failed"."""
    body = json.dumps({"id": id, "outcome": outcome}, separators=(",", ":")).encode()
    return {"CareTeam-Timestamp": str(now), "CareTeam-Signature": signature(secret, now, body), "Content-Type": "application/json"}, body


def main():
    secret, file = sys.argv[1:3]
    now = int(sys.argv[3]) if len(sys.argv) > 3 else int(time.time())
    head, body = pathlib.Path(file).read_bytes().split(b"\r\n\r\n", 1)
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head.decode().split("\r\n")[1:])}
    try:
        print(json.dumps(verify(secret, headers, body, now, set())))
    except ValueError as why:
        print(why, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

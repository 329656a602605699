#!/usr/bin/env python3
"""How fast queued deliveries leave through one notifier (`careteam serve`) to a webhook on this machine, and that none is lost and none comes
twice. Makes a store with so many deliveries that are due, starts the server on core 0 and the receiver on core 1, and prints one JSON object.
With --workers the server hands them over to so many `careteam notifier` on its core; the CPU is that of all of them.

    tests/bench/notifier_rate.py --careteam build/release/services/careteam/careteam --work FOLDER [--deliveries 100000] [--workers N]
"""
import argparse
import asyncio
import json
import os
import pathlib
import re
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import time

LONGEST_SECONDS = 300
ID = re.compile(rb'"id":"([0-9a-f]{32}-1-0)"')
ANSWER = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"


class Receiver(asyncio.Protocol):
    """Takes every call and keeps its id; the body's length is in the head."""

    def __init__(self, took):
        self.took = took

    def connection_made(self, transport):
        self.transport, self.waiting = transport, b""
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, octets):
        self.waiting += octets
        while (end := self.waiting.find(b"\r\n\r\n")) >= 0:
            at = self.waiting.lower().find(b"content-length:", 0, end)
            whole = end + 4 + int(self.waiting[at + 15:self.waiting.find(b"\r\n", at)])
            if len(self.waiting) < whole:
                return
            self.took(ID.search(self.waiting, end, whole)[1])
            self.waiting = self.waiting[whole:]
            self.transport.write(ANSWER)


async def receive(listening, wanted):
    """(ids in the order in which they came, seconds from the first to the last of so many different ones)."""
    ids, seen, done = [], set(), asyncio.Event()
    times = []

    def took(one):
        ids.append(one)
        seen.add(one)
        if len(ids) == 1 or len(seen) == wanted:
            times.append(time.monotonic())
        if len(seen) == wanted:
            done.set()

    server = await asyncio.get_running_loop().create_server(lambda: Receiver(took), sock=listening)
    try:
        await asyncio.wait_for(done.wait(), LONGEST_SECONDS)
        await asyncio.sleep(2)  # Whatever comes twice comes now.
    except asyncio.TimeoutError:
        pass
    server.close()
    return ids, times[-1] - times[0] if len(times) > 1 else 0.0


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def payload(effect, due_us):
    """careteam.internal.DeliveryPayload: effect, times 1, step 0, staff, due."""
    return b"\x0a" + varint(len(effect)) + effect.encode() + b"\x10\x01\x20\x01\x28" + varint(due_us)


def fill(path, count):
    """Deliveries of a routine call, which nothing follows."""
    due = int((time.time() - 60) * 1e6)
    with sqlite3.connect(path) as store:
        record = store.execute("SELECT id FROM records WHERE key LIKE 'patient/%'").fetchone()[0]
        for name in ("contact", "nina"):
            store.execute("INSERT INTO names(name) VALUES(?) ON CONFLICT(name) DO NOTHING", (name,))
        channel, person = (store.execute("SELECT id FROM names WHERE name = ?", (name,)).fetchone()[0] for name in ("contact", "nina"))
        rows = ((f"{effect}-1-0", record, "2/1/accept", channel, person, 1, payload(effect, due), 1, due, 0, 0)
                for effect in (f"{number:032x}" for number in range(1, count + 1)))
        store.executemany("INSERT INTO deliveries(id, record, obligation, channel, recipient, priority, payload, state, next, attempts, worker) "
                          "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--careteam", required=True)
    options.add_argument("--work", required=True, type=pathlib.Path)
    options.add_argument("--deliveries", type=int, default=100_000)
    options.add_argument("--workers", type=int, default=0)
    asked = options.parse_args()
    careteam, work = asked.careteam, asked.work.resolve() / "notifier"
    work.mkdir()
    run = lambda *words: subprocess.run([careteam, *map(str, words)], check=True, capture_output=True)  # noqa: E731
    run("token", "--new-key", work / "key.jwk", "--kid", "bench", "--jwks", work / "jwks.json")
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    secret = work / "secret"
    secret.write_text("a-secret-of-the-benchmark\n")
    secret.chmod(0o600)
    config, worker_config, store = work / "careteam.toml", work / "worker.toml", work / "store.db"
    outside = f"""webhook_url = "http://127.0.0.1:{listening.getsockname()[1]}/calls"
webhook_secret_file = "{secret}"
"""
    calls_go = f'worker_socket = "{work}/calls.sock"\n'
    worker_config.write_text("[notifier]\n" + calls_go + outside + "[log]\nlevel = \"warning\"\n")
    config.write_text(f"""[server]
listen = "127.0.0.1:0"
admin_listen = "127.0.0.1:0"
[store]
path = "{store}"
[redis]
endpoint = ""
[identity]
jwks_file = "{work}/jwks.json"
issuer = "https://bench.invalid"
audience = "careteam"
[notifier]
{calls_go if asked.workers else outside}[log]
level = "warning"
""")
    patient = work / "patient.ndjson"
    resources = [
        {"resourceType": "Patient", "id": "pat", "name": [{"text": "Patient"}]},
        {"resourceType": "Practitioner", "id": "nina", "identifier": [{"system": "urn:careteam:person-id", "value": "nina"}], "name": [{"text": "Nina"}],
         "telecom": [{"system": "sms", "value": "+15550101", "rank": 1}]},
        {"resourceType": "CareTeam", "id": "team", "status": "active", "subject": {"reference": "Patient/pat"}, "participant": [
            {"role": [{"coding": [{"system": "urn:careteam:role", "code": "oncology-nurse"}]}], "member": {"reference": "Practitioner/nina"}}]}]
    patient.write_text("".join(json.dumps(one) + "\n" for one in resources))
    run("import", "--config", config, patient)
    fill(store, asked.deliveries)
    os.sched_setaffinity(0, {1})
    log = (work / "server.log").open("wb")
    start = lambda command, file: subprocess.Popen(["taskset", "-c", "0", careteam, command, "--config", file], stderr=log)  # noqa: E731
    processes = [start("serve", config), *(start("notifier", worker_config) for _ in range(asked.workers))]
    try:
        ids, seconds = asyncio.run(receive(listening, asked.deliveries))
    finally:
        for one in processes:
            one.send_signal(signal.SIGTERM)
        for one in processes:
            one.wait(15)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    with sqlite3.connect(store) as left:
        not_sent = left.execute("SELECT count(*) FROM deliveries WHERE state != 2").fetchone()[0]
    different = len(set(ids))
    print(json.dumps({"deliveries": asked.deliveries, "received": len(ids), "lost": asked.deliveries - different, "twice": len(ids) - different,
                      "not_recorded": not_sent, "seconds": round(seconds, 2), "deliveries_per_s": round(different / seconds) if seconds else 0,
                      "cpu_us_per_delivery": round((used.ru_utime + used.ru_stime) * 1e6 / max(1, different), 1)}))
    return 0 if different == asked.deliveries == len(ids) and not_sent == 0 else 1


if __name__ == "__main__":
    sys.exit(main())

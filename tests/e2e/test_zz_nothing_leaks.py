"""Last: no log line, metric, page, answer of a tool or value in Redis of all the servers that ran before holds a token, a text or a patient's name."""
import asyncio
import time

import careteam_client
import server
from careteam_client import Client

NAMES = ["Rosa Delgado", "Mei Chen", "Luis Delgado", "Patient room"]


async def test_attack_39_nothing_leaks(fresh):
    async with await Client.connect(fresh, "nina") as nina:
        assert (await nina.post("rosa", "clinical", "Nothing of this may be in a log")).ok
        assert not (await nina.post("no-such-record", "clinical", "Not of this either, and it is refused")).ok
        await nina.send_payload(b'{"command":{"patientId":"rosa","unknown":"Nor of this, which is malformed"}}')
        await nina.until(lambda: nina.refused)
        end = time.monotonic() + 5  # Changes of presence are gathered before they go to Redis.
        while b"nina" not in (in_redis := fresh.redis.contents()):
            assert time.monotonic() < end, "presence is not there: nothing was looked at"
            await asyncio.sleep(0.02)
    for command in ("verify", "rebuild", "health", "sessions"):
        fresh.tool(command, "--config", fresh.config)
    fresh.stop()
    logs = [*server.captured_logs, fresh.log_text()]
    pages = list(server.captured_metrics)
    assert logs and pages and all("careteam_sessions" in page for page in pages)
    assert server.captured_pages and all("store ok" in page for page in server.captured_pages if "draining" not in page)
    redis = [one.decode("utf-8", "replace") for one in [*server.captured_redis, in_redis]]
    texts = careteam_client.said | {"Nor of this, which is malformed"}
    assert "Nothing of this may be in a log" in texts and server.issued_tokens
    for place in [*logs, *pages, *server.captured_pages, *redis]:
        for secret in [*texts, *NAMES]:
            assert secret not in place
        for token in server.issued_tokens:
            assert token not in place
            for part in token.split(".")[1:]:
                assert len(part) < 20 or part not in place


async def test_attack_39_no_core_dump_is_written(fresh):
    """And nobody but root looks into the process: its files in /proc belong to root whoever runs it."""
    with open(f"/proc/{fresh.pid}/limits") as limits:
        core = next(line for line in limits if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"], core

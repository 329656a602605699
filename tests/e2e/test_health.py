"""What the operator sees of a server: /readyz, /readyz?verbose, `careteam health`."""
import re
import time

import pytest
from server import Server


@pytest.fixture
def server():
    with Server() as one:
        yield one.start()


def health(server):
    """`careteam health` with the port that the server really has."""
    return server.tool("health", "--config", server.config, env={"CARETEAM_SERVER_ADMIN_LISTEN": f"127.0.0.1:{server.admin_port}"})


def until(what, seconds=10):
    """Asks again and again: nothing tells when."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "not in time"


def test_a_healthy_server_tells_everything(server):
    until(lambda: "redis ok" in server.admin("/readyz")[1])
    done = health(server)
    assert done.returncode == 0, done.stderr
    for line in (r"store ok", r"redis ok", r"schema 5", rf"epoch {server.epoch}", r"disk free \d+ MiB", r"sessions 0", r"redis canary came back after [\d.]+ ms"):
        assert re.search(f"^{line}$", done.stdout, re.MULTILINE), (line, done.stdout)
    short = server.admin("/readyz")
    assert short[0] == 200 and "schema" not in short[1]
    assert server.metrics()["careteam_store_disk_free_bytes"] > 0


def test_a_redis_that_is_frozen_does_not_come_back_and_the_server_stays_ready(server):
    until(lambda: "redis ok" in server.admin("/readyz")[1])
    server.redis.stop()
    try:
        done = health(server)
        assert done.returncode == 0 and "redis canary did not come back" in done.stdout, done.stdout + done.stderr
    finally:
        server.redis.cont()
    until(lambda: "came back" in health(server).stdout)


def test_no_server_is_not_healthy(server):
    server.stop()
    done = health(server)
    assert done.returncode == 1 and "no answer at 127.0.0.1" in done.stderr


def test_other_queries_are_not_there(server):
    for path in ("/readyz?", "/readyz?verbose=1", "/readyz?x", "/health"):
        assert server.admin(path)[0] == 404


def test_a_disk_that_is_nearly_full_is_told_and_the_server_stays_ready():
    with Server(redis=False, settings={"store.min_free_bytes": 10**15}) as server:
        server.start()
        server.logged("disk_nearly_full")
        line, = (one for one in server.log_lines() if one["event"] == "disk_nearly_full")
        assert line["level"] == "warning" and 0 < line["free_bytes"] < line["least_bytes"] == 10**15
        done = health(server)
        assert done.returncode == 0 and re.search(r"^disk free \d+ MiB: nearly full, see store.min_free_bytes$", done.stdout, re.MULTILINE)


def test_a_disk_with_room_is_not_worth_a_word(server):
    assert "nearly full" not in health(server).stdout and not any(one["event"] == "disk_nearly_full" for one in server.log_lines())

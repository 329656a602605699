"""`careteam bench`: the load that an operator puts on a server, what it tells, and how it ends."""
import json
import socket
import subprocess

import pytest
from server import Server, binary, token

ROOMS, MEMBERS = 3, 4
HOUSE = ("--rooms", ROOMS, "--members", MEMBERS)


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A server with the test rooms, and the tokens file of everybody in them."""
    folder = tmp_path_factory.mktemp("bench")
    with Server() as server:
        made = server.tool("bench", "--make-rooms", folder / "rooms.ndjson", "--people", folder / "people", *HOUSE)
        assert made.returncode == 0, made.stderr
        server.import_file(folder / "rooms.ndjson")
        server.tokens_file = folder / "tokens"
        people = (folder / "people").read_text().split()
        server.tokens_file.write_text("".join(f"{person} {token(person)}\n" for person in people))
        assert len(people) == ROOMS * MEMBERS
        yield server.start()


def bench(server, *words, url=None, tokens=None):
    return server.tool("bench", "--url", url or f"ws://127.0.0.1:{server.port}", "--tokens", tokens or server.tokens_file, *HOUSE, *words)


def result_of(done):
    assert done.returncode == 0, done.stderr + done.stdout
    told = json.loads(done.stdout)
    assert told["checks_hold"] and not any(told["faults"].values()) and not told["refusals"]
    return told


@pytest.mark.parametrize("mode", [("closed",), ("open", "--rate", 200)])
def test_a_load_is_put_on_measured_and_checked(house, mode):
    before = house.metrics()["careteam_entries_total"]
    told = result_of(bench(house, "--mode", *mode, "--warm-up", 0.1, "--seconds", 1, "--json", "--server-pid", house.pid, "--admin-port", house.admin_port,
                           "--metric", "careteam_entries_total"))
    assert told["committed_in_all"] >= told["messages_per_s"] * told["seconds"] > 0
    assert told["deliveries_per_s"] == pytest.approx(told["messages_per_s"] * MEMBERS, rel=0.2)
    assert 0 < told["answer"]["p50_ms"] <= told["answer"]["p99_ms"] <= told["answer"]["max_ms"]
    assert told["receipt"]["count"] >= told["answer"]["count"] > 0
    assert 0 < told["generator_cpu_share"] <= 1.1 and told["generator_bound"] in (True, False)
    assert told["server_rss_after_bytes"] > 0
    # The server saw what the generator says it did.
    assert told["metrics"]["careteam_entries_total"] >= told["committed_in_all"]
    assert house.metrics()["careteam_entries_total"] - before >= told["committed_in_all"]
    if mode[0] == "open":
        assert told["messages_per_s"] == pytest.approx(200, rel=0.2) and told["schedule_lag"]["count"] > 0


@pytest.mark.parametrize("target", ["person", "role"])
@pytest.mark.parametrize("senders", [1, MEMBERS])
def test_tasks_are_asked_for_and_done_by_whoever_was_asked(house, target, senders):
    before = house.metrics()
    told = result_of(bench(house, "--load", "tasks", "--target", target, "--senders", senders, "--mode", "fill", "--count", 200, "--json"))
    assert (told["load"], told["target"]) == ("tasks", target)
    assert told["committed_in_all"] >= 200 and told["receipt"]["count"] > 0
    after = house.metrics()
    grown = {name: after[name] - before[name] for name in ("careteam_entries_total", 'careteam_commands_total{outcome="committed"}')}
    assert all(more >= told["committed_in_all"] for more in grown.values()), "each command led to an entry"


def test_a_load_of_tasks_is_measured(house):
    told = result_of(bench(house, "--load", "tasks", "--warm-up", 0.1, "--seconds", 1, "--json"))
    assert told["deliveries_per_s"] == pytest.approx(told["messages_per_s"] * MEMBERS, rel=0.2)
    assert 0 < told["receipt"]["count"] < told["answer"]["count"] * MEMBERS, "only what asks for a task carries a time stamp"
    text = bench(house, "--load", "tasks", "--target", "role", "--warm-up", 0, "--seconds", 0.5)
    assert text.returncode == 0 and "commands committed" in text.stdout and "tasks for one role" in text.stdout, text.stdout + text.stderr


def test_people_read_text(house):
    done = bench(house, "--mode", "open", "--rate", 100, "--warm-up", 0, "--seconds", 0.5)
    assert done.returncode == 0, done.stderr
    for words in ("messages committed", "until each receipt", "generator: ", "everything arrived once and in order"):
        assert words in done.stdout, done.stdout


def test_idle_people_leave_and_come_back(house):
    told = result_of(bench(house, "--mode", "idle", "--changes", 20, "--warm-up", 3, "--seconds", 1.5, "--json", "--server-pid", house.pid))
    assert told["connections"] == ROOMS * MEMBERS and told["changes_per_s"] > 0 and told["caught_up"]["count"] > 0


def test_everybody_comes_back_to_a_server_that_was_killed(house):
    result_of(bench(house, "--mode", "fill", "--count", 100, "--json"))
    # The port must be the same afterwards.
    port, house.settings["server.listen"] = house.settings["server.listen"], f"127.0.0.1:{house.port}"
    house.write_config()
    words = map(str, ("bench", "--url", f"ws://127.0.0.1:{house.port}", "--tokens", house.tokens_file, *HOUSE, "--mode", "reconnect", "--from-head",
                      "--missing", 5, "--json"))
    with subprocess.Popen([binary(), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert "now end the server" in running.stderr.readline()
        house.kill9()
        house.start()
        out, said = running.communicate(timeout=30)
    house.settings["server.listen"] = port
    assert running.returncode == 0, said
    told = json.loads(out)
    assert told["checks_hold"] and told["connections"] == ROOMS * MEMBERS
    assert told["entries_per_member"] >= 5 and told["all_caught_up_seconds"] > 0


def test_a_flood_is_told_apart_from_the_others(tmp_path):
    with Server(settings={"limits.commands_per_minute": 600, "limits.commands_at_once": 200}) as server:
        made = server.tool("bench", "--make-rooms", tmp_path / "rooms.ndjson", "--people", tmp_path / "people", *HOUSE)
        assert made.returncode == 0, made.stderr
        server.import_file(tmp_path / "rooms.ndjson")
        tokens = tmp_path / "tokens"
        tokens.write_text("".join(f"{person} {token(person)}\n" for person in (tmp_path / "people").read_text().split()))
        server.start()
        told = result_of(bench(server, "--mode", "open", "--rate", 50, "--warm-up", 0, "--seconds", 1, "--flooding", 1, "--flood-rate", 2000, "--never-reading", 1, "--json",
                               tokens=tokens))
        assert told["flood_refused"] > 0 and 200 <= told["flood_committed"] <= 400
        # More than the limits allow, from the ordinary members: that is not the load that was asked for.
        done = bench(server, "--mode", "open", "--rate", 5000, "--warm-up", 0, "--seconds", 1, "--json", tokens=tokens)
        assert done.returncode == 1 and json.loads(done.stdout)["refusals"] and "refused" in done.stderr


@pytest.mark.parametrize("words, why", [
    (("--url", "http://127.0.0.1:1"), "must start with ws://"), (("--url", "wss://127.0.0.1:1"), "does not speak TLS"),
    (("--url", "ws://127.0.0.1:1/v2"), "path"), (("--url", "ws://127.0.0.1:0"), "port"), (("--url", "ws://"), "names no host"),
    (("--url", "ws://user@host:1"), "names no host"), (("--mode", "sideways"), "--mode"), (("--mode", "fill"), "--count"),
    (("--seconds", "-1"), "--seconds"), (("--no-such-thing",), "no-such-thing"),
    (("--load", "tasks", "--mode", "open"), "closed or fill"), (("--load", "tasks", "--flooding", "1"), "--flooding"), (("--load", "parties"), "--load"), (("--tokens", "/nowhere"), "/nowhere"),
])
def test_wrong_usage(house, words, why):
    given = {"--url": f"ws://127.0.0.1:{house.port}", "--tokens": str(house.tokens_file)}
    given = {name: value for name, value in given.items() if name not in words}
    done = house.tool("bench", *(word for pair in given.items() for word in pair), *words)
    assert done.returncode == 2 and why in done.stderr and not done.stdout, done.stderr


def test_nothing_to_do_is_wrong_usage(house):
    assert house.tool("bench").returncode == 2
    assert house.tool("bench", "--make-rooms", "/tmp/x").returncode == 2


def test_no_server(house):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # And does not listen.
        done = bench(house, "--json", url=f"ws://127.0.0.1:{taken.getsockname()[1]}")
    assert done.returncode == 1 and "connect" in done.stderr and not done.stdout, done.stderr


def test_wrong_tokens(house, tmp_path):
    wrong, few = tmp_path / "wrong", tmp_path / "few"
    wrong.write_text(house.tokens_file.read_text().replace("ey", "ez"))
    few.write_text("u-000-0 x\n")
    refused = bench(house, "--json", tokens=wrong)
    assert refused.returncode == 1 and "code 16 for hello.token" in refused.stderr, refused.stderr
    missing = bench(house, "--json", tokens=few)
    assert missing.returncode == 1 and "no line for u-000-1" in missing.stderr, missing.stderr


def test_rooms_that_were_not_imported(tmp_path):
    with Server(demo=True) as server:
        server.start()
        tokens = tmp_path / "tokens"
        tokens.write_text("".join(f"u-{room:03}-{member} {token('nina')}\n" for room in range(ROOMS) for member in range(MEMBERS)))
        done = bench(server, tokens=tokens)
        assert done.returncode == 1 and "--make-rooms" in done.stderr, done.stderr

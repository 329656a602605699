"""`careteam notifier` in a process of its own: the server hands it each call over a Unix socket and records how it ended. Whatever dies on the
way, a call is lost by nobody, comes twice at most around a crash, and under the same key.
"""
import asyncio
import os
import pathlib
import re
import signal
import socket
import stat
import struct
import tempfile
import time

import pytest
from careteam_client import Client
from certificates import Certificate
from gateways import FIXED_TEXT, SECRET, Gateway, MailServer
from server import Server
from test_notifier import ACKNOWLEDGED, QUICK, SENT, WAITING, acknowledge, assert_content_free, deliveries, post, until, wait, ward
from workers import Worker

OTHER_SECRET = "another-secret-of-the-tests-0123"
NOBODY = 65534
LOST = 'careteam_notifier_attempts_total{outcome="lost"}'


@pytest.fixture
def gateway():
    with Gateway() as one:
        yield one


@pytest.fixture
def hall():
    """Where the workers come to: in a folder that others may enter."""
    with tempfile.TemporaryDirectory(prefix="ct-hall-") as folder:
        os.chmod(folder, 0o755)
        yield pathlib.Path(folder) / "calls.sock"


def handing_over(hall, **more):
    """A server that makes no call itself, and has nothing to make one with."""
    return ward({"notifier.worker_socket": str(hall)}, **more)


def with_another_secret(gateway):
    """A worker whose calls are told from the others' by what they are signed with."""
    return {"notifier.webhook_url": gateway.url, "notifier.webhook_secret_file": gateway.secret("another-secret", OTHER_SECRET)}


def workers_of(server, count):
    return until(lambda: server.metrics()["careteam_notifier_workers"] == count)


@pytest.mark.parametrize("redis", [True, False], ids=["redis", "alone"])
async def test_a_worker_makes_the_call_and_the_server_knows_how_it_ended(gateway, hall, redis):
    with handing_over(hall, redis=redis) as server, Worker(hall, gateway.settings) as worker:
        assert SECRET not in server.config.read_text() and "webhook" not in server.config.read_text()
        server.start()
        rao, nina = await Client.connect(server, "rao"), await Client.connect(server, "nina")
        worker.logged("working")
        assert "notifier 1 worker\n" in server.admin("/readyz")[1]
        started = time.monotonic()
        seq = await post(rao)
        [call] = await wait(gateway, 1)
        assert call.at - started < 1
        assert call.body == {"id": call.id, "channel": "sms", "to": "+15550101", "priority": "stat", "text": FIXED_TEXT}
        assert call.is_signed() and abs(int(call.headers["careteam-timestamp"]) - time.time()) < 5
        await until(lambda: deliveries(server)[call.id] == (SENT, 1))
        await acknowledge(nina, seq)
        assert {state for state, _ in deliveries(server).values()} == {ACKNOWLEDGED}
        assert server.metrics()['careteam_notifier_attempts_total{outcome="sent"}'] == 1 and server.metrics()[LOST] == 0
        await rao.close()
        await nina.close()
        assert worker.stop() == 0
        await workers_of(server, 0)
        assert server.stop()[0] == 0 and server.verify().returncode == 0 and not hall.exists()
        assert "worker_lost" not in server.log_text() and len(gateway.calls) == 1


async def test_the_answers_of_a_gateway_mean_what_they_mean_to_the_server_itself(gateway, hall):
    for plan in (503, "drop", 400):
        gateway.answer(plan)
    gateway.answer(429, retry_after=2)
    with handing_over(hall, contacts={"nina": ["sms +15550101", "phone +15550102"]}) as server, Worker(hall, gateway.settings):
        server.start()
        rao = await Client.connect(server, "rao")
        await post(rao)
        calls = await wait(gateway, 5)
        assert [one.id.split("-")[1:] for one in calls] == [["1", "0"]] * 3 + [["1", "1"]] * 2
        assert 2 <= calls[4].at - calls[3].at < 4, "a wish to be left alone is heard"
        await until(lambda: deliveries(server)[calls[4].id] == (SENT, 2))
        await rao.close()


async def test_two_workers_share_the_calls(gateway, hall):
    with handing_over(hall) as server, Worker(hall, gateway.settings), Worker(hall, with_another_secret(gateway)):
        server.start()
        rao = await Client.connect(server, "rao")
        await workers_of(server, 2)
        assert "notifier 2 workers\n" in server.admin("/readyz")[1]
        for number in range(1, 5):
            await post(rao)
            calls = await wait(gateway, number)
            await until(lambda: deliveries(server)[calls[-1].id] == (SENT, 1))
        assert sum(one.is_signed() for one in calls) == 2 == sum(one.is_signed(OTHER_SECRET) for one in calls)
        await rao.close()


async def test_no_worker_is_given_more_than_it_takes_at_once(gateway, hall):
    gateway.usual = "silence"
    one_at_once = {"notifier.in_flight": 1}
    with handing_over(hall, contacts={"nina": ["sms +15550101"], "noah": ["sms +15550102"], "rao": ["sms +15550103"]}) as server:
        with Worker(hall, gateway.settings | one_at_once), Worker(hall, with_another_secret(gateway) | one_at_once):
            server.start()
            rao = await Client.connect(server, "rao")
            await workers_of(server, 2)
            for person in ("nina", "noah", "nina"):
                await post(rao, person=person)
            calls = await wait(gateway, 3)
            # The third one goes out when the gateway has been given up on for the first.
            assert calls[1].at - calls[0].at < 0.9 <= calls[2].at - calls[0].at
            assert sum(one.is_signed() for one in calls[:2]) == 1
            await rao.close()


async def test_a_worker_that_is_killed_with_a_call_on_its_way_is_stood_in_for_at_once(gateway, hall):
    settings = {"notifier.attempt_timeout_ms": 20_000, "notifier.worker_socket": str(hall)}
    gateway.answer("silence")
    with ward(settings, contacts={"nina": ["sms +15550101", "phone +15550102"]}) as server:
        with Worker(hall, gateway.settings) as first, Worker(hall, with_another_secret(gateway)) as second:
            server.start()
            rao = await Client.connect(server, "rao")
            await workers_of(server, 2)
            await post(rao)
            [call] = await wait(gateway, 1)
            dying, other = (first, OTHER_SECRET) if call.is_signed() else (second, SECRET)
            killed = time.monotonic()
            dying.kill9()
            _, again = await wait(gateway, 2)
            assert again.id == call.id and again.headers["idempotency-key"] == call.headers["idempotency-key"] and again.is_signed(other)
            assert again.at - killed < 3
            await until(lambda: deliveries(server)[call.id] == (SENT, 2))
            assert f"{call.effect}-1-1" not in deliveries(server), "no channel has failed"
            assert server.metrics()[LOST] == 1 and server.metrics()["careteam_notifier_workers"] == 1
            server.logged("worker_lost")
            await rao.close()
            assert server.stop()[0] == 0 and server.verify().returncode == 0
            assert len(gateway.calls) == 2


async def test_a_call_that_kills_whoever_makes_it_does_not_do_so_for_ever(gateway, hall):
    gateway.usual = "silence"
    settings = {"notifier.attempt_timeout_ms": 20_000, "notifier.worker_socket": str(hall), "notifier.attempts": 2}
    with ward(settings, contacts={"nina": ["sms +15550101", "phone +15550102"]}) as server:
        server.start()
        rao = await Client.connect(server, "rao")
        await post(rao)
        for number in (1, 2):
            with Worker(hall, gateway.settings) as worker:
                await wait(gateway, number)
                worker.kill9()
                await workers_of(server, 0)
        with Worker(hall, gateway.settings) as worker:
            calls = await wait(gateway, 3)
            assert [one.id.split("-")[1:] for one in calls] == [["1", "0"], ["1", "0"], ["1", "1"]]
            await rao.close()
            worker.kill9()


async def test_a_worker_that_freezes_is_given_up_on(gateway, hall):
    with handing_over(hall) as server, Worker(hall, gateway.settings) as worker:
        server.start()
        rao = await Client.connect(server, "rao")
        await workers_of(server, 1)
        worker.freeze()
        seq = await post(rao)
        server.logged("worker_lost")
        assert server.metrics()["careteam_notifier_workers"] == 0
        with Worker(hall, with_another_secret(gateway)):
            [call] = await wait(gateway, 1)
            assert call.is_signed(OTHER_SECRET)
            await until(lambda: deliveries(server)[call.id][0] == SENT)
            nina = await Client.connect(server, "nina")
            await acknowledge(nina, seq)
            # What it had taken over before comes late, under the same key, and is good for another call.
            worker.thaw()
            worker.logged("working", times=2)
            assert {one.id for one in gateway.calls} == {call.id} and len(gateway.calls) <= 2
            for client in (rao, nina):
                await client.close()


async def test_calls_wait_for_a_worker_and_are_no_failures(gateway, hall):
    with handing_over(hall) as server:
        server.start()
        rao, nina = await Client.connect(server, "rao"), await Client.connect(server, "nina")
        status, text = server.admin("/readyz")
        assert status == 200 and "notifier no worker: calls wait\n" in text
        answered, open_still = await post(rao), await post(rao)
        await until(lambda: server.metrics()["careteam_notifier_overdue_seconds"] > 1)
        assert {state for state, _ in deliveries(server).values()} == {WAITING}
        await acknowledge(nina, answered)
        assert not gateway.calls
        came = time.monotonic()
        with Worker(hall, gateway.settings) as worker:
            [call] = await wait(gateway, 1)
            assert call.at - came < 5
            await until(lambda: deliveries(server)[call.id] == (SENT, 1))
            await until(lambda: server.metrics()["careteam_notifier_overdue_seconds"] == 0)
            assert worker.stop() == 0
        await acknowledge(nina, open_still)
        for client in (rao, nina):
            await client.close()
        assert server.stop()[0] == 0 and server.verify().returncode == 0
        assert len(gateway.calls) == 1, "what was answered while nobody was there to call is not called"


async def test_a_worker_comes_before_its_server_and_stays_when_it_goes(gateway, hall):
    with Worker(hall, gateway.settings) as worker, handing_over(hall) as server:
        worker.logged("server_away")
        server.start()
        for start in (1, 2, 3):
            worker.logged("working", times=start)
            rao = await Client.connect(server, "rao")
            await post(rao)
            await wait(gateway, start)
            await rao.close()
            if start == 1:
                server.restart()
            if start == 2:
                server.kill9()
                server.start()
        assert worker.log_text().count("server_away") <= 3, "each time is told of once"
        assert len({one.id for one in gateway.calls}) == 3


async def test_a_server_that_dies_before_it_hears_how_a_call_ended_has_it_made_again_under_the_same_key(gateway, hall):
    gateway.answer("silence")
    with handing_over(hall) as server, Worker(hall, gateway.settings) as worker:
        server.start()
        rao = await Client.connect(server, "rao")
        await post(rao)
        [call] = await wait(gateway, 1)
        server.kill9()
        server.start()
        worker.logged("working", times=2)
        _, again = await wait(gateway, 2)
        assert again.id == call.id
        await until(lambda: deliveries(server)[call.id] == (SENT, 2))
        assert server.stop()[0] == 0 and server.verify().returncode == 0
        assert len(gateway.calls) == 2


async def test_a_worker_that_is_ended_ends_what_is_on_its_way_and_takes_nothing_more(gateway, hall):
    gateway.answer("silence")
    with handing_over(hall) as server, Worker(hall, gateway.settings) as worker:
        server.start()
        rao = await Client.connect(server, "rao")
        await post(rao)
        [call] = await wait(gateway, 1)
        worker.term()
        await workers_of(server, 0)
        await post(rao)
        assert await asyncio.to_thread(worker.wait) == 0
        await until(lambda: deliveries(server)[call.id] == (WAITING, 1))
        metrics = server.metrics()
        assert metrics[LOST] == 0 and metrics['careteam_notifier_attempts_total{outcome="retried"}'] == 1, "the server has heard of it"
        assert len(gateway.calls) == 1
        with Worker(hall, gateway.settings):
            assert len({one.id for one in await wait(gateway, 3)}) == 2
        await rao.close()


async def test_a_worker_is_not_kept_by_a_server_that_hangs(gateway, hall):
    with handing_over(hall) as server, Worker(hall, gateway.settings | {"notifier.attempt_timeout_ms": 200}) as worker:
        server.start()
        worker.logged("working")
        server.pause()
        assert worker.stop() == 0
        server.cont()


async def test_mail_goes_through_a_worker_that_alone_knows_the_password(tmp_path, hall):
    made = Certificate(tmp_path, "mail")
    password = tmp_path / "smtp-password"
    password.write_text("open sesame\n")
    password.chmod(0o600)
    with MailServer(certificate=(made.chain, made.key), login=("careteam", "open sesame")) as mail:
        settings = {"notifier.smtp_url": mail.url, "notifier.smtp_from": "careteam@hospital.test", "notifier.smtp_username": "careteam",
                    "notifier.smtp_password_file": str(password), "notifier.ca_file": str(made.chain)}
        with handing_over(hall, contacts={"nina": ["email n1@hospital.test"]}) as server, Worker(hall, settings):
            server.start()
            rao = await Client.connect(server, "rao")
            await post(rao)
            [(sender, recipients, text)] = await asyncio.to_thread(mail.wait, 1)
            assert "<careteam@hospital.test>" in sender and recipients == ["RCPT TO:<n1@hospital.test>"] and mail.logins == [("careteam", True, True)]
            id = re.search(r"Message-ID: <([0-9a-f]{32}-1-0)@hospital.test>", text)[1]
            await until(lambda: deliveries(server)[id] == (SENT, 1))
            await rao.close()


# --- who is at the socket

HELLO = b"\x0a\x02\x08\x05"  # FromWorker.hello.in_flight = 5


def framed(content):
    return struct.pack(">I", len(content)) + content


def rest_of(peer):
    """Everything until the server closes."""
    rest = b""
    try:
        while chunk := peer.recv(4096):
            rest += chunk
    except ConnectionResetError:
        pass
    return rest


@pytest.fixture
def visited(gateway, hall):
    with handing_over(hall) as server, Worker(hall, gateway.settings) as worker:
        server.start()
        worker.logged("working")
        yield server


@pytest.mark.parametrize("said", [
    b"\x00", b"\xff\xff\xff\xff", framed(b""), framed(b"\xff\xff\xff\xff\xff"), struct.pack(">I", 1000) + b"half", framed(b"\x0a\x00"), framed(HELLO) * 2,
    framed(b"\x12\x04\x08\x01\x10\x01"), framed(HELLO) + framed(b"\x12\x04\x08\x63\x10\x01"), framed(b"\x1a\x00"), struct.pack(">I", 5000) + bytes(5000),
    b"GET / HTTP/1.1\r\n\r\n"], ids=range(12))
async def test_nonsense_ends_that_connection_alone(visited, gateway, hall, said):
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(5)
        peer.connect(str(hall))
        peer.sendall(said)
        peer.shutdown(socket.SHUT_WR)
        assert len(rest_of(peer)) <= 6, "a Welcome at most"
    rao = await Client.connect(visited, "rao")
    await post(rao)
    [call] = await wait(gateway, 1)
    await until(lambda: deliveries(visited)[call.id] == (SENT, 1))
    assert visited.metrics()["careteam_notifier_workers"] == 1
    await rao.close()


async def test_a_worker_sees_nothing_of_a_patient_and_may_not_answer_for_what_it_was_not_given(gateway, hall):
    with handing_over(hall) as server:
        server.start()
        rao = await Client.connect(server, "rao")
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(10)
            peer.connect(str(hall))
            peer.sendall(framed(HELLO))
            await workers_of(server, 1)
            await post(rao)
            given = await asyncio.to_thread(peer.recv, 4096)
            while b"+15550101" not in given:
                given += await asyncio.to_thread(peer.recv, 4096)
            assert_content_free(given)
            number = given[given.index(b"\x08", 6) + 1]  # Attempt.number, after Welcome's frame.
            peer.sendall(framed(bytes([0x12, 4, 0x08, number + 1, 0x10, 1])))
            assert await asyncio.to_thread(rest_of, peer) == b""
        with Worker(hall, gateway.settings):
            [call] = await wait(gateway, 1)
            assert call.id.encode() in given, "the lie was not believed: it is made again"
            await until(lambda: deliveries(server)[call.id] == (SENT, 2))
        await rao.close()


async def test_a_connection_that_says_nothing_is_closed(visited, hall):
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(10)
        peer.connect(str(hall))
        assert await asyncio.to_thread(rest_of, peer) == b""
    assert visited.metrics()["careteam_notifier_workers"] == 1


def test_the_socket_is_the_servers_own(visited, hall):
    mode = hall.stat().st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
async def test_another_user_comes_in_where_the_settings_name_it_and_only_then(gateway, hall):
    for folder in (gateway.folder, pathlib.Path(gateway.secret_file)):
        os.chown(folder, NOBODY, NOBODY)
    with handing_over(hall) as server:
        server.start()
        hall.chmod(0o666)  # Even so the kernel is asked who is at the other end.
        with Worker(hall, gateway.settings, user=NOBODY) as stranger:
            stranger.logged("server_away")
            server.logged("worker_turned_away")
            assert server.metrics()["careteam_notifier_workers"] == 0
            server.settings["notifier.worker_user"] = "nobody"
            server.write_config()
            server.restart()
            assert stat.S_IMODE(hall.stat().st_mode) == 0o666
            stranger.logged("working")
            rao = await Client.connect(server, "rao")
            await post(rao)
            [call] = await wait(gateway, 1)
            await until(lambda: deliveries(server)[call.id] == (SENT, 1))
            await rao.close()


# --- settings

@pytest.mark.parametrize("text,told", [
    ("", "notifier.worker_socket"), ("[notifier]\nworker_socket = \"calls.sock\"\n", "no way out"),
    ("[notifier]\nwebhook_url = \"http://127.0.0.1:9/\"\nwebhook_secret_file = \"no-secret\"\n", "notifier.worker_socket"),
    ("[notifier]\nworker_socket = \"calls.sock\"\nwebhook_url = \"http://127.0.0.1:9/\"\nwebhook_secret_file = \"no-secret\"\n", "no-secret"),
    ("[notifier]\nworker_socket = \"" + "x" * 120 + "\"\n", "too long"), ("[notifier]\nworker_user = \"nobody\"\n", "worker_socket")])
def test_a_worker_that_cannot_call_says_why(tmp_path, text, told):
    file = tmp_path / "worker.toml"
    file.write_text(text)
    with Server(redis=False) as server:
        for words in (["notifier"], ["config", "check", "--notifier"]):
            done = server.tool(*words, "--config", file)
            assert done.returncode == 1 and told in done.stderr and not done.stdout, (done.stderr, done.stdout)


def test_the_settings_of_both_are_checked(gateway, hall):
    with Server(redis=False, settings=QUICK | {"redis.endpoint": "", "notifier.worker_socket": str(hall)}) as server:
        worker = Worker(hall, gateway.settings)
        assert server.tool("config", "check", "--config", server.config).returncode == 0
        assert server.tool("config", "check", "--notifier", "--config", worker.config).returncode == 0
        assert server.tool("config", "check", "--config", worker.config).returncode == 1, "a worker's is none for a server"
        server.settings |= {"notifier.worker_socket": "/no/such/folder/calls.sock", "notifier.worker_user": "no-such-user"}
        server.write_config()
        done = server.tool("config", "check", "--config", server.config)
        assert done.returncode == 1 and "notifier.worker_socket: the folder /no/such/folder" in done.stderr and "no-such-user" in done.stderr


def test_two_servers_do_not_take_a_socket_from_each_other(hall):
    with Server(redis=False, settings={"notifier.worker_socket": str(hall)}) as server:
        server.start()
        with Server(redis=False, settings={"notifier.worker_socket": str(hall)}) as second:
            second.launch()
            assert second.wait() == 1 and str(hall) in second.log_text()
        server.process.send_signal(signal.SIGKILL)
        server.wait()
        assert hall.exists()
        server.start()  # What a killed server left behind is in nobody's way.

"""People are called outside (G1 to G6, G9): over a webhook and by mail, again until they answer, quietly at night, and at the end by a human.
A fake gateway and a fake mail server keep every byte.
"""
import asyncio
import json
import re
import sqlite3
import sys
import time
import urllib.error
import urllib.request

import pytest
from careteam_client import Client
from certificates import Certificate
from gateways import FIXED_TEXT, SECRET, Gateway, MailServer, sign
from server import ROOT, Server, room_resources, sanitized
from server_clock import Clock

STAFF = [("rao", "medical-oncologist"), ("nina", "oncology-nurse"), ("noah", "oncology-nurse")]
HOUR = 3600
TEXT = "Her temperature is 39.2 and she shivers"
QUICK = {"notifier.attempt_timeout_ms": 1000, "notifier.retry_after_ms": 50}


@pytest.fixture
def gateway():
    with Gateway() as one:
        yield one


@pytest.fixture
def clock(tmp_path):
    if sanitized():
        pytest.skip("the sanitizer's library must come first, and so must libfaketime")
    return Clock(tmp_path)


def enroll(server, person, *more):
    done = server.tool("enroll", "--config", server.config, "--person", person, "--name", f"Staff {person}", "--kind", "staff", *more)
    assert done.returncode == 0, done.stderr


def ward(settings, contacts=None, redis=True, **more):
    """A patient with a team whose members have these contacts ({person: ["sms +1", ...]})."""
    server = Server(redis=redis, settings=QUICK | settings, **more)
    server.import_resources(room_resources("pat", STAFF))
    for person, points in ({"nina": ["sms +15550101"]} if contacts is None else contacts).items():
        enroll(server, person, *(word for point in points for word in ("--contact", point)))
    return server


async def post(client, priority="stat", person="nina"):
    answer = await client.post("pat", "clinical", TEXT, priority=priority, mentions=[person])
    assert answer.ok, answer
    return answer.seq


async def acknowledge(client, seq):
    answer = await client.acknowledge("pat", "clinical", seq)
    assert answer.ok, answer


def deliveries(server):
    """{id: (state, attempts)} of the outbox."""
    with sqlite3.connect(f"file:{server.store_path}?mode=ro", uri=True) as store:
        return {one: (state, attempts) for one, state, attempts in store.execute("SELECT id, state, attempts FROM deliveries")}


WAITING, SENT, ACKNOWLEDGED, FAILED = 1, 2, 3, 4


async def until(what, seconds=10):
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not come about"
        await asyncio.sleep(0.02)
    return found


async def wait(gateway, count, seconds=10):
    return await asyncio.to_thread(gateway.wait, count, seconds)


def assert_content_free(octets):
    for word in (b"pat", b"nina", b"Patient", b"Staff", b"rao", b"39.2", b"temperature", b"clinical", b"oncolog"):
        found = re.search(rb"(?<![A-Za-z0-9])" + re.escape(word) + rb"(?![A-Za-z0-9])", octets)
        assert not found, (word, octets)


@pytest.mark.parametrize("redis", [True, False], ids=["redis", "alone"])
async def test_a_stat_message_calls_its_addressee_once_and_an_acknowledgement_ends_it(gateway, redis):
    with ward(gateway.settings, redis=redis) as server:
        server.start()
        rao, nina = await Client.connect(server, "rao"), await Client.connect(server, "nina")
        started = time.monotonic()
        seq = await post(rao)
        [call] = await wait(gateway, 1)
        assert call.at - started < 1
        assert call.body == {"id": call.id, "channel": "sms", "to": "+15550101", "priority": "stat", "text": FIXED_TEXT}
        assert re.fullmatch(r"[0-9a-f]{32}-1-0", call.id) and call.headers["idempotency-key"] == call.id
        assert call.is_signed() and abs(int(call.headers["careteam-timestamp"]) - time.time()) < 5
        assert call.line == "POST /careteam HTTP/1.1" and call.headers["content-type"] == "application/json"
        await until(lambda: deliveries(server)[call.id] == (SENT, 1))
        rows = deliveries(server)
        assert rows[call.id] == (SENT, 1) and rows[f"{call.effect}-2-0"] == (WAITING, 0), rows
        await acknowledge(nina, seq)
        assert {state for state, _ in deliveries(server).values()} == {ACKNOWLEDGED}, "in the commit itself"
        assert server.metrics()['careteam_notifier_attempts_total{outcome="sent"}'] == 1
        assert_content_free(gateway.received)
        await rao.close()
        await nina.close()
        assert server.stop()[0] == 0 and server.verify().returncode == 0 and server.rebuild().returncode == 0
        assert len(gateway.calls) == 1


async def test_a_person_is_called_again_after_the_pause_over_the_louder_channel_until_somebody_answers(gateway, clock):
    with ward(gateway.settings, contacts={"nina": ["sms +15550101", "phone +15550102"]}, environment=clock.environment) as server:
        server.start()
        rao = await Client.connect(server, "rao", token=server.token("rao", expires=100 * HOUR))
        nina = await Client.connect(server, "nina", token=server.token("nina", expires=100 * HOUR))
        seq = await post(rao)
        await wait(gateway, 1)
        await until(lambda: f"{gateway.calls[0].effect}-2-0" in deliveries(server))
        clock.set(55)
        await asyncio.sleep(1.5)  # More than one look at the clock.
        assert len(gateway.calls) == 1, "not before its time"
        for times in (2, 3):
            clock.set(62 * (times - 1))
            calls = await wait(gateway, times)
            assert calls[-1].id == f"{calls[0].effect}-{times}-0" and calls[-1].body["channel"] == "phone"
            await until(lambda: f"{calls[0].effect}-{times + 1}-0" in deliveries(server))
        await acknowledge(nina, seq)
        clock.set(HOUR)
        await asyncio.sleep(2.5)
        assert len(gateway.calls) == 3, "quiet within two seconds"
        assert len({one.id for one in gateway.calls}) == 3
        await rao.close()
        await nina.close()


async def test_whoever_has_left_the_team_is_not_called_again(gateway, clock):
    with ward(gateway.settings, environment=clock.environment) as server:
        server.start()
        rao = await Client.connect(server, "rao", token=server.token("rao", expires=100 * HOUR))
        await post(rao)
        [call] = await wait(gateway, 1)
        await until(lambda: f"{call.effect}-2-0" in deliveries(server))
        version = (await rao.roster("pat"))["rosterVersion"]
        left = {"expectedRosterVersion": version, "personId": "nina", "role": "ROLE_ONCOLOGY_NURSE", "reason": "has left the team"}
        assert (await rao.command("pat", {"endMember": left})).ok
        clock.set(62)
        await until(lambda: deliveries(server)[f"{call.effect}-2-0"][0] == FAILED)
        clock.set(HOUR)
        await asyncio.sleep(1.5)
        assert len(gateway.calls) == 1
        await rao.close()


@pytest.mark.parametrize("trouble,least", [("drop", 0.05), ("garbage", 0.05), (500, 0.05), (503, 0.05), ("silence", 1.0), (408, 0.05)], ids=str)
async def test_what_passes_is_tried_again_under_the_same_key(gateway, trouble, least):
    gateway.answer(trouble)
    gateway.answer(trouble)
    with ward(gateway.settings) as server:
        server.start()
        rao = await Client.connect(server, "rao")
        await post(rao)
        calls = await wait(gateway, 3)
        assert len({one.id for one in calls}) == 1 and calls[0].headers["idempotency-key"] == calls[2].headers["idempotency-key"]
        assert calls[1].at - calls[0].at >= least and calls[2].at - calls[1].at >= least + 0.05, "pauses grow"
        await until(lambda: deliveries(server)[calls[0].id] == (SENT, 3))
        assert server.metrics()['careteam_notifier_attempts_total{outcome="retried"}'] == 2
        await rao.close()


async def test_a_wish_to_be_left_alone_is_heard(gateway):
    gateway.answer(429, retry_after=2)
    with ward(gateway.settings) as server:
        server.start()
        rao = await Client.connect(server, "rao")
        await post(rao)
        calls = await wait(gateway, 2)
        assert 2 <= calls[1].at - calls[0].at < 4
        await rao.close()


async def test_a_channel_that_refuses_hands_over_to_the_next(gateway):
    for status in (400, 302):
        gateway.answer(status)
    with ward(gateway.settings, contacts={"nina": ["push token-1", "sms +15550101", "phone +15550102"]}) as server:
        server.start()
        rao = await Client.connect(server, "rao")
        await post(rao)
        calls = await wait(gateway, 3)
        assert [one.body["channel"] for one in calls] == ["push", "sms", "phone"]
        assert [one.id.split("-")[1:] for one in calls] == [["1", "0"], ["1", "1"], ["1", "2"]]
        assert calls[2].at - calls[0].at < 3
        await rao.close()


async def test_no_channel_left_ends_at_a_human_and_once(gateway):
    gateway.usual = (400, {})
    with ward(gateway.settings, contacts={"nina": ["push token-1", "sms +15550101"], "rao": []}) as server:
        server.start()
        rao, noah = await Client.connect(server, "rao"), await Client.connect(server, "noah")
        seq = await post(noah)
        told = await until(lambda: [one for one in rao.entries("pat", "clinical") if "callUndelivered" in one])
        assert told[0]["callUndelivered"] == {"seq": str(seq), "personId": "nina"} and not told[0]["author"].get("personId")
        await until(lambda: any("taskRequested" in one for one in rao.entries("pat", "clinical")))
        [task] = [one["taskRequested"] for one in rao.entries("pat", "clinical") if "taskRequested" in one]
        assert task["order"]["kind"] == "TASK_KIND_FOLLOW_UP" and task["order"]["priority"] == "PRIORITY_STAT"
        # Nobody attends: whoever sent it is told.
        assert task["order"]["target"] == {"personId": "noah"} and task["order"]["message"]["seq"] == str(seq)
        assert task["origin"] == {"seq": str(seq), "rule": "TASK_RULE_UNDELIVERED", "ordinal": int(told[0]["seq"])}
        await until(lambda: server.metrics()["careteam_notifier_undelivered_total"] >= 1)
        # Noah cannot be called about that task either: it is said, and asks nobody twice.
        await until(lambda: len([one for one in rao.entries("pat", "clinical") if "callUndelivered" in one]) == 2)
        await rao.fence()
        assert len([one for one in rao.entries("pat", "clinical") if "taskRequested" in one]) == 1
        for one in (rao, noah):
            await one.close()
        assert server.stop()[0] == 0 and server.verify().returncode == 0 and server.rebuild().returncode == 0


async def test_an_explanation_tells_of_a_call_that_reached_nobody(gateway):
    gateway.usual = (400, {})
    with ward(gateway.settings) as server:
        server.start()
        rao = await Client.connect(server, "rao")
        order = {"kind": "TASK_KIND_CARE", "title": "Call her back", "target": {"personId": "nina"}, "priority": "PRIORITY_ASAP"}
        asked = await rao.command("pat", {"requestTask": {"stream": "STREAM_CLINICAL", "order": order}})
        await until(lambda: any("callUndelivered" in one for one in rao.entries("pat", "clinical")))
        await rao.fence()
        told = server.tool("explain", "--config", server.config, "pat", f"clinical/{asked.seq}").stdout
        assert "nina could not be called over any channel" in told and "because somebody could not be called about it" in told, told
        await rao.close()


async def test_what_is_routine_waits_in_the_worklist_when_nobody_can_be_called(gateway):
    with ward(gateway.settings, contacts={}) as server:
        server.start()
        rao = await Client.connect(server, "rao")
        order = {"kind": "TASK_KIND_CARE", "title": "Call her back", "target": {"personId": "nina"}}
        assert (await rao.command("pat", {"requestTask": {"stream": "STREAM_CLINICAL", "order": order}})).ok
        await until(lambda: {state for state, _ in deliveries(server).values()} == {FAILED})
        await rao.fence()
        assert not any("callUndelivered" in one for one in rao.entries("pat", "clinical"))
        await rao.close()


async def test_the_organisations_ladder_is_for_staff_without_contacts(gateway):
    with ward(gateway.settings | {"notifier.contacts": ["phone +15550100"]}, contacts={}) as server:
        server.start()
        rao = await Client.connect(server, "rao")
        await post(rao)
        [call] = await wait(gateway, 1)
        assert call.body["channel"] == "phone" and call.body["to"] == "+15550100"
        await rao.close()


async def test_quiet_hours_hold_what_does_not_ring_and_let_stat_through(gateway):
    now = time.gmtime()
    hours = f"{now.tm_hour:02}:{now.tm_min:02}-{(now.tm_hour + 2) % 24:02}:{now.tm_min:02}"
    with ward(gateway.settings | {"notifier.quiet_hours": hours}) as server:
        server.start()
        rao = await Client.connect(server, "rao")
        order = {"kind": "TASK_KIND_CARE", "title": "Call her back", "target": {"personId": "nina"}, "priority": "PRIORITY_URGENT"}
        assert (await rao.command("pat", {"requestTask": {"stream": "STREAM_CLINICAL", "order": order}})).ok
        await until(lambda: server.metrics()['careteam_notifier_attempts_total{outcome="postponed"}'] == 1)
        await until(lambda: (WAITING, 0) in deliveries(server).values())  # To wait is no attempt.
        await post(rao)
        [call] = await wait(gateway, 1)
        assert call.body["priority"] == "stat"
        await rao.close()


async def test_mail_goes_by_starttls_with_a_login_and_says_nothing(tmp_path):
    made = Certificate(tmp_path, "mail")
    password = tmp_path / "smtp-password"
    password.write_text("open sesame\n")
    password.chmod(0o600)
    with MailServer(certificate=(made.chain, made.key), login=("careteam", "open sesame")) as mail:
        mail.plan("drop")
        settings = {"notifier.smtp_url": mail.url, "notifier.smtp_from": "careteam@hospital.test", "notifier.smtp_username": "careteam",
                    "notifier.smtp_password_file": str(password), "notifier.ca_file": str(made.chain)}
        with ward(settings, contacts={"nina": ["email n1@hospital.test"]}) as server:
            server.start()
            rao = await Client.connect(server, "rao")
            await post(rao)
            [(sender, recipients, text)] = await asyncio.to_thread(mail.wait, 1)
            assert "<careteam@hospital.test>" in sender and recipients == ["RCPT TO:<n1@hospital.test>"]
            head, body = text.split("\r\n\r\n", 1)
            id = re.search(r"Message-ID: <([0-9a-f]{32}-1-0)@hospital.test>", head)[1]
            assert body == f"{FIXED_TEXT}.\r\nPriority: stat\r\nReference: {id}\r\n.\r\n"
            assert f"Subject: {FIXED_TEXT}\r\n" in head and mail.logins == [("careteam", True, True)] * 2
            await until(lambda: deliveries(server)[id] == (SENT, 2))
            assert_content_free(mail.received)
            await rao.close()


@pytest.mark.parametrize("certificate", [False, True], ids=["plain", "untrusted"])
async def test_mail_without_tls_that_is_trusted_is_not_sent_and_ends_at_a_human(tmp_path, certificate):
    made = Certificate(tmp_path, "mail")
    with MailServer(certificate=(made.chain, made.key) if certificate else None) as mail:
        settings = {"notifier.smtp_url": mail.url, "notifier.smtp_from": "careteam@hospital.test"}
        with ward(settings, contacts={"nina": ["email n1@hospital.test"]}) as server:
            server.start()
            rao, noah = await Client.connect(server, "rao"), await Client.connect(server, "noah")
            await post(noah)
            await until(lambda: any("callUndelivered" in one for one in rao.entries("pat", "clinical")))
            assert not mail.mails and b"MAIL" not in mail.received
            await rao.close()
            await noah.close()


async def test_a_mail_server_that_knows_nobody_hands_over_to_the_next_channel(gateway):
    with MailServer() as mail:
        mail.plan("550 no such user here")
        settings = gateway.settings | {"notifier.smtp_url": mail.url, "notifier.smtp_from": "careteam@hospital.test", "notifier.smtp_without_tls": True}
        with ward(settings, contacts={"nina": ["email n1@hospital.test", "sms +15550101"]}) as server:
            server.start()
            rao = await Client.connect(server, "rao")
            await post(rao)
            [call] = await wait(gateway, 1)
            assert call.id.endswith("-1-1") and not mail.mails
            await rao.close()


async def test_the_recorded_examples_are_what_is_sent(gateway):
    examples = ROOT / "deploy" / "notifier"
    sys.path.append(str(examples))
    import verify_webhook
    with MailServer() as mail:
        settings = gateway.settings | {"notifier.smtp_url": mail.url, "notifier.smtp_from": "careteam@example.org", "notifier.smtp_without_tls": True}
        with ward(settings, contacts={"nina": ["sms +15550100"], "noah": ["email nina@example.org"]}) as server:
            server.start()
            rao = await Client.connect(server, "rao")
            for person in ("nina", "noah"):
                await post(rao, person=person)
            [call] = await wait(gateway, 1)
            [(_, _, text)] = await asyncio.to_thread(mail.wait, 1)
            await rao.close()
    made_equal = lambda octets: re.sub(r"[0-9a-f]{32}-1-0|v1=[0-9a-f]{64}|\b\d{10}\b|127\.0\.0\.1:\d+|gateway\.example\.org|Date: .*?(?=\r)", "*", octets)  # noqa: E731
    recorded = (examples / "webhook.http").read_bytes().decode()
    assert made_equal(call.head.decode() + call.raw_body.decode()) == made_equal(recorded)
    assert made_equal(text) == made_equal((examples / "mail.eml").read_bytes().decode()) + ".\r\n"
    seen, now = set(), time.time()
    assert verify_webhook.verify(SECRET, call.headers, call.raw_body, now, seen) == call.body
    assert verify_webhook.verify(SECRET, call.headers, call.raw_body, now, seen) is None, "a repetition"
    for secret, at in ((SECRET + "x", now), (SECRET, now + 400)):
        with pytest.raises(ValueError):
            verify_webhook.verify(secret, call.headers, call.raw_body, at, set())
    headers, body = verify_webhook.report(SECRET, call.id, "failed", 1772366400)
    assert headers["CareTeam-Signature"] == sign(SECRET, 1772366400, body) and json.loads(body) == {"id": call.id, "outcome": "failed"}


def report(server, id, outcome="failed", secret=SECRET, at=None, body=None, signature=None):
    """The status of one report of a provider."""
    body = json.dumps({"id": id, "outcome": outcome}).encode() if body is None else body
    timestamp = int(time.time() if at is None else at)
    request = urllib.request.Request(f"http://127.0.0.1:{server.admin_port}/v1/notifier/callbacks", body, method="POST", headers={
        "CareTeam-Timestamp": str(timestamp), "CareTeam-Signature": signature or sign(secret, timestamp, body), "Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        return refused.code


async def test_a_provider_reports_what_it_could_not_deliver_and_nobody_else_does(gateway):
    settings = gateway.settings | {"notifier.callback_secret_file": gateway.secret("callback-secret", "another-secret-of-the-tests")}
    with ward(settings, contacts={"nina": ["sms +15550101", "phone +15550102"]}) as server:
        server.start()
        rao = await Client.connect(server, "rao")
        await post(rao)
        [call] = await wait(gateway, 1)
        await until(lambda: deliveries(server)[call.id] == (SENT, 1))
        tell = lambda *words, **more: asyncio.to_thread(report, server, *words, **{"secret": "another-secret-of-the-tests"} | more)  # noqa: E731
        assert await tell(call.id, secret=SECRET) == 401, "the other direction's secret"
        assert await tell(call.id, signature="v1=") == 401
        assert await tell(call.id, at=time.time() - 301) == 401, "a replay"
        assert await tell(call.id, at=time.time() + 301) == 401
        assert await tell("0" * 32 + "-1-0") == 404
        for body in (b"", b"{}", b"[]", b'{"id":"x"}', b"\xff" * 10, b"{" * 2000):
            assert await tell("", body=body) == 400, body
        assert await tell(call.id, outcome="delivered") == 200
        assert deliveries(server)[call.id] == (SENT, 1)
        assert await tell(call.id) == 200
        calls = await wait(gateway, 2)
        assert calls[1].id == f"{call.effect}-1-1" and calls[1].body["channel"] == "phone"
        assert await tell(call.id) == 200, "once more is the same"
        assert await tell(call.id, outcome="delivered") == 200 and deliveries(server)[call.id][0] == FAILED
        await asyncio.sleep(0.5)
        assert len(gateway.calls) == 2
        # The last channel's failure ends at a human.
        await until(lambda: deliveries(server)[calls[1].id][0] == SENT)
        assert await tell(calls[1].id) == 200
        await until(lambda: any("callUndelivered" in one for one in rao.entries("pat", "clinical")))
        await rao.close()


async def test_without_a_secret_no_report_is_taken(gateway):
    with ward(gateway.settings) as server:
        server.start()
        assert await asyncio.to_thread(report, server, "x") == 404


async def test_redis_may_vanish_and_forget(gateway):
    with ward(gateway.settings) as server:
        server.start()
        rao, nina = await Client.connect(server, "rao"), await Client.connect(server, "nina")
        await post(rao)
        await wait(gateway, 1)
        server.redis.cli("FLUSHALL")
        await post(rao)
        await wait(gateway, 2)
        server.redis.stop()
        await post(rao)
        await wait(gateway, 3)
        server.redis.cont()
        server.redis.kill9()
        await post(rao)
        await wait(gateway, 4)
        server.redis.start()
        await post(rao)
        calls = await wait(gateway, 5)
        assert len({one.id for one in calls}) == 5 == len(calls)
        await rao.close()
        await nina.close()


async def test_a_redis_that_gives_no_right_to_its_queue_is_told_of_once_and_does_without(gateway):
    with ward(gateway.settings) as server:
        server.redis.cli("ACL", "SETUSER", server.redis.user, "-xadd", "-xreadgroup")
        server.start()
        server.logged("call_queue_refused")
        rao = await Client.connect(server, "rao")
        await post(rao)
        await wait(gateway, 1)
        await asyncio.sleep(1.2)  # It has asked again.
        assert server.log_text().count("call_queue_refused") == 1
        await rao.close()


@pytest.mark.parametrize("settings,told", [
    ({"notifier.webhook_url": "http://gateway.example.org/"}, "loopback"), ({"notifier.webhook_url": "https://u:p@gateway.example.org/"}, "login"),
    ({"notifier.webhook_url": "https://gateway.example.org/"}, "webhook_secret_file"), ({"notifier.smtp_url": "mail.example.org"}, "smtp://"),
    ({"notifier.smtp_url": "smtp://mail.example.org"}, "smtp_from"), ({"notifier.smtp_from": "a@b\r\nBcc: c@d"}, "address"),
    ({"notifier.contacts": ["fax +1"]}, "no contact"), ({"notifier.quiet_hours": "night"}, "22:00-07:00"), ({"notifier.digest": "8 o'clock"}, "08:00"), ({"notifier.digest": "24:00"}, "08:00")], ids=str)
def test_settings_that_cannot_be_meant_are_refused(settings, told):
    with Server(redis=False, settings=settings) as server:
        done = server.tool("config", "check", "--config", server.config)
        assert done.returncode == 1 and told in done.stderr, done.stderr


@pytest.mark.parametrize("contact", ["fax +1", "sms", "sms ", "email nina", "email n@b, m@b", "sms +1 555", "email <n@b>", "sms " + "1" * 201])
def test_contacts_that_cannot_be_called_are_refused(contact):
    with Server(redis=False) as server:
        done = server.tool("enroll", "--config", server.config, "--person", "nina", "--name", "Nina", "--kind", "staff", "--contact", contact)
        assert done.returncode == 1 and "contact" in done.stderr, done.stderr

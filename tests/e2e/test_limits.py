"""Floods: commands of a person and of a device, connections and wrong tokens of an address, pings. Nobody else notices."""
import asyncio

import pytest
from careteam_client import RESOURCE_EXHAUSTED, Client
from server import Server, room_resources
from websocket_bytes import PING, PONG, encode_frame, http_upgrade


@pytest.fixture
def ward():
    settings = {"limits.wrong_patient_window_ms": 0, "limits.commands_per_minute": 60, "limits.commands_at_once": 10, "server.max_connections_per_address": 6}
    with Server(redis=False, settings=settings) as server:
        server.import_resources(room_resources("pat", [("nina", "oncology-nurse"), ("rao", "medical-oncologist")]))
        yield server.start()


@pytest.fixture
def behind_a_proxy():
    """Whoever connects from this machine is a proxy that is believed; six connections for each address."""
    with Server(redis=False, settings={"server.trusted_proxies": ["127.0.0.1", "10.1.1.1"], "server.max_connections_per_address": 6}) as server:
        server.import_resources(room_resources("pat", [("nina", "oncology-nurse")]))
        yield server.start()


async def test_attack_31_a_flood_of_commands_is_refused_and_nothing_acknowledged_is_lost(ward, form):
    flooding = [await Client.connect(ward, "nina", form, device=f"d-{number}") for number in range(2)]
    rao = await Client.connect(ward, "rao", form)
    sent = [asyncio.create_task(flooding[number % 2].post("pat", "clinical", f"Flood {number}")) for number in range(60)]
    assert (await rao.post("pat", "clinical", "In the middle of it")).ok
    answers = await asyncio.gather(*sent)
    taken = [one for one in answers if one.ok]
    refused = [one for one in answers if not one.ok]
    assert 10 <= len(taken) <= 12 and all(one.code == RESOURCE_EXHAUSTED and 0 < one.raw["retryAfterMs"] <= 1001 for one in refused)
    assert ward.metrics()["careteam_commands_limited_total"] == len(refused)
    await rao.until(lambda: len(rao.texts("pat", "clinical")) == len(taken) + 1)
    # Reading is not limited by it, and after the time that was told there is one more.
    await flooding[0].fence()
    end = asyncio.get_running_loop().time() + 5
    while not (await flooding[0].post("pat", "clinical", "After a while")).ok:
        assert asyncio.get_running_loop().time() < end
    for one in (*flooding, rao):
        await one.close()


async def test_attack_31_who_goes_on_flooding_is_read_from_slowly(ward, form):
    flooding, rao = await Client.connect(ward, "nina", form), await Client.connect(ward, "rao", form)
    sent = [asyncio.create_task(flooding.post("pat", "clinical", f"Flood {number}")) for number in range(120)]
    for number in range(8):
        assert (await rao.post("pat", "clinical", f"In the middle of it {number}")).ok
    # Some 46 are answered one by one, 50 ms apart: the others' eight were long done.
    assert not all(one.done() for one in sent)
    answers = await asyncio.gather(*sent)
    assert all(one.ok or one.code == RESOURCE_EXHAUSTED for one in answers)
    await rao.until(lambda: len(rao.texts("pat", "clinical")) == sum(one.ok for one in answers) + 8)
    for one in (flooding, rao):
        await one.close()


async def test_attack_31_connections_of_one_address(ward, form):
    people = [await Client.connect(ward, "nina", form, device=f"d-{number}") for number in range(6)]
    got = await http_upgrade(ward.port, protocol=f"careteam.v1.{form}")
    assert got.status == 429 and 2 <= int(got.headers["retry-after"]) <= 10
    assert (await people[0].post("pat", "clinical", "Nobody else notices")).ok
    await people.pop().close()
    end = asyncio.get_running_loop().time() + 5
    while (got := await http_upgrade(ward.port, protocol=f"careteam.v1.{form}")).status != 101:
        assert got.status == 429 and asyncio.get_running_loop().time() < end
    got.writer.close()
    for one in people:
        await one.close()


async def test_attack_31_a_device_that_runs_wild_does_not_take_the_part_of_the_persons_others(form):
    settings = {"limits.wrong_patient_window_ms": 0, "limits.device_commands_per_minute": 30, "limits.device_commands_at_once": 5}
    with Server(redis=False, settings=settings) as server:
        server.import_resources(room_resources("pat", [("nina", "oncology-nurse")]))
        server.start()
        async with await Client.connect(server, "nina", form, device="wild") as wild, await Client.connect(server, "nina", form, device="calm") as calm:
            answers = [await wild.post("pat", "clinical", f"Again and again {number}") for number in range(12)]
            refused = [one for one in answers if not one.ok]
            assert 6 <= len(refused) <= 7 and all(one.code == RESOURCE_EXHAUSTED and 0 < one.raw["retryAfterMs"] <= 2001 for one in refused)
            for number in range(5):
                assert (await calm.post("pat", "clinical", f"From another device {number}")).ok
        # The same device is no other one because it comes back.
        async with await Client.connect(server, "nina", form, device="calm") as again:
            assert not (await again.post("pat", "clinical", "One more of the same device")).ok


async def test_attack_03_wrong_tokens_slow_their_address_down(form):
    settings = {"limits.refused_tokens_per_minute": 60, "limits.refused_tokens_at_once": 4}
    with Server(redis=False, settings=settings) as server:
        server.import_resources(room_resources("pat", [("nina", "oncology-nurse")]))
        server.start()
        nina = await Client.connect(server, "nina", form)
        waiting = await Client.open(server, "nina", form, device="late")
        guesses = [await Client.open(server, "nina", form, device=f"guess-{number}") for number in range(4)]
        for one in guesses:
            await one.hello(server.token("nina")[:-4] + "AAAA")
            assert await one.closed() == 4401
        # No token is looked at now, not even a good one: on a new connection, and on one that was open before.
        got = await http_upgrade(server.port, protocol=f"careteam.v1.{form}")
        assert got.status == 429 and got.headers.get("retry-after") == "1"
        await waiting.hello(server.token("nina"))
        assert await waiting.closed() == 4429
        assert waiting.refused[-1]["code"] == RESOURCE_EXHAUSTED and 0 < waiting.refused[-1]["retryAfterMs"] <= 1001
        assert server.metrics()["careteam_floods_refused_total"] == 2 and server.metrics()["careteam_tokens_refused_total"] == 4
        # Who is logged in works on, and may renew; after the time that was told others may log in.
        assert (await nina.post("pat", "clinical", "Nobody else notices")).ok
        await nina.hello(server.token("nina"))
        await nina.until(lambda: len(nina.welcomes) == 2)
        end = asyncio.get_running_loop().time() + 5
        while (got := await http_upgrade(server.port, protocol=f"careteam.v1.{form}")).status != 101:
            assert got.status == 429 and asyncio.get_running_loop().time() < end
        got.writer.close()
        await nina.close()


async def test_attack_12_a_ping_flood_ends_its_connection(ward, form):
    nina = await Client.connect(ward, "nina", form)
    rao = await Client.connect(ward, "rao", form)
    # As many as a client may need, and each is answered.
    for number in range(50):
        await nina.send_bytes(encode_frame(PING, b"%d" % number))
    await nina.until(lambda: nina.pongs == 50)
    for kind in (PING, PONG):
        flooding = await Client.connect(ward, "nina", form, device=f"flood-{kind}")
        try:
            for _ in range(5_000):
                await flooding.send_bytes(encode_frame(kind, b"x" * 125))
        except ConnectionError:
            pass
        assert await flooding.closed() in (4429, 1006)  # 1006: the end came while we were writing.
        assert flooding.pongs <= 70
    assert ward.metrics()["careteam_floods_refused_total"] == 2
    assert (await rao.post("pat", "clinical", "Nobody else notices")).ok and (await nina.post("pat", "clinical", "Nor the device beside it")).ok
    for one in (nina, rao):
        await one.close()
async def open_with(server, forwarded):
    """An upgrade with these X-Forwarded-For fields."""
    return await http_upgrade(server.port, headers={"X-Forwarded-For": forwarded})


async def test_attack_08_what_a_client_says_about_itself_is_ignored(ward, form):
    """An address and a name in headers: the peer's address counts, and the token tells who it is."""
    opened = [await open_with(ward, f"192.0.2.{number}") for number in range(6)]
    assert [one.status for one in opened] == [101] * 6
    for forwarded in ("192.0.2.99", "127.0.0.1", "::1"):
        assert (await open_with(ward, forwarded)).status == 429
    for one in opened:
        one.writer.close()
    end = asyncio.get_running_loop().time() + 5
    while (got := await open_with(ward, "192.0.2.1")).status != 101:
        assert asyncio.get_running_loop().time() < end
    got.writer.close()
    claims = {"X-User-ID": "nina", "X-Remote-User": "nina", "Authorization": "Bearer nina", "Forwarded": "for=10.0.0.1"}
    client = await Client.open(ward, "nina", form, headers=claims)
    await client.hello("nina")
    assert await client.closed() == 4401


async def test_attack_08_behind_a_trusted_proxy_the_client_behind_it_counts(behind_a_proxy, form):
    server = behind_a_proxy
    nina = await Client.connect(server, "nina", form, headers={"X-Forwarded-For": "192.0.2.1"})
    opened = [await open_with(server, "192.0.2.1") for _ in range(5)]
    assert [one.status for one in opened] == [101] * 5
    # What the client wrote itself stands left of what the proxy saw, in one field or several; a second proxy of ours is passed over.
    for forwarded in ("192.0.2.1", "10.9.9.9, 192.0.2.1", ["10.9.9.9", "192.0.2.1"], "192.0.2.1, 10.1.1.1", "192.0.2.1,::ffff:10.1.1.1", "garbage, 192.0.2.1 "):
        assert (await open_with(server, forwarded)).status == 429, forwarded
    for forwarded in ("192.0.2.2", "192.0.2.1, 192.0.2.2", "2001:db8::1", None, "192.0.2.1, garbage", "10.1.1.1"):
        got = await open_with(server, forwarded)
        assert got.status == 101, forwarded
        opened.append(got)
    assert (await nina.post("pat", "clinical", "Nobody else notices")).ok
    for one in opened:
        one.writer.close()
    await nina.close()

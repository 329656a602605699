"""Signing keys change while the server runs."""
import asyncio
import json
import os
import shutil

import pytest
from careteam_client import Client, Closed
from server import Server, make_key, room_resources, session_folder

BAD_TOKEN = 4401


@pytest.fixture
def ward():
    """A server whose key file is its own."""
    with Server(redis=False) as server:
        keys = server.folder / "jwks.json"
        shutil.copy(session_folder() / "jwks.json", keys)
        server.settings["identity.jwks_file"] = str(keys)
        server.write_config()
        server.import_resources(room_resources("pat", [("nina", "oncology-nurse")]))
        yield server.start()


def put(server, text):
    """Replaces the key file as an operator would: whole, by a rename."""
    fresh = server.folder / "jwks.new"
    fresh.write_text(text)
    os.replace(fresh, server.folder / "jwks.json")


async def enters(server, token):
    try:
        client = await Client.connect(server, "nina", token=token)
    except Closed as closed:
        assert closed.code == BAD_TOKEN
        return False
    await client.close()
    return True


async def test_attack_16_a_new_key_works_and_a_retired_one_is_refused_without_a_restart(ward):
    make_key(ward.folder / "next.jwk", ward.folder / "next.json", kid="key-2")
    old_keys = json.loads((ward.folder / "jwks.json").read_text())["keys"]
    new_keys = json.loads((ward.folder / "next.json").read_text())["keys"]
    old, new = ward.token("nina"), ward.token("nina", key=ward.folder / "next.jwk", kid="key-2")
    assert await enters(ward, old) and not await enters(ward, new)
    live = await Client.connect(ward, "nina", token=old)
    put(ward, json.dumps({"keys": old_keys + new_keys}))
    await asyncio.to_thread(ward.logged, "keys_reloaded")
    assert await enters(ward, new) and await enters(ward, old) and ward.metrics()["careteam_keys"] == 2
    put(ward, json.dumps({"keys": new_keys}))
    await asyncio.to_thread(ward.logged, "keys_reloaded", 2)
    assert await enters(ward, new) and not await enters(ward, old)
    # A file that cannot be used changes nothing, and is told once.
    put(ward, '{"keys": [')
    await asyncio.to_thread(ward.logged, "keys_not_reloaded")
    assert await enters(ward, new) and not await enters(ward, old)
    assert ward.metrics()["careteam_key_reload_failures_total"] == 1
    assert sum(line.get("event") == "keys_not_reloaded" for line in ward.log_lines()) == 1
    # Whoever is in stays until the token ends.
    assert (await live.post("pat", "shared", "Still here")).ok
    await live.close()

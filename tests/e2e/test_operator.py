"""The operator imports and enrols while the server holds the store; whoever is connected hears of it, and only the operator gets in."""
import asyncio
import os
import pathlib
import socket
import stat
import struct
import subprocess
import sys
import time

import pytest
from careteam_client import Client, Closed
from server import Server, practitioner_resource, room_resources

STAFF = [("nina", "oncology-nurse"), ("rao", "medical-oncologist")]
WITHIN = 1.0  # What the product promises, in seconds.


@pytest.fixture
def ward():
    with Server(settings={"limits.wrong_patient_window_ms": 0}) as server:
        server.import_resources(room_resources("pat", STAFF))
        yield server.start()


def control_of(server):
    return pathlib.Path(str(server.store_path) + ".control")


async def beside(work, *arguments):
    """Runs one of the operator's tools while this test's clients go on."""
    return await asyncio.to_thread(work, *arguments)


async def entered_with_a_new_token(server, person, form):
    """Logs in until a token is of a later second than the revocation: a token tells whole seconds."""
    end = time.monotonic() + 5
    while True:
        token = await beside(lambda: server.token(person, expires=599))
        try:
            return await Client.connect(server, person, form, token=token)
        except Closed as refused:
            assert refused.code == 4401 and time.monotonic() < end


async def test_an_import_reaches_whoever_is_connected(ward, form):
    nina = await Client.connect(ward, "nina", form)
    rao = await Client.connect(ward, "rao", form)
    assert ("mei", "shared") not in nina.streams()
    done = await beside(ward.import_resources, [*room_resources("mei", [("nina", "oncology-nurse"), ("tess", "pharmacist")])])
    assert "units=" in done.stdout
    await nina.until(lambda: ("mei", "shared") in nina.streams())
    said = await nina.post("mei", "shared", "Good morning from the ward")
    assert said.ok
    tess = await Client.connect(ward, "tess", form)
    assert (await tess.has("mei", "shared", said.seq))["messagePosted"]["content"]["text"] == "Good morning from the ward"
    assert ("mei", "shared") not in rao.streams()
    # Once more changes nothing, and nobody hears anything.
    heads = {key: nina.head(*key) for key in nina.streams()}
    assert "steps=0" in (await beside(ward.import_resources, [*room_resources("mei", [("nina", "oncology-nurse"), ("tess", "pharmacist")])])).stdout
    await nina.fence()
    assert {key: nina.head(*key) for key in nina.streams()} == heads
    for one in (nina, rao, tess):
        await one.close()
    assert "sound" in ward.verify().stdout


async def test_imported_messages_arrive_between_others(ward, form):
    nina = await Client.connect(ward, "nina", form)
    rao = await Client.connect(ward, "rao", form)

    async def talk():
        for number in range(40):
            assert (await rao.post("pat", "shared", f"Meanwhile {number}")).ok

    letters = [{"resourceType": "Communication", "id": f"letter-{number}", "status": "completed", "subject": {"reference": "Patient/pat",
                "identifier": {"system": "urn:careteam:person-id", "value": "pat"}}, "sent": f"2025-03-{1 + number % 28:02}T08:00:00Z",
                "payload": [{"contentString": f"An old letter {number}"}]} for number in range(20)]
    talking = asyncio.create_task(talk())
    done = await beside(ward.import_resources, letters)
    await talking
    assert "refused" not in done.stdout, done.stdout + done.stderr
    expected = {f"Meanwhile {number}" for number in range(40)} | {f"An old letter {number}" for number in range(20)}

    def texts():
        return sorted(text for key in nina.streams() for text in nina.texts(*key))

    await nina.until(lambda: len(texts()) >= len(expected))
    assert texts() == sorted(expected)
    await nina.close()
    await rao.close()
    assert "sound" in ward.verify().stdout


async def test_a_suspension_by_the_operator_closes_the_socket(ward, form):
    nina = await Client.connect(ward, "nina", form)
    began = time.monotonic()
    done = await beside(ward.tool, "enroll", "--config", ward.config, "--person", "nina", "--suspend", "left the hospital today")
    assert done.returncode == 0 and done.stdout == "done\n", done.stderr
    assert await nina.closed() == 4403
    assert time.monotonic() - began < WITHIN + 1  # The tool's own start and end are in it.
    done = await beside(ward.tool, "enroll", "--config", ward.config, "--person", "nobody-here", "--suspend", "left the hospital today")
    assert done.returncode == 1 and done.stderr.startswith("careteam enroll: ")


async def test_attack_18_revoked_sessions_end_and_their_tokens_are_void(ward, form):
    old = ward.token("nina")
    devices = [await Client.connect(ward, "nina", form, device=f"d-{number}") for number in range(3)]
    rao = await Client.connect(ward, "rao", form)
    listed = await beside(ward.tool, "sessions", "--config", ward.config)
    assert listed.returncode == 0 and listed.stdout.endswith("sessions: 4\n"), listed.stderr
    for number in range(3):
        assert f"person=nina device=d-{number} " in listed.stdout
    assert (await beside(ward.tool, "sessions", "--config", ward.config, "--person", "rao")).stdout.endswith("sessions: 1\n")
    began = time.monotonic()
    done = await beside(ward.tool, "sessions", "--config", ward.config, "--revoke", "nina", "--reason", "lost the phone")
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    for one in devices:
        assert await one.closed() == 4401
    assert time.monotonic() - began < WITHIN + 1
    assert (await rao.post("pat", "clinical", "I am still here")).ok
    for restarted in (False, True):  # It is written down, not remembered.
        if restarted:
            ward.restart()
        with pytest.raises(Closed) as refused:
            await Client.connect(ward, "nina", form, token=old)
        assert refused.value.code == 4401
    again = await entered_with_a_new_token(ward, "nina", form)
    assert (await again.post("pat", "clinical", "A new token")).ok
    await again.close()
    usage = ward.tool("sessions", "--config", ward.config, "--revoke", "nina")
    assert usage.returncode == 2 and "--reason" in usage.stderr
    nobody = ward.tool("sessions", "--config", ward.config, "--revoke", "nobody-here", "--reason", "lost the phone")
    assert nobody.returncode == 1 and "no such person" in nobody.stderr


async def test_a_refused_bundle_changes_nothing_beside_a_server(ward):
    before = ward.verify().stdout
    path = ward.folder / "bad.json"
    path.write_text('{"resourceType": "Bundle", "type": "collection", "entry": [{"resource": {"resourceType": "Patient"')
    done = await beside(ward.tool, "import", "--config", ward.config, path)
    assert done.returncode == 1 and "bad.json" in done.stderr
    assert ward.verify().stdout == before


def test_the_socket_is_the_operators_alone(ward):
    control = control_of(ward)
    mode = control.stat().st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600
    if os.geteuid() == 0:
        # Even where the file is opened to everybody, the server asks the kernel who is at the other end.
        control.chmod(0o666)
        ward.folder.chmod(0o755)
        script = ("import os, socket, sys; os.setgid(65534); os.setuid(65534); s = socket.socket(socket.AF_UNIX); s.settimeout(5); "
                  "s.connect(sys.argv[1]); print(len(s.recv(1)))")
        done = subprocess.run([sys.executable, "-c", script, control], capture_output=True, text=True, timeout=20)
        assert done.stdout == "0\n", done.stderr
    ward.stop()
    assert not control.exists()


@pytest.mark.parametrize("said", [b"", b"\x00", b"\xff\xff\xff\xff", struct.pack(">I", 5) + b"\xff\xff\xff\xff\xff", struct.pack(">I", 1000) + b"half",
                                  struct.pack(">I", 0), struct.pack(">I", 2) + b"\x7a\x00", b"GET / HTTP/1.1\r\n\r\n"])
def test_nonsense_on_the_control_socket_ends_that_connection(ward, said):
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(5)
        peer.connect(str(control_of(ward)))
        peer.sendall(said)
        peer.shutdown(socket.SHUT_WR)
        rest = b""
        try:
            while chunk := peer.recv(4096):
                rest += chunk
        except ConnectionResetError:
            rest = b""  # The connection ended with some of the nonsense unread.
    # A message that is none is not answered; one of another version is, with the reason.
    assert rest == b"" or b"own version" in rest
    assert ward.tool("enroll", "--config", ward.config, "--person", "kim", "--name", "Kim", "--kind", "staff").returncode == 0


def test_what_a_killed_server_leaves_does_not_stop_the_next(ward):
    ward.kill9()
    assert control_of(ward).exists()
    ward.start()
    assert ward.tool("enroll", "--config", ward.config, "--person", "kim", "--name", "Kim", "--kind", "staff").stdout == "done\n"


def test_a_path_that_is_too_long_names_the_setting(ward):
    ward.stop()
    ward.settings["server.control_socket"] = str(ward.folder / ("c" * 120))
    ward.write_config()
    ward.launch()
    assert ward.wait() == 1
    assert "server.control_socket" in ward.log_text().strip().splitlines()[-1]

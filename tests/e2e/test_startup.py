"""A server that cannot start says why in one line and ends with 1; it never starts half."""
import secrets
import socket

import pytest

from server import Server


@pytest.fixture
def server():
    with Server(redis=False) as one:
        yield one


def fails(server, *words):
    """The process ends with 1 after one line that holds the words."""
    before = server.log_text()
    server.write_config()
    server.launch()
    assert server.wait() == 1
    said = server.log_text()[len(before):].strip().splitlines()
    assert len(said) == 1, said
    for word in words:
        assert word in said[0]
    assert not server.serving


@pytest.mark.parametrize("setting,value,words", [
    ("server.lisen", "127.0.0.1:0", ["lisen", "listen"]), ("sever.listen", "127.0.0.1:0", ["sever"]), ("server.hello_timeout_ms", 1, ["hello_timeout_ms", "100"]),
    ("server.hello_timeout_ms", "soon", ["hello_timeout_ms"]), ("server.listen", "localhost", ["listen"]), ("server.allowed_origins", ["example.org"], ["origin"]),
    ("identity.jwks_file", None, ["jwks_file"]), ("identity.issuer", None, ["issuer"]), ("identity.audience", None, ["audience"]), ("store.path", None, ["path"]),
    ("organization.time_zone", "Mars/Olympus", ["time_zone"])])
def test_a_wrong_setting(server, setting, value, words):
    server.settings[setting] = value
    fails(server, *words)


def test_a_file_that_is_no_toml(server):
    server.write_config()
    server.config.write_text(server.config.read_text() + "[server\n")
    server.launch()
    assert server.wait() == 1
    assert len(server.log_text().strip().splitlines()) == 1


def test_a_store_that_must_exist(server):
    server.settings["store.create"] = False
    fails(server, str(server.store_path))
    assert not server.store_path.exists()


def test_a_file_that_is_no_store(server):
    garbage = secrets.token_bytes(16_384)
    server.store_path.write_bytes(garbage)
    fails(server, str(server.store_path))
    assert server.store_path.read_bytes() == garbage


def test_a_store_in_use(server):
    server.start()
    with Server(redis=False, settings={"store.path": str(server.store_path)}) as second:
        fails(second, str(server.store_path), "in use")
    assert server.admin("/readyz")[0] == 200


def test_a_port_in_use(server):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server.settings["server.listen"] = f"127.0.0.1:{taken.getsockname()[1]}"
        fails(server, str(taken.getsockname()[1]))


@pytest.mark.parametrize("content", [None, "", "{", "{}", '{"keys":[]}', '{"keys":[{"kty":"oct","k":"AAAA","alg":"HS256","kid":"key-1"}]}'])
def test_keys_that_are_no_keys(server, content):
    path = server.folder / "no-jwks.json"
    if content is not None:
        path.write_text(content)
    server.settings["identity.jwks_file"] = str(path)
    fails(server, str(path))


def test_a_missing_redis_password(server):
    server.settings |= {"redis.endpoint": f"unix:{server.folder}/redis.sock", "redis.username": "careteam",
                        "redis.password_file": str(server.folder / "no-such-file")}
    fails(server, "no-such-file")


def test_without_redis_everything_but_presence_works(server):
    server.settings["redis.endpoint"] = f"unix:{server.folder}/nobody.sock"
    server.write_config()
    server.start()
    status, text = server.admin("/readyz")
    assert status == 200 and "unreachable" in text
    assert server.metrics()["careteam_presence_known"] == 0
    assert server.stop()[0] == 0

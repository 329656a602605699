"""`careteam config` and the settings that come from the environment."""
import os
import pathlib
import subprocess

import pytest
from server import ROOT, Server, binary


@pytest.fixture
def server():
    with Server(redis=False) as one:
        one.settings["redis.endpoint"] = ""
        one.write_config()
        yield one


def careteam(*words, **variables):
    return subprocess.run([binary(), *map(str, words)], capture_output=True, text=True, timeout=20, env={**os.environ, **variables})


@pytest.mark.parametrize("word,shipped", [("defaults", "careteam.example.toml"), ("doc", "configuration.md")])
def test_what_is_shipped_is_what_the_binary_prints(word, shipped):
    printed = careteam("config", word)
    assert printed.returncode == 0
    assert printed.stdout == (pathlib.Path(ROOT) / "deploy" / shipped).read_text(), f"run: careteam config {word} > deploy/{shipped}"


def test_a_good_configuration_is_in_order(server):
    done = careteam("config", "check", "--config", server.config)
    assert (done.returncode, done.stdout) == (0, f"{server.config} is in order\n"), done.stderr
    assert not server.store_path.exists()  # It only looks.


def test_what_may_be_meant_is_told_and_is_no_error(server):
    server.settings |= {"server.admin_listen": "0.0.0.0:0", "limits.commands_per_minute": 5, "limits.device_commands_per_minute": 6, "server.max_connections": 900_000}
    server.write_config()
    done = careteam("config", "check", "--config", server.config)
    assert done.returncode == 0 and done.stdout == f"{server.config} is in order\n"
    notes = done.stderr.splitlines()
    assert len(notes) in (2, 3) and all(one.startswith("careteam config: note: ") for one in notes)  # The third: too few descriptors, where they are few.
    assert "server.admin_listen" in notes[0] and "limits.device_commands_per_minute" in notes[1]


def test_a_control_socket_that_cannot_be(server):
    server.settings["server.control_socket"] = "/tmp/" + "x" * 120
    server.write_config()
    done = careteam("config", "check", "--config", server.config)
    assert done.returncode == 1 and "server.control_socket: " in done.stderr and not done.stdout


def test_everything_that_is_wrong_is_said_at_once(server):
    server.settings |= {"identity.jwks_file": str(server.folder / "no.json"), "store.path": str(server.folder / "no-folder/store.db"),
                        "redis.endpoint": "127.0.0.1:6379", "redis.password_file": str(server.folder / "secret")}
    (server.folder / "secret").write_text("a secret")
    (server.folder / "secret").chmod(0o644)
    server.write_config()
    done = careteam("config", "check", "--config", server.config)
    assert done.returncode == 1 and not done.stdout
    for word in ("identity.jwks_file", "no.json", "redis.password_file", "chmod 600", "store.path", "no-folder"):
        assert word in done.stderr
    assert "a secret" not in done.stderr


@pytest.mark.parametrize("text,words", [
    ("[server]\nlisen = \"127.0.0.1:1\"\n", [":2:1:", "did you mean listen?"]), ("[server\n", [":1:8:"]), ("[server]\nlisten = 5\n", [":2:10:", "server.listen"]),
    ("[store]\npath = \"x\"\n[server]\nlisten = \"127.0.0.1:9090\"\n", ["admin_listen takes the port"])])
def test_errors_name_line_and_column(server, text, words):
    server.config.write_text(text)
    done = careteam("config", "check", "--config", server.config)
    assert done.returncode == 1
    for word in words:
        assert word in done.stderr


def test_the_environment_takes_the_place_of_the_file(server):
    done = careteam("config", "check", "--config", server.config, CARETEAM_STORE_PATH="/no/such/folder/store.db")
    assert done.returncode == 1 and "/no/such/folder" in done.stderr
    done = careteam("config", "check", "--config", server.config, CARETEAM_SERVER_LISTN="127.0.0.1:1")
    assert done.returncode == 1 and "did you mean CARETEAM_SERVER_LISTEN?" in done.stderr
    other = server.folder / "other.db"
    done = careteam("enroll", "--config", server.config, "--person", "kim", "--name", "Kim", "--kind", "staff", CARETEAM_STORE_PATH=str(other))
    assert done.returncode == 0 and other.exists() and not server.store_path.exists()

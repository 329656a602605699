"""Every command of `careteam` from the outside: what it says about itself, and how it ends. 0 done, 1 not done, 2 wrong usage."""
import re
import subprocess

import pytest
from server import Server, binary

# The commands and what each needs besides --config. A new one belongs here: a test compares with what the binary lists.
COMMANDS = {"serve": [], "notifier": [], "import": ["team.json"], "enroll": ["--person", "kim"], "token": None, "verify": [], "audit": ["--patient", "rosa"], "explain": ["rosa", "clinical/1"], "export": [], "rebuild": [], "sessions": [],
            "backup": ["copy.db"], "restore": ["copy.db"], "migrate": [], "health": [], "config": None, "bench": None}
NESTED = {"config": ["check", "defaults", "doc"]}
ALL = [[name] for name in COMMANDS] + [[name, inner] for name, inners in NESTED.items() for inner in inners]
WITH_CONFIG = [[name] for name, more in COMMANDS.items() if more is not None] + [["config", "check"]]


def careteam(*words, **options):
    return subprocess.run([binary(), *map(str, words)], capture_output=True, text=True, timeout=20, **options)


@pytest.fixture(scope="module")
def nowhere():
    """A good configuration: of a store that is not there, and of a server that does not run."""
    with Server(redis=False, settings={"store.create": False, "server.admin_listen": "127.0.0.1:9"}) as server:
        yield server


def listed(*words):
    """The commands that a help text lists."""
    return re.findall(r"^  ([a-z]+) ", careteam(*words, "--help").stdout.split("Subcommands:")[1].split("\n\n")[0] + "\n", re.MULTILINE)


def test_the_table_is_complete():
    assert listed() == list(COMMANDS) or sorted(listed()) == sorted(COMMANDS)
    for name, inners in NESTED.items():
        assert listed(name) == inners


@pytest.mark.parametrize("words", [[], *ALL], ids=" ".join)
def test_help_explains_and_is_success(words):
    for flag in ("--help", "-h"):
        done = careteam(*words, flag)
        assert done.returncode == 0 and not done.stderr
        assert "Usage: " in done.stdout and len(done.stdout.splitlines()[0]) > 20
        # Each option, argument and command says what it is for: beside its name, or on the next line where the name is long.
        for line in re.sub(r"\n {20,}", "   ", done.stdout).splitlines():
            if line.startswith("  "):
                assert re.fullmatch(r"  \S.*?\s{2,}\S.{8,}", line), line
    assert "Exit codes: 0 done, 1 not done" in careteam("--help").stdout


def test_the_version_is_a_number():
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", careteam("--version").stdout)


@pytest.mark.parametrize("words", [[], ["serv"], ["serve"], ["--config", "x"], ["serve", "--config"], ["verify", "--config", "/no/such/file"], ["config"], ["config", "chek"],
                                   *[[*one, "--no-such-option"] for one in ALL], *[[*one] for one in WITH_CONFIG]], ids=" ".join)
def test_wrong_usage_is_2_and_says_what_is_wrong(words):
    done = careteam(*words)
    assert done.returncode == 2 and done.stderr.strip() and not done.stdout, (done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("words,told", [
    (["serve"], "does not exist"), (["notifier"], "notifier.worker_socket is required"), (["import", "/no/such/team.json"], "does not exist"), (["enroll", "--person", "kim", "--name", "Kim", "--kind", "staff"], "does not exist"),
    (["verify"], "does not exist"), (["audit", "--patient", "rosa"], "does not exist"), (["explain", "rosa", "clinical/1"], "does not exist"), (["export", "--out", "tasks.json"], "does not exist"), (["rebuild"], "does not exist"), (["sessions"], "no server"), (["backup", "copy.db"], "does not exist"),
    (["restore", "CONFIG"], "not a careteam store"), (["health"], "no answer"), (["config", "check"], "does not exist")], ids=lambda one: one[0] if isinstance(one, list) else "")
def test_what_cannot_be_done_is_1_and_leaves_nothing_behind(nowhere, words, told):
    before = sorted(one.name for one in nowhere.folder.iterdir() if not one.name.endswith(".lock"))
    words = [str(nowhere.config) if one == "CONFIG" else one for one in words]
    done = careteam(*words, "--config", nowhere.config, cwd=nowhere.folder)
    assert done.returncode == 1 and told in done.stderr and not done.stdout, (done.returncode, done.stdout, done.stderr)
    # A reason is a sentence with our name before it, never a bare exception or a trace.
    assert all(line.startswith(("careteam", "{")) for line in done.stderr.splitlines()), done.stderr
    assert sorted(one.name for one in nowhere.folder.iterdir() if not one.name.endswith(".lock")) == before


@pytest.mark.parametrize("words", [["enroll", "--person", "kim"], ["sessions", "--revoke", "kim"], ["audit"], ["explain", "rosa", "clinical/1", "--at", "yesterday"]], ids=" ".join)
def test_half_a_question_is_wrong_usage(nowhere, words):
    done = careteam(*words, "--config", nowhere.config)
    assert done.returncode == 2 and done.stderr.startswith(f"careteam {words[0]}: ") and not done.stdout

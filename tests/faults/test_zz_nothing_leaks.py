"""Last: whatever broke before, no line that a server, a tool or Redis wrote holds a token or what somebody said."""
import house

# What the crowd's messages are filled with, and the start of what single ones say.
SAID = ["xxxxxxxxxx", "about ada", "about ben", "I am here", "What time is it"]


def test_attack_39_faults_leak_nothing(houses):
    rooms = {"rosa": {"nora": "oncology-nurse"}}
    one = houses(rooms, redis=False)
    one.start()
    one.stop()
    everything = "".join(house.captured)
    assert '"event":"serving"' in everything and house.issued_tokens
    for secret in SAID:
        assert secret not in everything
    for token in house.issued_tokens:
        header, payload, signature = token.split(".")
        assert token not in everything and payload not in everything and signature not in everything

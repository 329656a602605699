"""Last: no log line and no metric of all the servers that ran before holds a token, a text or a patient's name."""
import careteam_client
import server
from careteam_client import Client

NAMES = ["Rosa Delgado", "Mei Chen", "Luis Delgado", "Patient room"]


async def test_attack_39_nothing_leaks(fresh):
    async with await Client.connect(fresh, "nina") as nina:
        assert (await nina.post("rosa", "clinical", "Nothing of this may be in a log")).ok
        assert not (await nina.post("no-such-record", "clinical", "Not of this either, and it is refused")).ok
        await nina.send_payload(b'{"command":{"patientId":"rosa","unknown":"Nor of this, which is malformed"}}')
        await nina.until(lambda: nina.refused)
    fresh.stop()
    logs = [*server.captured_logs, fresh.log_text()]
    pages = list(server.captured_metrics)
    assert logs and pages and all("careteam_sessions" in page for page in pages)
    texts = careteam_client.said | {"Nor of this, which is malformed"}
    assert "Nothing of this may be in a log" in texts and server.issued_tokens
    for place in logs + pages:
        for secret in [*texts, *NAMES]:
            assert secret not in place
        for token in server.issued_tokens:
            assert token not in place
            for part in token.split(".")[1:]:
                assert len(part) < 20 or part not in place

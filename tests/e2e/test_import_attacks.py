"""Attack 40: files for `careteam import` that lead elsewhere, are very large, or never end. Each is refused, or streamed in bounded memory; nothing is fetched."""
import json
import os
import socket
import subprocess
import sys
import threading

import pytest
from server import Server, binary, patient_resource, room_resources

MIB = 1024 * 1024
PIECE = b"x" * MIB
LARGEST_DOCUMENT = 256 * MIB


@pytest.fixture(scope="module")
def ward():
    with Server(redis=False) as server:
        yield server


# A process counts the pages of whoever forked it as its own: the tool is started by a small one, which tells the peak in KiB at the end.
MEASURED = "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:]); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"


def sanitized():
    return b"libasan.so" in binary().read_bytes()


def a_million():
    """Ten times slower with the sanitizers, which is not what is asked."""
    return 100_000 if sanitized() else 1_000_000


def imported(ward, name, pieces):
    """Imports what the pieces make together, through a pipe. Returns (exit code, output, errors, bytes that were read, peak MiB resident)."""
    pipe = ward.folder / name
    os.mkfifo(pipe)
    read = 0
    process = subprocess.Popen([sys.executable, "-S", "-c", MEASURED, binary(), "import", "--config", ward.config, pipe], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    said = ["", ""]
    listeners = [threading.Thread(target=lambda at=at, stream=stream: said.__setitem__(at, stream.read())) for at, stream in enumerate((process.stdout, process.stderr))]
    for one in listeners:
        one.start()
    try:
        with open(pipe, "wb", buffering=0) as out:
            for piece in pieces:
                while piece:
                    done = out.write(piece)
                    read += done
                    piece = piece[done:]
    except BrokenPipeError:
        pass  # It has read enough.
    process.wait()
    for one in listeners:
        one.join()
    pipe.unlink()
    said[0], _, peak = said[0].rstrip().rpartition("\n")
    return process.returncode, said[0], said[1], read, int(peak or 0) / 1024


def in_bounds(peak, most):
    """The sanitizers take several times as much, and keep back what was freed."""
    assert peak > 0
    assert sanitized() or peak < most, f"{peak:.0f} MiB"


def test_attack_40_references_elsewhere_are_never_followed(ward):
    with socket.create_server(("127.0.0.1", 0)) as bait:
        bait.settimeout(0)
        place = f"127.0.0.1:{bait.getsockname()[1]}"
        urls = [f"http://{place}/Practitioner/x", f"https://{place}/fhir/Practitioner/x", f"ftp://{place}/x", "file:///etc/passwd", "//etc/passwd", "../../../etc/passwd",
                "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a", "#nobody", f"Practitioner?_content=http://{place}/x"]
        team = {"resourceType": "CareTeam", "id": "far", "status": "active", "subject": {"reference": "Patient/far"}, "meta": {"profile": [f"http://{place}/profile"]},
                "participant": [{"role": [{"coding": [{"system": f"http://{place}/codes", "code": "surgeon"}]}], "member": {"reference": url}} for url in urls]}
        letter = {"resourceType": "Communication", "id": "far", "status": "completed", "subject": {"reference": "Patient/far"}, "sent": "2025-01-01T00:00:00Z",
                  "payload": [{"contentReference": {"reference": f"http://{place}/DocumentReference/x"}}, {"contentAttachment": {"url": f"http://{place}/x.pdf"}}]}
        bundle = {"resourceType": "Bundle", "type": "collection", "link": [{"relation": "next", "url": f"http://{place}/next"}],
                  "entry": [{"resource": one} for one in (patient_resource("far"), team, letter)]}
        code, said, problems, *_ = imported(ward, "far.json", [json.dumps(bundle).encode()])
        assert code == 0, problems
        assert problems.count("left out: far.json CareTeam/far.participant[") == len(urls)
        assert place not in said + problems and "passwd" not in said + problems
        with pytest.raises(BlockingIOError):
            bait.accept()


@pytest.mark.parametrize("text", ['<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><Patient>&a;</Patient>',
                                  '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>'])
def test_attack_40_entities_are_no_json(ward, text):
    code, _, problems, *_ = imported(ward, "entities.json", [text.encode()])
    assert code == 1 and "is not JSON" in problems and "passwd" not in problems


def test_attack_40_cycles_end(ward):
    entries = [{"fullUrl": "urn:a", "resource": {"resourceType": "CareTeam", "id": "a", "status": "active", "subject": {"reference": "urn:a"}, "participant": [{"member": {"reference": "urn:b"}}]}},
               {"fullUrl": "urn:b", "resource": {"resourceType": "CareTeam", "id": "b", "status": "active", "subject": {"reference": "urn:b"}, "participant": [{"member": {"reference": "urn:a"}}]}}]
    code, _, problems, *_ = imported(ward, "cycle.json", [json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()])
    assert code == 1 and "CareTeam/a.subject" in problems
    round_trip = [{"resourceType": "Practitioner", "id": "x", "name": [{"text": "X"}], "contained": [{"resourceType": "PractitionerRole", "id": "r", "practitioner": {"reference": "#"}}]},
                  {"resourceType": "PractitionerRole", "id": "r", "practitioner": {"reference": "PractitionerRole/r"}}]
    code, _, problems, *_ = imported(ward, "self.json", [json.dumps({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in round_trip]}).encode()])
    assert code == 0 and "left out: self.json PractitionerRole/r" in problems, problems


def test_attack_40_a_string_of_1_gb_in_a_document(ward):
    start = b'{"resourceType":"Patient","id":"long","name":[{"text":"'
    code, _, problems, read, peak = imported(ward, "string.json", [start, *[PIECE] * 1024])
    assert code == 1 and "is larger than 256 MiB" in problems
    assert read < LARGEST_DOCUMENT + 2 * MIB, "it went on reading"
    in_bounds(peak, 768)


def test_attack_40_a_string_of_1_gb_in_a_line(ward):
    """The line is named and passed over; the next one is imported."""
    good = json.dumps(patient_resource("after-the-long-line")).encode()
    code, said, problems, read, peak = imported(ward, "string.ndjson", [b'{"resourceType":"Patient","id":"long","name":[{"text":"', *[PIECE] * 1024, b'"}]}\n', good, b"\n"])
    assert code == 1 and "string.ndjson:1 : is longer than 16 MiB" in problems
    assert read > 1024 * MIB and "units=1 " in said
    in_bounds(peak, 64)


def lines(count, make):
    """Pieces of about 1 MiB with one resource a line."""
    piece = []
    for index in range(count):
        piece.append(make(index))
        if len(piece) == 10_000:
            yield "\n".join(piece).encode() + b"\n"
            piece = []
    yield "\n".join(piece).encode()


def test_attack_40_a_million_lines(ward):
    """Of a type that has no use here, so that the test is about reading: each is a unit of its own, and there is one counter."""
    code, said, problems, _, peak = imported(ward, "lines.ndjson", lines(a_million(), lambda index: '{"resourceType":"Observation","id":"o%d","status":"final"}' % index))
    assert code == 0, problems
    assert f"Observation={a_million()}" in said
    in_bounds(peak, 64)


def test_attack_40_a_million_bad_lines_are_named_in_bounded_memory(ward):
    code, said, problems, _, peak = imported(ward, "bad.ndjson", lines(a_million(), lambda index: "[%d]" % index))
    assert code == 1
    assert problems.count("not imported: bad.ndjson:") == 10_000 and f"{a_million() - 10_000} more" in problems
    in_bounds(peak, 64)


def test_attack_40_a_million_entries_in_a_bundle(ward):
    """Refused as a whole, or read within the memory that a document may take."""
    last = a_million() - 1
    entries = lines(last + 1, lambda index: '{"resource":{"resourceType":"Observation","id":"o%d"}}%s' % (index, "," if index < last else ""))
    code, said, problems, _, peak = imported(ward, "entries.json", [b'{"resourceType":"Bundle","type":"collection","entry":[', *entries, b"]}"])
    assert (code == 0 and f"Observation={last + 1}" in said) or (code == 1 and "memory" in problems)
    in_bounds(peak, 1100)


@pytest.mark.parametrize("unit", [b"[", b'{"a":', b'{"":[{"b":'])
def test_attack_40_brackets_without_end(ward, unit):
    code, _, problems, _, peak = imported(ward, "deep.json", [unit * 100_000])
    assert code == 1 and "is nested deeper than 100 levels" in problems
    in_bounds(peak, 64)


def test_attack_40_the_ward_is_as_it_was(ward):
    """After all of that a plain file is imported as ever, and the store is sound."""
    ward.import_resources(room_resources("pat", [("nina", "oncology-nurse")]))
    assert subprocess.run([binary(), "verify", "--config", ward.config], capture_output=True).returncode == 0

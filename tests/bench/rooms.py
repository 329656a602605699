#!/usr/bin/env python3
"""Writes the rooms of the bench as FHIR R4 NDJSON for `careteam import`: patients room-000 ..., each with its own nurses u-000-0 ...

Each nurse is in one room only, so that nobody moves from one patient to another within the time that the wrong-patient guard watches.
"""
import argparse
import json
import pathlib


def person_id(value):
    return [{"system": "urn:careteam:person-id", "value": value}]


def patient(room):
    return {"resourceType": "Patient", "id": room, "identifier": person_id(room), "name": [{"text": f"Patient of {room}"}]}


def nurse(person):
    return {"resourceType": "Practitioner", "id": person, "identifier": person_id(person), "name": [{"text": f"Nurse {person}"}]}


def team(room, people):
    role = [{"coding": [{"system": "urn:careteam:role", "code": "oncology-nurse"}]}]
    return {
        "resourceType": "CareTeam",
        "id": f"team-{room}",
        "status": "active",
        "subject": {"reference": f"Patient/{room}"},
        "participant": [{"role": role, "member": {"reference": f"Practitioner/{person}"}} for person in people],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rooms", type=int, default=200)
    parser.add_argument("--members", type=int, default=10)
    parser.add_argument("--out", type=pathlib.Path, required=True, help="the .ndjson file to write")
    parser.add_argument("--people", type=pathlib.Path, required=True, help="the file to write the person ids to, one a line")
    options = parser.parse_args()
    with options.out.open("w") as out, options.people.open("w") as ids:
        for number in range(options.rooms):
            room = f"room-{number:03}"
            people = [f"u-{number:03}-{member}" for member in range(options.members)]
            for resource in [patient(room), *map(nurse, people), team(room, people)]:
                out.write(json.dumps(resource, separators=(",", ":")) + "\n")
            ids.writelines(f"{person}\n" for person in people)


if __name__ == "__main__":
    main()

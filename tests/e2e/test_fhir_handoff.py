"""Handoffs, duties and protocols as FHIR R4: what `careteam export` writes of them, of everybody or of one patient, and that an import takes none."""
import datetime
import json

import pytest
from careteam_client import Client
from server import Server, room_resources
from test_duties import DUTY, STAFF, ask, clinic, define, described, due_of, good, handed_to_confirmation, holder, prepared, step  # noqa: F401 (a fixture)
from test_fhir_tasks import exported, unkept

SYSTEM = "urn:careteam:"
FIVE = ["illness-severity", "patient-summary", "action-list", "situation-awareness", "synthesis-by-receiver"]


def resources(bundle, kind):
    return [one["resource"] for one in bundle["entry"] if one["resource"]["resourceType"] == kind]


def handoffs(bundle):
    return [one for one in resources(bundle, "Task") if one["code"]["coding"][0]["code"] == "handoff"]


def resolved(bundle, reference):
    """The resource that a reference leads to, literally or by its identifier; None: it is not in the Bundle."""
    for one in (entry["resource"] for entry in bundle["entry"]):
        names = one.get("identifier", [])
        names = names if isinstance(names, list) else [names]
        if reference.get("reference") == f"{one['resourceType']}/{one['id']}" or ("reference" not in reference and reference["identifier"] in names):
            return one
    return None


def code(concept):
    return concept["coding"][0]["code"]


def parts(section):
    return {code(one["code"]): one for one in section["section"]}


async def handed_over(clinic):  # noqa: F811
    """Nina has handed over to Tom: two tasks of pat, one of mei."""
    await define(clinic)
    rao, nina, tom = [await Client.connect(clinic, person) for person in ("rao", "nina", "tom")]
    first = await ask(rao, "pat", "Call the lab", priority="PRIORITY_ASAP")
    await ask(rao, "pat", "Ask about her sleep")
    await ask(rao, "mei", "Weigh her")
    handoff = await handed_to_confirmation(nina, tom, first)
    await good(nina, "confirmHandoff", handoff)
    await tom.until(lambda: holder(tom) == "tom")
    return handoff, due_of(tom, "pat", first)


async def test_a_handoff_leaves_as_it_was(clinic):  # noqa: F811
    handoff, due = await handed_over(clinic)
    bundle = exported(clinic, "--texts")
    print(json.dumps(bundle, indent=1))
    assert 0

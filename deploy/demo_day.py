"""The demo's day: a real Redis, a real server, and every member of the care team as a WebSocket client."""
import argparse
import asyncio
import datetime
import json
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import websockets

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests"))
from server_clock import LIBRARY, Clock  # noqa: E402

COLOURS = {"rosa": 35, "luis": 95, "rao": 34, "nina": 32, "omar": 36, "dana": 33, "sam": 93, "alex": 90, "irene": 90}
NAMES = {"rosa": "Rosa (patient)", "luis": "Luis (her son)", "rao": "Dr Rao (oncologist)", "nina": "Nina (nurse)", "omar": "Omar (pharmacist)",
         "dana": "Dana (financial adviser)", "sam": "Sam (social worker)", "tom": "Tom (nurse, nights)", "claire": "Claire (nurse practitioner)"}
MINUTE = 60
DUTY = "duty/onc-rn"


def paint(person, text):
    return f"\033[{COLOURS.get(person, 37)}m{text}\033[0m" if sys.stdout.isatty() else text


def title(text):
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def uuid7():
    raw = bytearray(int(time.time() * 1000).to_bytes(6, "big") + secrets.token_bytes(10))
    raw[6] = 0x70 | raw[6] & 0x0F
    raw[8] = 0x80 | raw[8] & 0x3F
    digits = raw.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


class House:
    """The processes and files of the demo; everything goes when it ends."""

    def __init__(self, binary, bundle):
        self.binary, self.bundle = binary, bundle
        self.folder = tempfile.mkdtemp(prefix="careteam-demo-")
        self.processes = []
        # The server's time of day, which runs ahead where the day would be long; nothing else on the machine sees it.
        with open(binary, "rb") as program:
            preloads = os.path.exists(LIBRARY) and b"__asan_init" not in program.read()
        self.clock = Clock(pathlib.Path(self.folder)) if preloads else None

    def path(self, name):
        return os.path.join(self.folder, name)

    def careteam(self, *words):
        return subprocess.run([self.binary, *words], check=True, capture_output=True, text=True).stdout

    def start(self):
        password = secrets.token_hex(24)
        descriptor = os.open(self.path("redis-password"), os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(password)
        self.redis_port = free_port()
        with open(self.path("redis.conf"), "w") as file:
            os.chmod(file.name, 0o600)
            file.write(f'bind 127.0.0.1\nport {self.redis_port}\nsave ""\ndir {self.folder}\nuser default off\n'
                       f"user careteam on >{password} ~ct:* &ct:* -@all +@connection +@read +@write +@pubsub +@transaction +time\n")
        self.spawn("redis", ["redis-server", self.path("redis.conf")])
        self.careteam("token", "--new-key", self.path("key.jwk"), "--kid", "demo", "--jwks", self.path("jwks.json"))
        with open(self.path("careteam.toml"), "w") as file:
            file.write(f'[server]\nlisten = "127.0.0.1:0"\nadmin_listen = "127.0.0.1:0"\n[store]\npath = "store.db"\n[redis]\n'
                       f'endpoint = "127.0.0.1:{self.redis_port}"\nusername = "careteam"\npassword_file = "redis-password"\npresence_lease_ms = 6000\npresence_refresh_ms = 1000\n[identity]\n'
                       f'jwks_file = "jwks.json"\nissuer = "https://demo.invalid"\naudience = "careteam"\n')
        print(self.careteam("import", "--config", self.path("careteam.toml"), self.bundle).splitlines()[0])
        self.spawn("server", [self.binary, "serve", "--config", self.path("careteam.toml")], self.clock.environment if self.clock else {})
        self.port, self.admin_port = self.wait_for_ports()

    def spawn(self, name, words, environment=None):
        log = open(self.path(name + ".log"), "w")
        process = subprocess.Popen(words, stdout=log, stderr=log, env={**os.environ, **(environment or {})})
        self.processes.append(process)
        return process

    def wait_for_ports(self):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with open(self.path("server.log")) as log:
                for line in log:
                    if '"event":"serving"' in line:
                        told = json.loads(line)
                        return told["port"], told["admin_port"]
            if self.processes[-1].poll() is not None:
                break
            time.sleep(0.05)
        with open(self.path("server.log")) as log:
            sys.exit("the server did not start:\n" + log.read())

    def token(self, person, seconds=8 * 3600):
        return self.careteam("token", "--key", self.path("key.jwk"), "--kid", "demo", "--issuer", "https://demo.invalid", "--audience",
                             "careteam", "--subject", person, "--expires", str(seconds)).strip()

    def stop(self):
        codes = []
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                codes.append(process.wait(timeout=12))
            except subprocess.TimeoutExpired:
                process.kill()
                codes.append(process.wait())
        return codes

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def free_port():
    import socket
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def record_of(one):
    return f"duty/{one['dutyId']}" if one.get("dutyId") else one.get("patientId", "")


def named(record):
    return {"dutyId": record.removeprefix("duty/")} if record.startswith("duty/") else {"patientId": record}


class Member:
    """One device of one person, over the JSON subprotocol."""

    def __init__(self, house, person):
        self.house, self.person = house, person
        self.positions, self.streams, self.epoch = {}, [], ""
        self.waiting, self.presence, self.quiet, self.owed = {}, {}, False, set()
        self.seen, self.reads = [], {}

    async def connect(self):
        self.socket = await websockets.connect(f"ws://127.0.0.1:{self.house.port}/v1/ws", subprotocols=["careteam.v1.json"], max_size=None)
        resume = [{**named(r), "stream": s, "seq": str(n)} for (r, s), n in self.positions.items()]
        await self.socket.send(json.dumps({"hello": {"token": self.house.token(self.person), "deviceId": "demo", "epoch": self.epoch,
                                                     "resume": resume}}))
        self.caught_up = asyncio.Event()
        self.left = None
        self.reader = asyncio.create_task(self.read())
        await asyncio.wait_for(self.caught_up.wait(), 10)

    async def read(self):
        try:
            async for message in self.socket:
                self.take(json.loads(message))
        except websockets.ConnectionClosed:
            pass

    def take(self, frame):
        if "welcome" in frame:
            self.epoch = frame["welcome"]["epoch"]
            self.streams = [(record_of(s), s["stream"]) for s in frame["welcome"].get("streams", []) if record_of(s)]
            self.left = set(self.streams)
            self.reads = dict.fromkeys(self.streams, True)
        for one in frame.get("revoked", []) + frame.get("gained", []):  # Nothing of it is held any more; or it follows from its first entry.
            self.positions.pop((record_of(one), one["stream"]), None)
            self.reads[record_of(one), one["stream"]] = one in frame.get("gained", [])
        for entry in frame.get("entries", []):
            key, seq = (record_of(entry), entry["stream"]), int(entry["seq"])
            if seq != self.positions.get(key, 0) + 1:
                raise SystemExit(f"{self.person} was given {key} {seq} after {self.positions.get(key, 0)}")
            self.positions[key] = seq
            self.seen.append(entry)
            self.show(entry)
        for one in frame.get("caughtUp", []):
            self.left.discard((record_of(one), one["stream"]))
        if self.left is not None and not self.left:
            self.caught_up.set()
        for one in frame.get("committed", []) + frame.get("refused", []):
            if one.get("commandId") in self.waiting:
                self.waiting.pop(one["commandId"]).set_result(one)
        for one in frame.get("worklists", []):
            self.owed = {(item["entry"]["patientId"], item["entry"]["seq"]) for item in one.get("items", [])}
        for one in frame.get("worklistChanges", []):
            place = one["item"]["entry"] if "item" in one else one["removed"]
            (self.owed.add if "item" in one else self.owed.discard)((place["patientId"], place["seq"]))
        for one in frame.get("presence", []):
            self.presence[one["personId"]] = one["state"].removeprefix("STATE_").lower()

    def show(self, entry):
        if self.quiet or not self.caught_up.is_set():
            return
        stream = entry["stream"].removeprefix("STREAM_").lower()
        posted = entry.get("messagePosted") or entry.get("messageCorrected")
        text = (posted or {}).get("text") or (posted or {}).get("content", {}).get("text")
        if text:
            print(f"    {paint(self.person, NAMES.get(self.person, self.person) + ' reads'):45} [{stream} #{entry['seq']}] {text.splitlines()[0]}", flush=True)
        elif "messageAcknowledged" in entry:
            print(f"    {paint(self.person, NAMES.get(self.person, self.person) + ' sees'):45} [{stream} #{entry['seq']}] "
                  f"{entry['author']['personId']} acknowledged #{entry['messageAcknowledged']['seq']}", flush=True)

    async def must(self, record, **action):
        answer = await self.command(record, **action)
        if "code" in answer:
            raise SystemExit(f"{self.person}: {next(iter(action))}: {answer}")
        return answer

    async def sees(self, what, seconds=10):
        """Waits until `what(self)` is so."""
        deadline = time.monotonic() + seconds
        while not what(self):
            if time.monotonic() > deadline:
                raise SystemExit(f"{self.person} waited in vain")
            await asyncio.sleep(0.05)

    def told(self, name):
        return [entry[name] for entry in self.seen if name in entry]

    async def command(self, patient, **action):
        command_id = uuid7()
        answer = self.waiting[command_id] = asyncio.get_running_loop().create_future()
        await self.socket.send(json.dumps({"command": {"commandId": command_id, **named(patient), **action}}))
        return await asyncio.wait_for(answer, 10)

    async def change_team(self, patient, name, **asked):
        """A roster command with the version of now: whoever names another one is told it."""
        answer = await self.command(patient, **{name: {"expectedRosterVersion": "0", **asked}})
        if "version" in answer.get("message", ""):
            version = answer["message"].rsplit(" ", 1)[1]
            answer = await self.command(patient, **{name: {"expectedRosterVersion": version, **asked}})
        if "code" in answer:
            raise SystemExit(f"{self.person}: {name}: {answer}")

    async def say(self, patient, stream, text, **more):
        print(f"  {paint(self.person, NAMES.get(self.person, self.person))} writes to {stream}: {text}", flush=True)
        answer = await self.command(patient, postMessage={"stream": f"STREAM_{stream.upper()}", "content": {"text": text}, **more})
        if "code" in answer:
            print(f"    refused ({answer['code']}): {answer.get('message')}", flush=True)
        await asyncio.sleep(0.25)
        return answer

    async def close(self):
        await self.socket.close()
        await self.reader


async def play(house):
    people = ["rosa", "luis", "rao", "okafor", "claire", "nina", "tom", "omar", "sam", "dana", "lang", "weiss", "irene", "alex"]
    team = {person: Member(house, person) for person in people}
    title("1. The whole team connects")
    for member in team.values():
        await member.connect()
    for person in ("rosa", "nina", "dana", "irene"):
        streams = sorted({s.removeprefix("STREAM_").lower() for p, s in team[person].streams if p == "rosa"})
        print(f"  {paint(person, NAMES.get(person, person)):40} may read of Rosa's record: {', '.join(streams) or 'nothing'}")
    rosa, luis, rao, nina, omar, dana = (team[p] for p in ("rosa", "luis", "rao", "nina", "omar", "dana"))
    for person, member in team.items():
        member.quiet = person not in ("rosa", "luis", "rao", "nina", "dana")

    title("2. One team, separate audiences")
    await rosa.say("rosa", "shared", "My hands burn since Sunday. Should I take the tablets tonight?")
    await nina.say("rosa", "clinical", "Hand-foot grade 2, day 10. I suggest a hold; please decide before 20:00.",
                   priority="PRIORITY_ASAP", mentions=[{"role": "ROLE_MEDICAL_ONCOLOGIST"}])
    question = next(e for e in reversed(nina.seen) if "messagePosted" in e)
    print("  (Rosa, Luis and Dana were sent nothing of that: not a byte, not a gap in a sequence.)")

    title("3. The loop closes: an asap message is owed an answer by a person")
    await rao.command("rosa", acknowledgeMessage={"stream": "STREAM_CLINICAL", "seq": question["seq"]})
    await rao.say("rosa", "shared", "Please do not take capecitabine tonight. Nina calls you tomorrow at 9.",
                  priority="PRIORITY_ASAP", mentions=[{"personId": "rosa"}])
    hold = next(e for e in reversed(rao.seen) if "messagePosted" in e and e["stream"] == "STREAM_SHARED")
    await rosa.command("rosa", acknowledgeMessage={"stream": "STREAM_SHARED", "seq": hold["seq"]})
    await asyncio.sleep(0.25)
    answer = await rao.command("rosa", editMessage={"stream": "STREAM_SHARED", "seq": hold["seq"], "content": {"text": "…"}})
    print(f"  Dr Rao tries to edit what Rosa acknowledged → refused: {answer['message']}")

    title("4. Nothing can be probed")
    hidden = await rosa.command("rosa", acknowledgeMessage={"stream": "STREAM_CLINICAL", "seq": question["seq"]})
    absent = await rosa.command("rosa", acknowledgeMessage={"stream": "STREAM_CLINICAL", "seq": "4711"})
    same = {k: v for k, v in hidden.items() if k != "commandId"} == {k: v for k, v in absent.items() if k != "commandId"}
    print(f"  Rosa guesses at a clinical entry that exists and at one that does not: {hidden['message']!r}, the same answer: {same}")
    foreign = await team["alex"].command("rosa", postMessage={"stream": "STREAM_SHARED", "content": {"text": "hello"}})
    print(f"  The administrator tries to write to Rosa's record: {foreign['message']!r}")

    title("5. Luis loses his connection in the lift; nothing is lost")
    held = luis.positions[("rosa", "STREAM_SHARED")]
    await luis.close()
    await asyncio.sleep(2.5)
    print(f"  Nina's list says: luis is {nina.presence.get('luis')}, rosa is {nina.presence.get('rosa')}, dana is {nina.presence.get('dana')}")
    luis.quiet = True
    for text in ("A moisturiser with urea helps; cool water too.", "The pharmacy has your refill.", "See you on Thursday at 15:00."):
        await nina.say("rosa", "shared", text)
    await luis.connect()
    now = luis.positions[("rosa", "STREAM_SHARED")]
    print(f"  Luis is back: he held {held}, was given {held + 1} to {now} in order, and is live again")
    complete = now == nina.positions[("rosa", "STREAM_SHARED")] and same and "code" in foreign and "code" in answer

    title("6. Who left reads nothing more")
    roster = await rao.command("rosa", viewRoster={})
    await rao.change_team("rosa", "endMember", personId="dana", role="ROLE_FINANCIAL_ADVISER", reason="the question is answered")
    await asyncio.sleep(0.3)
    before = len(dana.seen)
    await team["sam"].say("rosa", "support", "The co-pay is solved; I close this.")
    complete = complete and len(dana.seen) == before and "commandId" in roster
    print(f"  Dana's open socket was sent {len(dana.seen) - before} entries of that")
    complete = complete and await play_shift(team)
    if house.clock:
        complete = complete and await play_silence(house, team)
    for member in team.values():
        await member.close()
    return complete


def in_hours(*wanted):
    now = datetime.datetime.now(datetime.timezone.utc)
    return [(now + datetime.timedelta(hours=at)).isoformat().replace("+00:00", "Z") for at in wanted]


def order(text, **more):
    return {"kind": "TASK_KIND_CARE", "title": text, "target": {"dutyId": "onc-rn"}, **more}


async def play_shift(team):
    title("7. A shift change: one commit moves everything that the duty owes")
    alex, rao, nina, tom = (team[person] for person in ("alex", "rao", "nina", "tom"))
    nurses = [{"personId": person, "role": "ROLE_ONCOLOGY_NURSE"} for person in ("nina", "tom")]
    await alex.must(DUTY, defineDuty={"duty": {
        "name": "Oncology nurse", "timeZone": "America/Chicago", "roles": ["ROLE_ONCOLOGY_NURSE"], "leadPersonId": "claire",
        "members": nurses + [{"personId": "claire", "role": "ROLE_NURSE_PRACTITIONER"}]}})
    morning, change, end = in_hours(-8, 0.25, 8)
    for version, (shift, person, period) in enumerate((("day", "nina", (morning, change)), ("night", "tom", (change, end))), 1):
        await alex.must(DUTY, scheduleShift={"expectedRosterVersion": str(version), "shiftId": shift, "personId": person,
                                             "period": {"start": period[0], "end": period[1]}})
    await alex.change_team("rosa", "endMember", personId="tom", role="ROLE_ONCOLOGY_NURSE", reason="is there when he has the duty")
    await alex.change_team("rosa", "addMember", dutyId="onc-rn", role="ROLE_ONCOLOGY_NURSE")
    await tom.sees(lambda who: not who.reads["rosa", "STREAM_CLINICAL"])
    print("  The duty onc-rn is on Rosa's team now, and Tom is not: off duty, he reads nothing of her")
    for text, more in (("Call the lab about her ANC", {"priority": "PRIORITY_ASAP"}), ("Ask how she sleeps", {})):
        await rao.must("rosa", requestTask={"stream": "STREAM_CLINICAL", "order": order(text, **more)})
    for nurse in (nina, tom):
        await nurse.socket.send(json.dumps({"watchWorklist": {"requestId": "owed", "what": "WHAT_OWED", "limit": 100}}))
    await nina.sees(lambda who: len(who.owed) >= 2)
    await tom.sees(lambda who: ("duty/onc-rn", "STREAM_CLINICAL") in who.positions or who.told("dutyDefined"))
    before = set(nina.owed)
    print(f"  Nina holds the duty onc-rn for 15 more minutes and owes {len(before)} things; Tom has the night and owes {len(tom.owed)}")
    await nina.sees(lambda who: who.told("handoffPrepared"))
    handoff = {"handoff": {"seq": next(entry["seq"] for entry in nina.seen if "handoffPrepared" in entry)}}
    for patient in sorted({patient for patient, _ in before}):
        await nina.must(DUTY, describePatient={**handoff, "patient": {
            "patientId": patient, "severity": "SEVERITY_WATCHER", "summary": "ANC 0.72 on day 1, no fever so far",
            "contingencies": ["38.0 degrees or more: call Dr Okafor, antibiotics within the hour"]}})
    await nina.must(DUTY, offerHandoff=handoff)
    await tom.must(DUTY, openHandoff=handoff)
    await tom.must(DUTY, takeHandoff=handoff)
    await tom.sees(lambda who: who.told("handoffOffered"))
    listed = tom.told("handoffOffered")[-1]["owed"]
    print(f"  She offers it: every patient described, {len(listed)} obligations listed by the server; Tom opens it and takes it")
    for patient in sorted({patient for patient, _ in before}):
        top = min((one for one in listed if one["entry"]["patientId"] == patient), key=lambda one: one.get("deadline", "~"))
        said = {**handoff, "patientId": patient, "synthesis": "Low counts; the lab first, and fever means Okafor at once.",
                "topAction": top["entry"], **({"topDeadline": top["deadline"]} if "deadline" in top else {})}
        await tom.must(DUTY, synthesizePatient=said)
    print(f"  Tom says each back in his own words, with the first thing to do and its deadline. Still Nina's: {nina.owed == before}")
    await nina.must(DUTY, confirmHandoff=handoff)
    await tom.sees(lambda who: before <= who.owed)
    await nina.sees(lambda who: not before & who.owed)
    changed = tom.told("dutyHolderChanged")[-1]
    print(f"  Nina confirms: {changed['previousPersonId']} → {changed['personId']}; Tom owes {len(before)}, Nina {len(before & nina.owed)}, at one index")
    await tom.sees(lambda who: who.reads["rosa", "STREAM_CLINICAL"] and ("rosa", "STREAM_CLINICAL") in who.positions)
    print(f"  With the duty Tom reads Rosa's record: he was given clinical #1 to #{tom.positions['rosa', 'STREAM_CLINICAL']}")
    return changed["personId"] == "tom"


async def play_silence(house, team):
    title("8. Silence escalates until a person has it (the server's clock jumps)")
    rao, tom = team["rao"], team["tom"]
    asked = await rao.must("rosa", requestTask={"stream": "STREAM_CLINICAL", "order": order(
        "38.4 degrees: call her now", priority="PRIORITY_STAT", ladder=[{"personId": "claire"}, {"role": "ROLE_MEDICAL_ONCOLOGIST"}])})
    print("  Dr Rao asks the duty, stat: Tom is to take it within 5 minutes. He does not.")
    for step in (1, 2, 3):
        house.clock.set(5 * MINUTE * step + 1)

        def climbed(who, wanted=step):
            return len([one for one in who.told("taskEscalated") if one["seq"] == asked["seq"] and one["timer"] == "TASK_TIMER_ACCEPT"]) >= wanted
        await tom.sees(climbed)
        last = [one for one in tom.told("taskEscalated") if one["seq"] == asked["seq"] and one["timer"] == "TASK_TIMER_ACCEPT"][-1]
        what = "nobody responded: a task asks a supervisor" if last.get("noResponse") else f"level {last['level']}: the next step is asked, too"
        print(f"    + {5 * step:2} minutes  {what}")
    followed = [one for one in tom.told("taskRequested") if one.get("origin", {}).get("rule") == "TASK_RULE_NO_RESPONSE"]
    print(f"  The follow-up is {followed[-1]['order']['target']['personId']}'s: {followed[-1]['order']['title']}")
    print("  careteam explain rosa clinical/" + asked["seq"] + " says:")
    for line in house.careteam("explain", "--config", house.path("careteam.toml"), "rosa", f"clinical/{asked['seq']}").splitlines():
        print("    " + line)
    return bool(followed)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--binary", required=True)
    options.add_argument("--bundle", required=True)
    options.add_argument("--exit", action="store_true", help="end after the day, with 0 when everything went as told")
    asked = options.parse_args()
    house = House(asked.binary, asked.bundle)
    good = False
    try:
        house.start()
        good = asyncio.run(play(house))
        title("What happened is on disk, in hash chains")
        print("  " + house.careteam("verify", "--config", house.path("careteam.toml")).strip())
        if not asked.exit:
            title("The server stays up. Try it (Ctrl-C ends it and removes everything):")
            print(f"  WebSocket  ws://127.0.0.1:{house.port}/v1/ws      operator  http://127.0.0.1:{house.admin_port}/metrics")
            for person in ("rosa", "nina"):
                print(f"\n  npx wscat -s careteam.v1.json -c ws://127.0.0.1:{house.port}/v1/ws      # then paste, as {person}:")
                print("  " + json.dumps({"hello": {"token": house.token(person), "deviceId": "wscat"}}))
            print("\n  " + json.dumps({"command": {"commandId": uuid7(), "patientId": "rosa", "postMessage": {
                "stream": "STREAM_SHARED", "content": {"text": "Hello from wscat"}}}}), flush=True)
            signal.sigwait({signal.SIGINT, signal.SIGTERM})
    except KeyboardInterrupt:
        good = True
    finally:
        codes = house.stop()
        house.remove()
    if asked.exit and (not good or codes[0] != 0):
        sys.exit(f"the day did not go as told (good={good}, exit codes {codes})")


main()

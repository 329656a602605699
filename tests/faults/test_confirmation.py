"""The guard against the wrong patient and exactly-once: a message that was taken gets its answer again, whatever its author wrote since."""
import asyncio

from contract import SHARED, ClientFrame, Refused, fields_of, uuid7
from flaky_device import Device, Member

ROOMS = {"ada": {"nurse": "oncology-nurse"}, "ben": {"nurse": "oncology-nurse"}}
WINDOW = {"limits.wrong_patient_window_ms": 600_000}
ANSWER_SECONDS = 10.0
FAILED_PRECONDITION = 9


class Author(Device):
    """Sends one command with each connection and keeps its answer: what a device does whose answers get lost."""

    early_commands = 0.0

    def __init__(self, house, seed):
        super().__init__(Member("nurse", "phone", "", ()), house.client_port, house.tokens["nurse"], seed)
        self.answer = self.confirm_token = None

    def _take_message(self, message):
        for number, raw in fields_of(message):
            if number == 3:
                self.confirm_token = Refused.FromString(raw).confirm_token
        super()._take_message(message)

    def _take_committed(self, command_id, patient, stream, seq):
        del self.pending[command_id]
        self.answer = ("committed", patient, stream, seq)

    def _take_refused(self, command_id, code, field):
        del self.pending[command_id]
        self.answer = ("refused", code, field)

    async def send(self, command_id, patient, confirm=""):
        frame = ClientFrame()
        command = frame.command
        command.command_id, command.patient_id, command.confirm_patient = command_id, patient, confirm
        command.post_message.stream, command.post_message.content.text = SHARED, f"about {patient}"
        self.pending[command_id] = self._frame(frame)
        await self.reach(self.all_answered, ANSWER_SECONDS, "an answer")
        assert not self.faults, self.faults
        return self.answer


def test_a_message_sent_again_after_one_about_another_patient_gets_its_first_answer(houses, rng, seed):
    house = houses(ROOMS, settings=WINDOW, redis=False)
    house.start()
    about_ada, about_ben, confirmed = (uuid7(rng.getrandbits) for _ in range(3))

    async def scenario():
        author = Author(house, seed)
        first = await author.send(about_ada, "ada")
        assert first[0] == "committed"
        assert await author.send(about_ben, "ben") == ("refused", FAILED_PRECONDITION, "confirmPatient")
        assert (await author.send(confirmed, "ben", author.confirm_token))[0] == "committed"
        # As if the answer about ada had been lost. A refusal would make the author confirm, and the message would be there twice.
        assert await author.send(about_ada, "ada") == first

    asyncio.run(scenario())
    house.stop()
    house.check_store()


def test_the_guard_does_not_wait_for_welcome(houses, rng, seed):
    house = houses(ROOMS, settings=WINDOW, redis=False)
    house.start()

    async def scenario():
        author = Author(house, seed)
        author.early_commands = 1.0
        assert (await author.send(uuid7(rng.getrandbits), "ada"))[0] == "committed"
        assert await author.send(uuid7(rng.getrandbits), "ben") == ("refused", FAILED_PRECONDITION, "confirmPatient")

    asyncio.run(scenario())
    house.stop()

"""A worklist as a client holds it: for the tests of worklists and of duties."""
import datetime
import time


def moment(text):
    """In seconds. The server writes no fraction, or three, six or nine digits."""
    if not text:
        return 0.0
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return datetime.datetime.fromisoformat(whole + "+00:00").timestamp() + float(f"0.{fraction or 0}")


class Watched:
    """A worklist as a client holds it: the last list, and every change since."""

    def __init__(self, client, what, request_id):
        self.client, self.what, self.request_id = client, what, request_id

    @classmethod
    async def open(cls, client, what="OWED", limit=100, **more):
        watched = cls(client, f"WHAT_{what}", f"list-{what}-{time.monotonic_ns()}")
        await client.send({"watchWorklist": {"requestId": watched.request_id, "what": watched.what, "limit": limit, **more}})
        await client.until(lambda: watched.lists)
        return watched

    @property
    def lists(self):
        return [one for frame in self.client.messages for one in frame.get("worklists", []) if one.get("requestId") == self.request_id]

    @property
    def items(self):
        held, self.more = None, False
        for frame in self.client.messages:
            for one in frame.get("worklists", []):
                if one.get("requestId") == self.request_id:
                    held, self.more = {self.key(item["entry"]): item for item in one.get("items", [])}, one.get("more", False)
            for one in frame.get("worklistChanges", []):
                if held is None or one["what"] != self.what:
                    continue
                self.more = one.get("more", False)
                if "item" in one:
                    held[self.key(one["item"]["entry"])] = one["item"]
                else:
                    held.pop(self.key(one["removed"]), None)
        return dict(sorted(held.items(), key=lambda one: (one[1].get("breach") is None, moment(one[1].get("breach")))))

    @staticmethod
    def key(entry):
        return entry["patientId"], int(entry["seq"])

    @property
    def keys(self):
        return list(self.items)

    async def becomes(self, *keys, timeout=5):
        await self.client.until(lambda: self.keys == list(keys), timeout)

    async def shows(self, key, **fields):
        await self.client.until(lambda: key in self.items and fields.items() <= self.items[key].items())

"""The network between one importer and Moment, under httpx's transport interface."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.simulation.moment import Reply
    from tests.simulation.process import Importer
    from tests.simulation.world import World


GARBAGE = (b"", b"<html>ok</html>", b"\xff\xfe", b'{"id', b"[]", b"{}", b'{"id": 1}')
LOSSES = ("request lost", "connection reset", "answer lost")


class _Answer:
    __slots__ = ("arrived", "reply")

    def __init__(self) -> None:
        self.arrived = trio.Event()
        self.reply: Reply | None = None


class Wire(httpx.AsyncBaseTransport):
    """Loses, delays, doubles, cuts and garbles; a request that left lives on without its sender."""

    def __init__(self, world: World, importer: Importer) -> None:
        self._world = world
        self._importer = importer
        self._luck = world.luck

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One exchange; raises httpx's errors as a real transport does."""
        world, luck, importer = self._world, self._luck, self._importer
        importer.must_live()
        await trio.sleep(luck.latency(0.0005, 0.5))
        importer.must_live()
        if luck.strikes("connection refused") or world.outage():
            await trio.sleep(luck.chance.uniform(0, 2))
            raise httpx.ConnectError("refused")
        name = importer.leaves(request)
        try:
            reply = await self._exchange(request, name)
            response, whole = self._response(reply)
            said = whole and reply.headers.get("Content-Type", "").endswith("json")
            importer.hears(request.method, reply.status, of_api=said)
        finally:
            importer.in_flight -= 1
        return response

    async def _exchange(self, request: httpx.Request, name: str) -> Reply:
        """Send the request on its way and wait for what comes back, if anything does."""
        world, luck = self._world, self._luck
        fault = next((one for one in LOSSES if luck.strikes(one)), "")
        answer = _Answer()
        if fault != "request lost":
            world.launch(self._carry, request, answer, self._delay("request delayed"), name)
            if luck.strikes("request doubled"):
                late = luck.chance.uniform(0, world.scene.late)
                world.launch(self._carry, request, _Answer(), late, f"a copy of {name}")
        else:
            luck.tell(f"{name} is lost on its way")
        with trio.move_on_after(request.extensions["timeout"]["read"]):
            if fault == "connection reset":
                await trio.sleep(luck.latency(world.scene.latency, world.scene.tail))
                raise httpx.ReadError("reset")
            if fault:
                await trio.sleep_forever()
            await answer.arrived.wait()
        if answer.reply is None:
            luck.tell(f"{self._importer.name} gives up waiting for the answer to {name}")
            raise httpx.ReadTimeout("timed out")
        return answer.reply

    def _delay(self, kind: str) -> float:
        if self._luck.strikes(kind):
            return self._luck.chance.uniform(0, self._world.scene.late)
        scene = self._world.scene
        return min(self._luck.latency(scene.latency, scene.tail), scene.late)

    async def _carry(
        self, request: httpx.Request, answer: _Answer, delay: float, name: str
    ) -> None:
        """The request's own life: to Moment, through it, and the answer's way back."""
        world, luck = self._world, self._luck
        await trio.sleep(delay)
        if request.method == "POST":
            reply = await world.moment.post(request.headers["Idempotency-Key"], request.content)
        elif request.method == "PATCH":
            customer_id = request.url.path.rsplit("/", 1)[1]
            reply = await world.moment.patch(customer_id, request.content)
        else:
            reply = await world.moment.get(request.url.path.rsplit("/", 1)[1])
        replayed = ", replayed" * ("Idempotent-Replayed" in reply.headers)
        luck.tell(f"Moment answers {name} with {reply.status}{replayed}")
        await trio.sleep(luck.latency(world.scene.latency, world.scene.tail))
        answer.reply = reply
        answer.arrived.set()

    def _response(self, reply: Reply) -> tuple[httpx.Response, bool]:
        """What arrives, and whether it is what Moment said."""
        luck, cut, sent = self._luck, False, reply
        if luck.strikes("answer garbled"):
            # No JSON in place of an error: a gateway's 404 must not become Moment's word.
            garbage = GARBAGE if reply.status < 300 else GARBAGE[:4]
            reply = replace(reply, body=luck.chance.choice(garbage))
        elif luck.strikes("another customer's answer"):
            reply = self._mixed_up(reply)
        elif luck.strikes("answer cut"):
            cut = True
        response = httpx.Response(
            reply.status, headers=reply.headers, stream=_Body(reply.body, cut)
        )
        return response, reply is sent and not cut

    def _mixed_up(self, reply: Reply) -> Reply:
        """A proxy's answer to someone else: well-formed, but of another reference."""
        customers = [one for some in self._world.moment.customers.values() for one in some]
        if not customers or reply.status >= 300:
            return reply
        other = self._luck.chance.choice(customers).document
        other |= {"id": f"bcus_{self._luck.chance.randrange(10**6)}other"}
        other |= {"external_reference": "somebody-else"}
        return replace(reply, body=json.dumps(other).encode())


class _Body(httpx.AsyncByteStream):
    def __init__(self, body: bytes, cut: bool) -> None:  # noqa: FBT001 - private
        self._body = body
        self._cut = cut

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if not self._cut:
            yield self._body
            return
        yield self._body[: len(self._body) // 2]
        raise httpx.RemoteProtocolError("the connection closed in the middle of the body")

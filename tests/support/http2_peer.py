"""A server of HTTP/2 in a thread, with `h2` for its grammar, whose answers a test writes."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

from loop_server import LoopServer

BODY = b'{"parity_ok": true}'


class Peer(LoopServer):
    """The server.

    Args:
        tls: Its side of TLS, None for none.
        streams: Of a client at a time.
        respond: Told of each request (connection, stream, fields, body); answers it.
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        streams: int = 100,
        respond: Callable[..., None] | None = None,
    ) -> None:
        self.asked: list[tuple[dict[bytes, bytes], bytes]] = []
        self.connections = 0
        self.most_streams = 0
        self._streams = streams
        self._respond = respond or self.answer
        self._tls = tls
        super().__init__()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @staticmethod
    def answer(peer: "Served", stream: int, _fields: dict[bytes, bytes], _body: bytes) -> None:
        """Answer as a server in good health does."""
        fields = [(b":status", b"200"), (b"x-request-id", b"%d" % stream)]
        peer.h2.send_headers(stream, fields)
        peer.h2.send_data(stream, BODY, end_stream=True)

    async def listen(self) -> asyncio.Server:
        """Return the server."""
        return await asyncio.get_running_loop().create_server(
            lambda: Served(self), "127.0.0.1", 0, ssl=self._tls
        )


class Served(asyncio.Protocol):
    """One connection to a `Peer`."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.bodies: dict[int, tuple[dict[bytes, bytes], bytearray]] = {}
        self.answered = 0

    def connection_made(self, transport: Any) -> None:
        """Greet."""
        self.peer.connections += 1
        self.transport = transport
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding=None)
        )
        self.h2.local_settings = h2.settings.Settings(
            client=False,
            initial_values={h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: self.peer._streams},
        )
        self.h2.initiate_connection()
        transport.write(self.h2.data_to_send())

    def data_received(self, data: bytes) -> None:
        """Take bytes in, and answer what is complete."""
        try:
            events = self.h2.receive_data(data)
        except h2.exceptions.ProtocolError:
            self.transport.write(self.h2.data_to_send())
            self.transport.close()
            return
        for event in events:
            if isinstance(event, h2.events.RequestReceived):
                self.bodies[event.stream_id] = (dict(event.headers), bytearray())
                self.peer.most_streams = max(self.peer.most_streams, len(self.bodies))
            elif isinstance(event, h2.events.DataReceived):
                self.bodies[event.stream_id][1].extend(event.data)
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                fields, body = self.bodies.pop(event.stream_id)
                self.peer.asked.append((fields, bytes(body)))
                self.peer._respond(self, event.stream_id, fields, bytes(body))
            elif isinstance(event, h2.events.StreamReset):
                self.bodies.pop(event.stream_id, None)
        if not self.transport.is_closing():
            self.transport.write(self.h2.data_to_send())

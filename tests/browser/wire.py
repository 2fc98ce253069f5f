"""A wire between browser and server that can be cut and mended."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field


@dataclass
class Wire:
    """Forwards connections on a port of its own to `port`; cut, it drops and refuses them."""

    port: int
    _listening: socket.socket | None = None
    _ends: list[socket.socket] = field(default_factory=list)
    _own_port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._own_port}/"

    def mend(self) -> None:
        listening = socket.create_server(("127.0.0.1", self._own_port))
        self._own_port = listening.getsockname()[1]
        self._listening = listening
        threading.Thread(target=self._accept, args=(listening,), daemon=True).start()

    def cut(self) -> None:
        assert self._listening is not None
        for end in (self._listening, *self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._ends.clear()

    def _accept(self, listening: socket.socket) -> None:
        with suppress(OSError):  # the wire was cut
            while True:
                near, _ = listening.accept()
                far = socket.create_connection(("127.0.0.1", self.port))
                self._ends += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    @staticmethod
    def _carry(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65_536):
                other.sendall(data)

"""A worker's slot: what a reader may see of it while the worker counts."""

from __future__ import annotations

from quickstep_publisher._slots import SLOT_SIZE, Recorder, how_far


class Watched(bytearray):
    """Shared memory that notes what it holds after each time it is written into."""

    def __init__(self) -> None:
        super().__init__(SLOT_SIZE)
        self.seen: list[bytes] = []

    def __setitem__(self, key: object, value: object) -> None:
        super().__setitem__(key, value)  # type: ignore[call-overload]
        self.seen.append(bytes(self))


def test_counts_are_written_at_once_and_never_cleared_in_between() -> None:
    slot = Watched()
    recorder = Recorder(slot, bytearray(64))

    recorder.begin()
    recorder.end(0.02)
    recorder.observe(0.03, requests=2)

    counted = [int.from_bytes(how_far(content)[:8], "little") for content in slot.seen]
    assert counted == [1, 1, 3], "one write each: `pack_into` would clear the slot first"

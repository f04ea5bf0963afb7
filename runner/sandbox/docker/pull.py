"""The progress of a pull, from the events that the engine sends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Pulled:
    """How much of an image is here."""

    layers: int = 0
    """How many it has, as far as it is known."""
    complete: int = 0
    """How many of them are here, unpacked."""
    bytes_here: int = 0
    """Of those that are being fetched, compressed."""
    bytes_wanted: int = 0

    def __str__(self) -> str:
        text = f"{self.complete} of {self.layers} layers"
        if self.bytes_wanted:
            text += f", {self.bytes_here / 1e6:.0f} of {self.bytes_wanted / 1e6:.0f} MB"
        return text


def progress(events: Iterable[Mapping[str, Any]]) -> Iterator[Pulled]:
    """The progress after each event that changes it."""
    layers: dict[str, bool] = {}
    sizes: dict[str, tuple[int, int]] = {}
    before = Pulled()
    for event in events:
        layer, status = str(event.get("id", "")), str(event.get("status", ""))
        detail = event.get("progressDetail") or {}
        if status in ("Pulling fs layer", "Already exists", "Pull complete"):
            layers[layer] = status != "Pulling fs layer"
        elif status == "Downloading" and "total" in detail:
            sizes[layer] = int(detail["current"]), int(detail["total"])
        elif status == "Download complete" and layer in sizes:
            sizes[layer] = sizes[layer][1], sizes[layer][1]
        now = Pulled(
            layers=len(layers),
            complete=sum(layers.values()),
            bytes_here=sum(here for here, _ in sizes.values()),
            bytes_wanted=sum(wanted for _, wanted in sizes.values()),
        )
        if now != before:
            yield now
            before = now

from __future__ import annotations

from quicmatrix.runner.sandbox.docker.pull import Pulled, progress


def event(layer: str, status: str, **detail: int) -> dict[str, object]:
    return {"id": layer, "status": status, "progressDetail": detail}


def test_layers_and_bytes_are_counted_as_the_engine_tells_of_them() -> None:
    events: list[dict[str, object]] = [
        {"status": "Pulling from me/server", "id": "latest"},
        event("a", "Already exists"),
        event("b", "Pulling fs layer"),
        event("b", "Waiting"),
        event("b", "Downloading", current=1_000_000, total=4_000_000),
        event("b", "Downloading", current=3_000_000, total=4_000_000),
        event("b", "Download complete"),
        event("b", "Extracting", current=5, total=9),
        event("b", "Pull complete"),
        {"status": "Digest: sha256:12"},
    ]
    assert list(progress(events)) == [
        Pulled(1, 1),
        Pulled(2, 1),
        Pulled(2, 1, 1_000_000, 4_000_000),
        Pulled(2, 1, 3_000_000, 4_000_000),
        Pulled(2, 1, 4_000_000, 4_000_000),
        Pulled(2, 2, 4_000_000, 4_000_000),
    ]


def test_it_reads_well() -> None:
    assert str(Pulled(7, 3)) == "3 of 7 layers"
    assert str(Pulled(7, 3, 12_400_000, 80_000_000)) == "3 of 7 layers, 12 of 80 MB"

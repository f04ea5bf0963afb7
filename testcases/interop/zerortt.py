"""zerortt: a second connection sends its requests before its handshake is complete."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import (
    Ack,
    EncryptedExtensions,
    Packet,
    PacketType,
    Side,
    Stream,
)
from quicmatrix.testcases.model import (
    Finding,
    Held,
    Inconclusive,
    Level,
    Observation,
    TestCase,
    Violation,
    requirement,
)
from quicmatrix.testcases.shared.closing import no_side_closes_with_an_error
from quicmatrix.testcases.shared.connection_ids import server_keeps_its_source_connection_id
from quicmatrix.testcases.shared.contract import ATTEMPT_IS_MADE, CLIENT_IS_DONE
from quicmatrix.testcases.shared.handshakes import two_handshakes
from quicmatrix.testcases.shared.resumption import (
    client_offers_the_session,
    server_enables_early_data,
    server_selects_the_session,
)
from quicmatrix.testcases.shared.transfers import TRANSFER_ENDS
from quicmatrix.testcases.shared.versions import server_initials_are_version_1
from quicmatrix.testcases.views.streams import Ranges, StreamType
from quicmatrix.testcases.views.view import (
    View,
    arrived,
    by_connection,
    complete,
    every,
    exists,
    frames,
    messages,
    sent,
)

FILES = 40
FILE_NAME_LENGTH = 250
MOST_1_RTT_BYTES = FILES * FILE_NAME_LENGTH // 2


@requirement(Level.TEST, "interop suite", compat=True)
def client_sends_0_rtt_data(seen: Observation) -> Iterator[Finding]:
    """The client sends 0-RTT packets."""
    packets = sent(seen.trace, Side.CLIENT, PacketType.ZERO_RTT)
    yield from exists(packets, Violation("there is no 0-RTT packet", side=Side.CLIENT), packets)


# Not decisive: acknowledgments, PMTU probes and the first connection's request count here, and
# none of them is a fault. The requirement after it says what is meant.
@requirement(Level.SHOULD, "interop suite", compat=True)
def client_sends_little_1_rtt_data(seen: Observation) -> Iterator[Finding]:
    """The payloads of the client's 1-RTT packets, on both connections, are at most 5000 bytes."""
    packets = sent(seen.trace, Side.CLIENT, PacketType.ONE_RTT)
    total = sum(packet.payload_size for packet in packets)
    if total > MOST_1_RTT_BYTES:
        biggest = max(packets, key=lambda packet: packet.payload_size)
        yield Violation(f"they are {total} bytes", biggest)
        return
    complete(packets)
    for packet in packets:
        yield Held(packet)
        if not packet.payload_size:
            raise Inconclusive(f"the payload's size of {packet} is not known")


@requirement(Level.TEST, "interop suite")
def client_sends_its_requests_in_0_rtt(seen: Observation) -> Iterator[Finding]:
    """The client sends at least half of the resumed connection's requests in 0-RTT packets."""
    packets = sent(seen.trace, Side.CLIENT, PacketType.ZERO_RTT, PacketType.ONE_RTT)
    yield from every(_requests(packets), packets)


@requirement(Level.TEST, "interop suite")
def server_accepts_0_rtt_data(seen: Observation) -> Iterator[Finding]:
    """The server accepts the client's early data."""
    extensions = messages(sent(seen.trace, Side.SERVER, PacketType.HANDSHAKE), EncryptedExtensions)
    yield from exists(
        (packet for packet, message in extensions if message.accepts_early_data),
        Violation(
            "no EncryptedExtensions has the early_data extension",
            *(packet for packet, _ in extensions.items[-1:]),
            side=Side.SERVER,
        ),
        extensions,
    )


@requirement(Level.TEST, "RFC 9001, 4.6.2")
def server_processes_0_rtt_packets(seen: Observation) -> Iterator[Finding]:
    """The server acknowledges 0-RTT packets: those that it rejects are never acknowledged."""
    early = arrived(seen.trace, Side.SERVER, PacketType.ZERO_RTT)
    acks = frames(sent(seen.trace, Side.SERVER, PacketType.ONE_RTT), Ack)
    if not early:
        complete(early)
        return
    acknowledged: dict[int | None, list[tuple[Packet, Ack]]] = {}
    for packet, ack in acks:
        acknowledged.setdefault(packet.connection, []).append((packet, ack))
    taken = [
        (answer, packet)
        for packet in early
        if packet.number is not None
        for answer, ack in acknowledged.get(packet.connection, ())
        if any(min(pair) <= packet.number <= max(pair) for pair in ack.ranges)
    ]
    if taken:
        yield Held(*taken[0])
        return
    if unknown := next((one for one in early if one.number is None), None):
        raise Inconclusive(f"the packet number of {unknown} is not known")
    complete(early, acks)
    # Whose it is, the packets alone do not say: a server drops what breaks a rule of the client's.
    yield Violation(
        f"0-RTT data was sent, but not accepted: none of {len(early)} packets is acknowledged, "
        f"the first is {early.items[0]}"
    )


def _requests(packets: View[Packet]) -> Iterator[Finding]:
    """Compare the requests of each connection with 0-RTT packets."""
    for members in by_connection(packets).values():
        early = members.where(lambda one: one.type is PacketType.ZERO_RTT)
        late = members.where(lambda one: one.type is PacketType.ONE_RTT)
        if early:
            yield from _at_least_half(early, late)


def _at_least_half(early: View[Packet], late: View[Packet]) -> Iterator[Finding]:
    """Compare the bytes of requests in 0-RTT packets with those that are in 1-RTT packets only.

    What was sent in 0-RTT may be sent again in 1-RTT: it was lost, or rejected.
    """
    requested: dict[int, Ranges] = {}
    early_frames, late_frames = frames(early, Stream), frames(late, Stream)
    in_time = [(one, new) for one, frame in early_frames if (new := _new_bytes(requested, frame))]
    too_late = [(one, new) for one, frame in late_frames if (new := _new_bytes(requested, frame))]
    sum_early, sum_late = sum(new for _, new in in_time), sum(new for _, new in too_late)
    if too_late:
        complete(early_frames)
    if sum_late > sum_early:
        yield Violation(
            f"{sum_late} of {sum_late + sum_early} bytes are in 1-RTT packets only",
            *(packet for packet, _ in too_late[:3]),
        )
        return
    # If all 1-RTT packets are known and have no request, 0-RTT packets had them all.
    complete(late_frames)
    yield from (Held(packet) for packet, _ in in_time)
    yield from (Held(packet) for packet in early if not packet.decrypted)


def _new_bytes(requested: dict[int, Ranges], frame: Stream) -> int:
    """How many bytes of requests a frame carries that none before it carried."""
    if StreamType.of(frame.stream_id) is not StreamType.CLIENT_BIDIRECTIONAL:
        return 0
    return requested.setdefault(frame.stream_id, Ranges()).add(frame.offset, frame.length)


ZERORTT = TestCase(
    name="zerortt",
    letter="Z",
    summary="The client resumes the session and sends its requests as 0-RTT data.",
    client="zerortt",
    server="zerortt",
    files=(32,) * FILES,
    file_name_length=FILE_NAME_LENGTH,
    requirements=(
        *ATTEMPT_IS_MADE,
        server_keeps_its_source_connection_id,
        server_initials_are_version_1,
        *TRANSFER_ENDS,
        no_side_closes_with_an_error,
        server_enables_early_data,
        two_handshakes,
        client_offers_the_session,
        client_sends_0_rtt_data,
        server_selects_the_session,
        server_accepts_0_rtt_data,
        server_processes_0_rtt_packets,
        client_sends_its_requests_in_0_rtt,
        client_sends_little_1_rtt_data,
        *CLIENT_IS_DONE,
    ),
)

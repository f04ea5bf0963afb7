"""Network paths (RFC 9000, 9): a server's preferred address, migration, and what a new path resets.

The addresses of paths are :class:`~quicmatrix.endpoint.transport.sockets.udp.PathAddress`: aioquic
takes any tuple for an address, compares it, and hands it back, so a path knows its local address
too.
"""

from __future__ import annotations

import ipaddress
import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aioquic import tls
from aioquic._buffer import Buffer
from aioquic.buffer import encode_uint_var
from aioquic.quic.configuration import SMALLEST_MAX_DATAGRAM_SIZE
from aioquic.quic.congestion.base import create_congestion_control
from aioquic.quic.connection import (
    END_STATES,
    NetworkAddress,
    QuicConnectionId,
    QuicNetworkPath,
    QuicReceiveContext,
)
from aioquic.quic.events import ConnectionIdIssued
from aioquic.quic.packet import (
    QuicPacketType,
    QuicPreferredAddress,
    push_quic_preferred_address,
)
from aioquic.quic.packet_builder import (
    QuicDeliveryState,
    QuicPacketBuilder,
    QuicPacketBuilderStop,
)

from quicmatrix.endpoint.transport.crypto.transport_parameters import (
    DISABLE_ACTIVE_MIGRATION,
    PREFERRED_ADDRESS,
    TransportParameters,
)
from quicmatrix.endpoint.transport.sockets.udp import LocalAddress, PathAddress, is_ipv4

PREFERRED_ADDRESS_CAPACITY = 128
PATH_CHALLENGE_BYTES = 8
CHALLENGES_REMEMBERED = 16
UNLIMITED = 1 << 62


class Paths(TransportParameters):
    """A connection with path validation and migration."""

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - the base class's
        super().__init__(**arguments)
        self._preferred: QuicPreferredAddress | None = None
        self._address_in_use: NetworkAddress | None = None
        self._handshake_address: tuple[str, int] | None = None
        self._cid_uses: dict[bytes, tuple[NetworkAddress, bytes]] = {}
        """Of each connection ID of the peer's: the path it was used on, and which of ours the peer
        used then."""
        self._lacks_connection_id = False
        self._small_challenges: deque[bytes] = deque(maxlen=CHALLENGES_REMEMBERED)
        self._small_paths: list[QuicNetworkPath] = []
        """Paths that were validated by a PATH_CHALLENGE in a datagram of less than 1200 bytes."""
        self.open_path: Callable[[tuple[str, int]], NetworkAddress | None] | None = None
        """Client: opens a path to a server's address of the other address family, and returns it;
        None if the host has no route there."""

    def connect(self, addr: NetworkAddress, now: float) -> None:
        """Client: begin the handshake with a server."""
        self._handshake_address = tuple(addr[:2])
        super().connect(addr, now)

    @property
    def allows_migration(self) -> bool:
        """Whether the peer lets us migrate (RFC 9000, 18.2: disable_active_migration)."""
        return DISABLE_ACTIVE_MIGRATION not in self.peer_parameters

    @property
    def peer_address(self) -> NetworkAddress | None:
        """The peer's address on the current path."""
        return self.get_peer_address()

    def prefer(
        self, ipv4_address: tuple[str, int] | None, ipv6_address: tuple[str, int] | None
    ) -> None:
        """Server: announce a preferred address (RFC 9000, 9.6); before any datagram.

        aioquic can encode the transport parameter and has nothing else for servers.
        """
        connection_id = QuicConnectionId(
            cid=os.urandom(self._configuration.connection_id_length),
            sequence_number=1,  # RFC 9000, 5.1.1
            stateless_reset_token=os.urandom(16),
            was_sent=True,
        )
        self._host_cids.append(connection_id)
        self._host_cid_seq = 2
        self._preferred = QuicPreferredAddress(
            ipv4_address=ipv4_address,
            ipv6_address=ipv6_address,
            connection_id=connection_id.cid,
            stateless_reset_token=connection_id.stateless_reset_token,
        )
        self._events.append(ConnectionIdIssued(connection_id=connection_id.cid))

    def migrate(self, address: NetworkAddress) -> bool:
        """Client: go on from another local address (RFC 9000, 9.2).

        The path is validated while it is used; if that fails the connection returns to the old
        one. Its first packet has a new connection ID and a PATH_CHALLENGE.

        Args:
            address: The peer's address, with the new local one.

        Returns:
            Whether it may: the handshake must be confirmed, a connection ID be left, and the
            server must not have asked it to stay, unless it is at the server's preferred address
            (RFC 9000, 18.2).
        """
        if not (self._is_client and self._handshake_confirmed and self._peer_cid_available):
            return False
        is_first_address = tuple(address[:2]) == self._handshake_address
        if is_first_address and DISABLE_ACTIVE_MIGRATION in self.peer_parameters:
            return False
        path = QuicNetworkPath(address)
        path.bytes_received = UNLIMITED  # the limit of 3 times is a server's (RFC 9000, 8.1)
        self._network_paths.insert(0, path)
        self.change_connection_id()
        self.send_ping(uid=0)
        return True

    def probe(self, address: NetworkAddress) -> bool:
        """Client: validate a path from another local address, and move to it once it works.

        Until then all else stays on the old path (RFC 9000, 9.1). Called again for the same
        address, it sends another PATH_CHALLENGE, as the first may have been lost.

        Args:
            address: The peer's address, with the new local one.

        Returns:
            Whether it may: the handshake must be confirmed, and a connection ID be left.
        """
        path = self._probed(address)
        if path is not None:
            path.local_challenge_sent = False
            return True
        if not (self._is_client and self._handshake_confirmed and self._peer_cid_available):
            return False
        path = QuicNetworkPath(address)
        path.bytes_received = UNLIMITED  # the limit of 3 times is a server's (RFC 9000, 8.1)
        path.peer_cid = self._peer_cid_available.pop(0)
        self._add_network_path(path)
        return True

    def give_up_probe(self, address: NetworkAddress) -> None:
        """Client: forget a path that does not work, and retire its connection ID."""
        path = self._probed(address)
        if path is not None:
            self._network_paths.remove(path)
            if path.peer_cid is not None:
                self._retire_peer_cid(path.peer_cid)

    def _find_preferred_address(self) -> NetworkAddress | None:
        """The preferred address to validate: of the family in use, or else of the other one.

        RFC 9000, 9.6.1, has a client select one of the two; aioquic ignores the other family's.
        """
        offer, here = self._remote_preferred_address, self._network_paths[0].addr[0]
        assert offer is not None
        same, other = offer.ipv4_address, offer.ipv6_address
        if not is_ipv4(here):
            same, other = other, same
        if same is not None or other is None:
            return super()._find_preferred_address()
        if self.open_path is None or not _may_send_to(other, here):
            return None
        return self.open_path(other)

    def _probed(self, address: NetworkAddress) -> QuicNetworkPath | None:
        return next((path for path in self._network_paths[1:] if path.addr == address), None)

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, NetworkAddress]]:
        """Datagrams, each with where to."""
        address = self._network_paths[0].addr
        before = self._address_in_use
        if address != before:
            self._address_in_use = address
            if before is not None:
                self._path_changed(before[0] != address[0] or _is_elsewhere(before, address))
        self._lacks_connection_id = not self._take_unused_connection_id()
        if self._lacks_connection_id:
            return []
        datagrams = self._challenge(now) + super().datagrams_to_send(now)
        if before is not None and address != before and _local(address) == _local(before):
            datagrams += self._challenge_previous(before, now)
        return datagrams

    def get_timer(self) -> float | None:
        """When to call :meth:`handle_timer`; while nothing can be sent, at the idle timeout."""
        return self._close_at if self._lacks_connection_id else super().get_timer()

    def _take_unused_connection_id(self) -> bool:
        """Whether the current path has a connection ID that was used on no other (RFC 9000, 9.5).

        aioquic goes on with the last one if there is no other. Without one an endpoint cannot
        respond to a peer that migrates. If only the peer's address changed, and it did not change
        its Destination Connection ID, that is a NAT's doing.
        """
        cid = self._peer_cid.cid
        use = self._cid_uses.get(cid)
        address = self._network_paths[0].addr
        if use is None or use[0] is address or use[0] == address or not cid:
            return True
        if _local(use[0]) == _local(address) and use[1] == self.host_cid:
            return True
        self.change_connection_id()
        return self._peer_cid.cid != cid

    def _retire_peer_cid(self, connection_id: QuicConnectionId) -> None:
        super()._retire_peer_cid(connection_id)
        self._cid_uses.pop(connection_id.cid, None)

    def _flush_builder(
        self, builder: QuicPacketBuilder, network_path: QuicNetworkPath, peer_cid: bytes, now: float
    ) -> list[tuple[bytes, NetworkAddress]]:
        datagrams = super()._flush_builder(builder, network_path, peer_cid, now)
        if datagrams:
            self._cid_uses[peer_cid] = network_path.addr, self.host_cid
        return datagrams

    def _challenge(self, now: float) -> list[tuple[bytes, NetworkAddress]]:
        """The PATH_CHALLENGE that a new path begins with (RFC 9000, 9.3).

        In aioquic it comes after an ACK, which may leave it no room, and congestion control may
        hold it back.

        Where the anti-amplification limit kept its datagram small, a second one follows the
        PATH_RESPONSE in a datagram of 1200 bytes (RFC 9000, 8.2.1), which aioquic leaves out.
        """
        path = self._network_paths[0]
        if (
            (path.is_validated and path not in self._small_paths)
            or path.local_challenge_sent
            or not self._handshake_complete
            or self._close_pending
            or self._state in END_STATES
        ):
            return []
        datagrams = self._send_challenge(path, self._peer_cid.cid, now)
        if path.local_challenge_sent and path.validation_deadline is None:
            # RFC 9000, 8.2.4
            probe_timeout = max(self._loss.get_probe_timeout(), 2 * self._configuration.initial_rtt)
            path.validation_deadline = now + 3 * probe_timeout
        return datagrams

    def _challenge_previous(
        self, address: NetworkAddress, now: float
    ) -> list[tuple[bytes, NetworkAddress]]:
        """Server: a PATH_CHALLENGE on the path that its client seems to have left.

        Somebody else may have forwarded a packet of the client's (RFC 9000, 9.3.3); aioquic does
        not ask. A client that moves to the preferred address does so by itself. The challenge has a
        connection ID of its own (9.5), and its loss says nothing of the new path: a NAT that
        rebinds has forgotten the old one.
        """
        path = self._probed(address)
        is_over = self._is_client or self._state in END_STATES
        if path is None or not path.is_validated or is_over:
            return []
        if path.peer_cid is None and self._peer_cid_available:
            path.peer_cid = self._peer_cid_available.pop(0)
        if path.peer_cid is None:
            return []
        number = self._packet_number
        datagrams = self._send_challenge(path, path.peer_cid.cid, now)
        packet = self._spaces[tls.Epoch.ONE_RTT].sent_packets.get(number)
        if packet is not None and packet.in_flight:
            packet.in_flight = False
            self._loss._cc.bytes_in_flight -= packet.sent_bytes  # noqa: SLF001
        return datagrams

    def _send_challenge(
        self, path: QuicNetworkPath, peer_cid: bytes, now: float
    ) -> list[tuple[bytes, NetworkAddress]]:
        """A datagram with a PATH_CHALLENGE, if it may be sent on a path."""
        assert self._version is not None
        builder = QuicPacketBuilder(
            host_cid=self.host_cid,
            is_client=self._is_client,
            max_datagram_size=SMALLEST_MAX_DATAGRAM_SIZE,
            packet_number=self._packet_number,
            peer_cid=peer_cid,
            quic_logger=self._quic_logger,
            spin_bit=self._spin_bit,
            version=self._version,
        )
        if not path.is_validated:
            builder.max_total_bytes = 3 * path.bytes_received - path.bytes_sent
        with suppress(QuicPacketBuilderStop):
            builder.start_packet(QuicPacketType.ONE_RTT, self._cryptos[tls.Epoch.ONE_RTT])
            self._write_path_challenge_frame(builder=builder, network_path=path)
        return self._flush_builder(builder=builder, network_path=path, peer_cid=peer_cid, now=now)

    def _send_probing_frames(
        self, network_path: QuicNetworkPath, now: float
    ) -> list[tuple[bytes, NetworkAddress]]:
        # Probes are padded to the whole size of a datagram, which is not known of a new path.
        size, self._max_datagram_size = self._max_datagram_size, SMALLEST_MAX_DATAGRAM_SIZE
        try:
            return super()._send_probing_frames(network_path, now)
        finally:
            self._max_datagram_size = size

    @property
    def is_path_small(self) -> bool:
        """Whether datagrams of 1200 bytes are not known to fit the current path."""
        return self._network_paths[0] in self._small_paths

    def _write_path_challenge_frame(
        self, builder: QuicPacketBuilder, network_path: QuicNetworkPath
    ) -> None:
        super()._write_path_challenge_frame(builder=builder, network_path=network_path)
        if builder._buffer_capacity < SMALLEST_MAX_DATAGRAM_SIZE:  # noqa: SLF001
            self._small_challenges.append(network_path.local_challenges[-1])
            if network_path is self._network_paths[0]:
                self._path_is_small()

    def _path_is_small(self) -> None:
        """The current path is not known to carry datagrams of 1200 bytes."""

    def _handle_path_response_frame(
        self, context: QuicReceiveContext, frame_type: int, buf: Buffer
    ) -> None:
        start = buf.tell()
        data = buf.pull_bytes(PATH_CHALLENGE_BYTES)
        buf.seek(start)
        answered = [path for path in self._network_paths if data in path.local_challenges]
        super()._handle_path_response_frame(context, frame_type, buf)
        for path in answered:
            if path in self._small_paths:
                self._small_paths.remove(path)
            if data in self._small_challenges:
                self._small_paths.append(path)
                path.local_challenge_sent = False

    def _on_path_challenge_delivery(
        self, delivery: QuicDeliveryState, network_path: QuicNetworkPath
    ) -> None:
        super()._on_path_challenge_delivery(delivery, network_path)
        if delivery is not QuicDeliveryState.ACKED and network_path in self._small_paths:
            network_path.local_challenge_sent = False

    def _path_changed(self, is_other_host: bool) -> None:
        """Forget what was learned of the old path (RFC 9000, 9.4), which aioquic keeps.

        A change of the port alone is most often a NAT's, and the path is the same otherwise.
        Packets that are in flight on the old path count for nothing on the new one.
        """
        if not is_other_host:
            return
        loss = self._loss
        for space in loss.spaces:
            for packet in space.sent_packets.values():
                packet.in_flight = False
        loss._cc = create_congestion_control(  # noqa: SLF001
            self._configuration.congestion_control_algorithm,
            max_datagram_size=self._max_datagram_size,
        )
        loss._rtt_initialized = False  # noqa: SLF001
        loss._pto_count = 0  # noqa: SLF001
        loss._rtt_min = float("inf")  # noqa: SLF001

    def _serialize_transport_parameters(self) -> bytes:
        encoded = super()._serialize_transport_parameters()
        if self._preferred is None:
            return encoded
        buf = Buffer(capacity=PREFERRED_ADDRESS_CAPACITY)
        push_quic_preferred_address(buf, self._preferred)
        return encoded + encode_uint_var(PREFERRED_ADDRESS) + encode_uint_var(buf.tell()) + buf.data


def _may_send_to(address: tuple[str, int], here: str) -> bool:
    """Whether an address can be no request forgery, by aioquic's rules (RFC 9000, 21.5.6)."""
    host = ipaddress.ip_address(address[0])
    is_forged = (
        not address[1]
        or host.is_multicast
        or host == ipaddress.IPv4Address("255.255.255.255")
        or (host.is_loopback and not ipaddress.ip_address(here).is_loopback)
        or (host.version == 6 and host.ipv4_mapped is not None)
    )
    return not is_forged


def _local(address: NetworkAddress) -> LocalAddress | None:
    return address.local if isinstance(address, PathAddress) else None


def _is_elsewhere(before: NetworkAddress, after: NetworkAddress) -> bool:
    """Whether a client's own host is another one, as far as is known."""
    own_before, own_after = _local(before), _local(after)
    if own_before is None or own_after is None:
        return False
    return own_before.host != own_after.host

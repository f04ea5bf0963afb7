"""keyupdate: one side updates its keys during a transfer, and the other follows."""

from __future__ import annotations

from quicmatrix.testcases.model import MIB, TestCase
from quicmatrix.testcases.shared.closing import no_side_closes_with_an_error
from quicmatrix.testcases.shared.connection_ids import server_keeps_its_source_connection_id
from quicmatrix.testcases.shared.contract import ATTEMPT_IS_MADE, CLIENT_IS_DONE
from quicmatrix.testcases.shared.handshakes import one_handshake
from quicmatrix.testcases.shared.keys import (
    client_updates_its_keys,
    first_update_waits_for_confirmation,
    key_generations_only_rise,
    key_phase_bit_follows_the_keys,
    next_update_waits_for_acknowledgment,
    server_updates_its_keys,
)
from quicmatrix.testcases.shared.transfers import TRANSFER_ENDS
from quicmatrix.testcases.shared.versions import server_initials_are_version_1

KEYUPDATE = TestCase(
    name="keyupdate",
    letter="U",
    summary="One side updates its packet protection keys, and the other one follows.",
    client="keyupdate",
    server="transfer",
    files=(3 * MIB,),
    requirements=(
        *ATTEMPT_IS_MADE,
        server_keeps_its_source_connection_id,
        server_initials_are_version_1,
        key_generations_only_rise,
        key_phase_bit_follows_the_keys,
        first_update_waits_for_confirmation,
        next_update_waits_for_acknowledgment,
        one_handshake,
        *TRANSFER_ENDS,
        no_side_closes_with_an_error,
        client_updates_its_keys,
        server_updates_its_keys,
        *CLIENT_IS_DONE,
    ),
)

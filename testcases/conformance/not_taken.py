"""The rows of the catalogue that no case covers, each with its reason."""

from __future__ import annotations

NOT_TAKEN: dict[str, str] = {
    "B-42": "The spin bit's 1 in 16 is a frequency over many connections, and binds no single one.",
    "B-43": "Whether the PTO doubles would be judged by time alone, and a busy machine is late.",
    "B-45": "The initial window shows only where a file is larger, and pacing may hide it.",
    "B-47": "How long a packet number was encoded is not in the trace; that it was enough is seen.",
    "B-48": "HANDSHAKE_DONE is row P-33; no TESTCASE makes both roles send the others.",
    "B-50": "How long removing protection takes is a side channel, which no packet shows.",
    "F-54": "No TESTCASE makes an implementation send DATAGRAM frames.",
    "P-42": "Informational; the interop test amplificationlimit asks for it.",
    "X-08": "Parameters of drafts, which no RFC requires anything of.",
}
"""Row and reason, sorted by row."""

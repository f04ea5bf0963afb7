"""The cases of h3spec, and which of ours ask for the same.

Numbers are its order: T those of QUIC and H those of HTTP/3 as of its release in April 2025, N what
its later change log lists as new. It counts 77 in all; N28 repeats H10. What its cases ask for is
in our words.
"""

from __future__ import annotations

_EXPONENT, _DELAY, _SIZE = (
    "rfc9000/18.2/ack-delay-exponent-21",
    "rfc9000/18.2/max-ack-delay-2-14",
    "rfc9000/18.2/max-udp-payload-size-1199",
)
_STREAM = "rfc9000/4.6/stream-beyond"

H3SPEC: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "T01",
        "STREAM with a large offset",
        ("rfc9000/4.1/stream-limit-exceeded", "rfc9000/4.1/connection-limit-exceeded"),
    ),
    ("T02", "a stream ID beyond the limit", (f"{_STREAM}-bidirectional-limit",)),
    ("T03", "no initial_source_connection_id", ("rfc9000/7.3/no-initial-source-connection-id",)),
    (
        "T04",
        "original_destination_connection_id of a client",
        ("rfc9000/18.2/original-destination-connection-id-of-a-client",),
    ),
    ("T05", "preferred_address of a client", ("rfc9000/18.2/preferred-address-of-a-client",)),
    (
        "T06",
        "retry_source_connection_id of a client",
        ("rfc9000/18.2/retry-source-connection-id-of-a-client",),
    ),
    (
        "T07",
        "stateless_reset_token of a client",
        ("rfc9000/18.2/stateless-reset-token-of-a-client",),
    ),
    ("T08", "max_udp_payload_size below 1200", (_SIZE,)),
    ("T09", "ack_delay_exponent above 20", (_EXPONENT,)),
    ("T10", "max_ack_delay of 2^14 or more", (_DELAY,)),
    ("T11", "a frame of unknown type", ("rfc9000/12.4/unknown-frame-type-of-one-byte",)),
    ("T12", "a packet without frames", ("rfc9000/12.4/no-frames",)),
    ("T13", "reserved bits of Handshake", ("rfc9000/17.2/reserved-bits-of-handshake-packet",)),
    ("T14", "PATH_CHALLENGE in Handshake", ("rfc9000/12.4/path-challenge-in-handshake-packet",)),
    ("T15", "reserved bits of 1-RTT", ("rfc9000/17.3.1/reserved-bits",)),
    (
        "T16",
        "RESET_STREAM for a send-only stream",
        ("rfc9000/19.4/reset-stream-on-send-only-stream",),
    ),
    (
        "T17",
        "STOP_SENDING for a stream that does not exist",
        ("rfc9000/19.5/stop-sending-on-stream-not-created",),
    ),
    ("T18", "NEW_TOKEN to a server", ("rfc9000/19.7/new-token-to-server",)),
    ("T19", "STREAM for a stream that is not created", ("rfc9000/19.8/stream-not-created",)),
    ("T20", "STREAM for a send-only stream", ("rfc9000/19.8/stream-on-send-only-stream",)),
    (
        "T21",
        "MAX_STREAM_DATA for a stream that is not created",
        ("rfc9000/19.10/max-stream-data-on-stream-not-created",),
    ),
    (
        "T22",
        "MAX_STREAM_DATA for a receive-only stream",
        ("rfc9000/19.10/max-stream-data-on-receive-only-stream",),
    ),
    (
        "T23",
        "invalid MAX_STREAMS",
        (
            "rfc9000/19.11/max-streams-bidirectional-too-many",
            "rfc9000/19.11/max-streams-unidirectional-too-many",
        ),
    ),
    (
        "T24",
        "invalid STREAMS_BLOCKED",
        (
            "rfc9000/19.14/streams-blocked-bidirectional-too-many",
            "rfc9000/19.14/streams-blocked-unidirectional-too-many",
        ),
    ),
    (
        "T25",
        "NEW_CONNECTION_ID with invalid Retire Prior To",
        ("rfc9000/19.15/retire-prior-to-beyond-sequence-number",),
    ),
    (
        "T26",
        "NEW_CONNECTION_ID with an empty connection ID",
        ("rfc9000/19.15/connection-id-of-0-bytes",),
    ),
    ("T27", "HANDSHAKE_DONE to a server", ("rfc9000/19.20/handshake-done-to-server",)),
    ("T28", "TLS KeyUpdate in Handshake", ("rfc9001/6/tls-key-update-behind-finished",)),
    ("T29", "TLS KeyUpdate in 1-RTT", ("rfc9001/6/tls-key-update",)),
    ("T30", "no common application protocol", ("rfc9001/8.1/unknown-application-protocol",)),
    ("T31", "no transport parameters", ("rfc9001/8.2/no-transport-parameters",)),
    (
        "T32",
        "transport parameters under a draft's codepoint",
        ("rfc9001/8.2/transport-parameters-of-a-draft",),
    ),
    ("T33", "EndOfEarlyData", ("rfc9001/8.3/end-of-early-data",)),
    ("T34", "CRYPTO in 0-RTT", ("rfc9001/8.3/crypto-in-0-rtt",)),
    ("H01", "DATA before HEADERS", ("rfc9114/4.1/data-before-headers",)),
    ("H02", "a pseudo-header field twice", ("rfc9114/4.3.1/method-twice",)),
    (
        "H03",
        "mandatory pseudo-header fields are absent",
        ("rfc9114/4.3.1/no-method", "rfc9114/4.3.1/no-path", "rfc9114/4.3.1/no-scheme"),
    ),
    (
        "H04",
        "prohibited pseudo-header fields",
        ("rfc9114/4.3/status-in-request", "rfc9114/4.3/unknown-pseudo-header"),
    ),
    (
        "H05",
        "pseudo-header fields after other fields",
        ("rfc9114/4.3/pseudo-header-after-field",),
    ),
    (
        "H06",
        "the first control frame is not SETTINGS",
        ("rfc9114/6.2.1/first-frame-is-not-settings",),
    ),
    ("H07", "DATA on a control stream", ("rfc9114/7.2.1/data-on-control-stream",)),
    ("H08", "HEADERS on a control stream", ("rfc9114/7.2.2/headers-on-control-stream",)),
    ("H09", "a second SETTINGS", ("rfc9114/7.2.4/second-settings",)),
    ("H10", "a setting twice", ("rfc9114/7.2.4/setting-twice",)),
    (
        "H11",
        "settings of HTTP/2",
        (
            "rfc9114/7.2.4.1/http2-enable-push",
            "rfc9114/7.2.4.1/http2-max-concurrent-streams",
            "rfc9114/7.2.4.1/http2-initial-window-size",
            "rfc9114/7.2.4.1/http2-max-frame-size",
        ),
    ),
    ("H12", "CANCEL_PUSH on a request stream", ("rfc9114/7.2.3/cancel-push-on-request-stream",)),
    ("H13", "an invalid static table index", ("rfc9204/3.1/field-line-beyond-static-table",)),
    (
        "H14",
        "a dynamic table capacity beyond the limit",
        ("rfc9204/4.3.1/capacity-beyond-the-limit",),
    ),
    (
        "H15",
        "a control stream is closed",
        ("rfc9114/6.2.1/control-stream-ends", "rfc9114/6.2.1/control-stream-is-reset"),
    ),
    ("H16", "Insert Count Increment of 0", ("rfc9204/4.4.3/increment-of-zero",)),
    ("N01", "CRYPTO data beyond the buffer", ("rfc9000/7.5/buffer-exceeded",)),
    (
        "N02",
        "an ACK range below zero",
        ("rfc9000/19.3.1/first-range-below-zero", "rfc9000/19.3.1/further-range-below-zero"),
    ),
    ("N03", "an ACK of a packet never sent", ("rfc9000/13.1/ack-of-unsent-packet",)),
    (
        "N04",
        "STREAM_DATA_BLOCKED in Handshake",
        ("rfc9000/12.4/stream-data-blocked-in-handshake-packet",),
    ),
    ("N05", "DATA_BLOCKED in Handshake", ("rfc9000/12.4/data-blocked-in-handshake-packet",)),
    (
        "N06",
        "RETIRE_CONNECTION_ID never issued",
        ("rfc9000/19.16/connection-id-never-issued",),
    ),
    (
        "N07",
        "a malformed value of a transport parameter",
        ("rfc9000/7.4/trailing-byte", "rfc9000/7.4/integer-cut-short"),
    ),
    (
        "N08",
        "initial_max_streams_bidi above 2^60",
        ("rfc9000/18.2/initial-max-streams-bidi-above-2-60",),
    ),
    (
        "N09",
        "initial_max_streams_uni above 2^60",
        ("rfc9000/18.2/initial-max-streams-uni-above-2-60",),
    ),
    ("N10", "a second control stream", ("rfc9114/6.2.1/second-control-stream",)),
    ("N11", "a second encoder stream", ("rfc9204/4.2/second-encoder-stream",)),
    ("N12", "a second decoder stream", ("rfc9204/4.2/second-decoder-stream",)),
    ("N13", "a push stream of a client", ("rfc9114/6.2.2/push-stream-from-client",)),
    (
        "N14",
        "a closed encoder stream",
        ("rfc9204/4.2/encoder-stream-ends", "rfc9204/4.2/encoder-stream-is-reset"),
    ),
    (
        "N15",
        "a closed decoder stream",
        ("rfc9204/4.2/decoder-stream-ends", "rfc9204/4.2/decoder-stream-is-reset"),
    ),
    (
        "N16",
        "an encoder stream that ends inside an instruction",
        ("rfc9204/4.2/encoder-stream-ends-inside-an-instruction",),
    ),
    (
        "N17",
        "a reference to an entry that is not in the dynamic table",
        (
            "rfc9204/2.2.3/reference-to-an-evicted-entry",
            "rfc9204/2.2.3/reference-without-required-insert-count",
        ),
    ),
    ("N18", "Connection", ("rfc9114/4.2/connection-field",)),
    ("N19", "Keep-Alive", ("rfc9114/4.2/keep-alive-field",)),
    ("N20", "Proxy-Connection", ("rfc9114/4.2/proxy-connection-field",)),
    ("N21", "Transfer-Encoding", ("rfc9114/4.2/transfer-encoding-field",)),
    ("N22", "Upgrade", ("rfc9114/4.2/upgrade-field",)),
    ("N23", "TE other than trailers", ("rfc9114/4.2/te-field",)),
    ("N24", "TE with trailers is accepted", ("rfc9114/4.2/te-trailers",)),
    ("N25", "a frame that is too long to buffer", ("rfc9114/7.1/goaway-of-a-gibibyte",)),
    (
        "N26",
        "SETTINGS that ends inside a setting",
        ("rfc9114/7.1/settings-end-inside-a-setting",),
    ),
    (
        "N27",
        "a setting of HTTP/2 behind an unknown one",
        ("rfc9114/7.2.4.1/http2-setting-after-an-unknown-one",),
    ),
    ("N28", "a setting twice", ("rfc9114/7.2.4/setting-twice",)),
)
"""Number, what it asks for, and the cases that do; sorted by number."""

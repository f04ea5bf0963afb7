"""Flow control (RFC 9000, 4).

flow_control  MAX_DATA, MAX_STREAM_DATA, MAX_STREAMS and STREAMS_BLOCKED frames
blocked       DATA_BLOCKED and STREAM_DATA_BLOCKED frames
windows       the size of receive windows
"""

"""Connection IDs, address validation and paths (RFC 9000, 5, 8, 9 and 10.3).

connection_ids   NEW_CONNECTION_ID and RETIRE_CONNECTION_ID
address_tokens   NEW_TOKEN
migration        preferred addresses, path validation, and what a new path resets
path_mtu         path MTU discovery
stateless_reset  sending and detecting stateless resets
"""

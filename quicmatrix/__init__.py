"""quicmatrix: a QUIC interop and conformance test runner with a reference endpoint.

The packages below are the folders of the same names at the top of the project.
"""

"""What is tested: test cases as values, and the checks that judge what was observed.

``interop/`` and ``measurements/`` have one file a test case; ``shared/`` holds the requirements
that several of them have, and ``views/`` what checks read traces with.

``runner`` finds them through the entry point group ``quicmatrix.testcases``; nothing here imports
more of it than ``quicmatrix.runner.trace.model`` and ``quicmatrix.runner.model.attempt``.
"""

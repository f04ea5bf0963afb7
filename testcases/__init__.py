"""What is tested: test cases as values, and the checks that judge a trace.

``runner`` finds them through the entry point group ``quicmatrix.testcases``; nothing here imports
more of it than ``quicmatrix.runner.trace.model``.
"""

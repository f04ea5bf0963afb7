"""Decodes captures to a :class:`quicmatrix.runner.trace.model.Trace`."""

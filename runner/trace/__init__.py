"""From a capture to a :class:`quicmatrix.runner.trace.model.Trace`."""

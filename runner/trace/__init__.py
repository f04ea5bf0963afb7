"""From a capture to a :class:`runner.trace.model.Trace`."""

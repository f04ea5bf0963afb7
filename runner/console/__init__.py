"""What a run looks like in a terminal, in a pipe, and in the log of a CI system.

progress     how far a run is
live         a display that changes in place, for terminals
lines        a line for each job, for everything else
closing      the end of a run: every failure explained, then the matrix
explanation  one attempt in full, for ``explain``
packets      packets in a line each

Text that comes from endpoints only ever gets here through
:func:`quicmatrix.runner.printable.printable`, and as :class:`rich.text.Text`, which knows no
markup.
"""

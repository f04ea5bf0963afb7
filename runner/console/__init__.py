"""What a run looks like in a terminal, in a pipe, and in the log of a CI system.

progress  where a run stands, as a value
live      a display that changes in place, for terminals
lines     a line for each job, for everything else
closing   what is said at the end: every failure explained, then the matrix

Text that comes from endpoints only ever gets here through
:func:`quicmatrix.runner.printable.printable`, and as :class:`rich.text.Text`, which knows no
markup.
"""

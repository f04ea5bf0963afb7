"""What a run's results look like to people and to CI systems.

Each report is one module with ``write(result, folder) -> Path``, found through the entry point
group ``quicmatrix.reports``: it turns a :class:`quicmatrix.runner.results.store.RunResult` into one
file in the run's folder and says where. A report is a pure function of the result. Any distribution
may bring more.

html      index.html, one self-contained page for people
junit     junit.xml, for CI systems
markdown  summary.md, for a job summary or a terminal

Names, reasons and messages come from endpoints that are not trusted: every report passes them
through :func:`quicmatrix.runner.printable.printable` and then escapes them for its own format, and
:mod:`quicmatrix.reports.links` makes the only links there are.
"""

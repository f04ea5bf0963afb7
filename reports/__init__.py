"""Reports on a run, for people and for CI systems.

Each report is one module with ``write(view, folder) -> Path``, found through the entry point group
``quicmatrix.reports``: it renders a :class:`quicmatrix.runner.results.run_view.RunView` into one
file in the run's folder and returns its path. Any distribution may bring more.

html      index.html, one self-contained page for people
junit     junit.xml, for CI systems
markdown  summary.md, for a job summary or a terminal

Names, reasons and messages come from endpoints that are not trusted: every report passes them
through :func:`quicmatrix.runner.printable.printable` and then escapes them for its own format, and
:mod:`quicmatrix.reports.links` makes the only links there are.
"""

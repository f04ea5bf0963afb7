"""``quicmatrix image check``: does an implementation fulfil quic-interop-runner's contract?

It checks an image or a local command, the implementation under test, in one role or in both. A
peer, a known good implementation, plays the other side.

====================  ==============================================================================
contract case         one run in a sandbox, from which several requirements take what they need
contract requirement  a sentence of the contract, with a pure check over what the cases showed
====================  ==============================================================================

:mod:`~quicmatrix.runner.contract_check.model` has the vocabulary,
:mod:`~quicmatrix.runner.contract_check.cases` the cases,
:mod:`~quicmatrix.runner.contract_check.observe` runs them,
:mod:`~quicmatrix.runner.contract_check.requirements` lists and evaluates the requirements.
"""

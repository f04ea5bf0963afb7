"""Does an implementation honour the contract of quic-interop-runner?

``quicmatrix image check`` asks it of an image, or of a local command, and answers rule by rule.

==========  ========================================================================================
subject     who is checked, in one role or in both
peer        a known good implementation that plays the other side
trial       one run in a sandbox, of which several rules take what they need to know
rule        a sentence of the contract, and a pure check of it over what the trials showed
finding     what came of a rule: ok, broken, not seen or not applicable, with the evidence
==========  ========================================================================================

:mod:`~quicmatrix.runner.contract_check.model` has the vocabulary,
:mod:`~quicmatrix.runner.contract_check.cases` what is run,
:mod:`~quicmatrix.runner.contract_check.observe` runs it,
:mod:`~quicmatrix.runner.contract_check.rules` are the rules.
"""

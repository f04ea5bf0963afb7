#!/bin/bash
# An endpoint as quic-interop-runner starts it. The endpoint itself takes the place of this script,
# so that a signal reaches it and its exit code is the container's.

# A container's first process hears no signal that it has no trap for.
trap 'exit 143' TERM INT
/setup.sh
if [[ ${ROLE-} == client ]]; then
    # The network is there once this port is open. In the background, so that signals are heard.
    /wait-for-it.sh sim:57832 -s -t 30 &
    wait $!
fi
exec python -m "${ENDPOINT_MODULE:-quicmatrix.endpoint}" # the tester's image sets another

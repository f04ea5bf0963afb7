#!/bin/bash
# An endpoint as quic-interop-runner starts it. The endpoint itself takes the place of this script,
# so that a signal reaches it and its exit code is the container's.
/setup.sh
if [[ ${ROLE-} == client ]]; then
    # The network is there once this port is open; the endpoint says what is wrong if it never is.
    /wait-for-it.sh sim:57832 -s -t 30
fi
exec python -m endpoint

#!/bin/bash
# ngtcp2 as quic-interop-runner starts it; the adapter takes the place of this script.
/setup.sh
if [[ ${ROLE-} == client ]]; then
    /wait-for-it.sh sim:57832 -s -t 30
fi
exec adapter

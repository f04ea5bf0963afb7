#!/bin/bash
# A peer as quic-interop-runner starts it; the adapter takes the place of this script.
trap 'exit 143' TERM INT
/setup.sh
if [[ ${ROLE-} == client ]]; then
    /wait-for-it.sh sim:57832 -s -t 30 & # in the background, so that signals are heard
    wait $!
fi
exec adapter

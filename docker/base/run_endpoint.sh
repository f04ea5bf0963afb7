#!/bin/bash
# The base image's own entry: an endpoint without an implementation. Images made from it bring theirs.
/setup.sh
if [[ ${ROLE-} == client ]]; then
    /wait-for-it.sh sim:57832 -s -t 30
fi
exec /bin/bash

#!/bin/sh
# Gets kubernetes-validate, which holds the schemas of Kubernetes, into
# build-schemas/, once. Without it tests/deploy.sh checks less.
#
#   tests/schemas.sh

cd "$(dirname "$0")/.." || exit 2
[ -x build-schemas/bin/kubernetes-validate ] && exit
tests/packages.sh schemas || exit 2
python3 -m venv build-schemas &&
    build-schemas/bin/pip install --quiet --disable-pip-version-check --retries 0 --timeout 10 --no-compile \
        kubernetes-validate==1.37.0

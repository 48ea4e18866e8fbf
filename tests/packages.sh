#!/bin/sh
# Installs the Debian packages that are missing, or says which command does.
#
#   tests/packages.sh build        what the command is built with
#   tests/packages.sh build check  and what the tests need besides
#   tests/packages.sh bench        and the simulator we compare with
#   tests/packages.sh schemas      and what tests/schemas.sh needs

build='gcc libc6-dev meson ninja-build pkgconf libglib2.0-dev libcbor-dev libxxhash-dev
    liblua5.4-dev libsqlite3-dev libgnutls28-dev libseccomp-dev libgraphviz-dev librsvg2-dev'
check='libcriterion-dev clang clang-format binutils sqlite3 shellcheck systemd python3-yaml'
bench='g++ libsimgrid-dev'
schemas='python3 python3-venv'

command -v dpkg-query >/dev/null || exit 0 # not Debian: meson will say what it does not find

wanted=
for set in "$@"; do
    case $set in
    build) wanted="$wanted $build" ;;
    check) wanted="$wanted $check" ;;
    bench) wanted="$wanted $bench" ;;
    schemas) wanted="$wanted $schemas" ;;
    *)
        echo "packages.sh: there is no set called $set" >&2
        exit 2
        ;;
    esac
done

missing=
# shellcheck disable=SC2086 # one word each
here=" $(dpkg-query -W -f '${db:Status-Status}:${Package} ' $wanted 2>/dev/null)"
for package in $wanted; do
    case $here in
    *" installed:$package "*) ;;
    *) missing="$missing $package" ;;
    esac
done
[ -z "$missing" ] && exit 0

if [ "$(id -u)" = 0 ]; then
    root=
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    root='sudo -n'
else
    echo "mobula: these packages are missing; install them with" >&2
    echo "    sudo apt-get install --no-install-recommends$missing" >&2
    exit 2
fi

echo "mobula: installing$missing" >&2
log=$(mktemp) || exit 2
trap 'rm -f "$log"' EXIT
install() {
    # shellcheck disable=SC2086
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >"$log" 2>&1 </dev/null
}
# The lists of a fresh machine are empty, those of an old one name files that are gone.
install || { $root apt-get update >"$log" 2>&1 && install; } || {
    cat "$log" >&2
    echo "mobula: apt-get could not install them; install them by hand and try again:" >&2
    echo "    apt-get update && apt-get install --no-install-recommends$missing" >&2
    exit 2
}

#!/bin/sh
# Builds the command with gcc and clang, at -O0 and -O2, and runs every
# scenario with each: the same file and seed must give the same trace.

cd "$(dirname "$0")/.." || exit 2
root=$PWD
work=$root/build-matrix
mkdir -p "$work"

# Prints "scenario seed hash" for every scenario; what a run says goes to a log.
traces() {
    for file in scenarios/*.lua; do
        for seed in 0 7; do
            hash=$("$1/cli/mobula" run "$file" --seed $seed --json -q 2>"$1/stderr" </dev/null |
                sed -n '/"type":"summary"/s/.*"trace":"\([^"]*\)".*/\1/p')
            if [ -z "$hash" ]; then
                cat "$1/stderr" >&2
                echo "$1: $file --seed $seed printed no trace" >&2
                return 1
            fi
            echo "$file $seed $hash"
        done
    done
}

set -- scenarios/*.lua
[ -f "$1" ] || {
    echo "matrix.sh: there are no scenarios" >&2
    exit 1
}
first=
for compiler in gcc clang; do
    command -v "$compiler" >/dev/null || continue
    for level in 2 0; do
        build=$work/$compiler-O$level
        mkdir -p "$build"
        if [ ! -f "$build/build.ninja" ]; then
            CC=$compiler meson setup "$build" "$root" -Dtests=disabled -Dbuildtype=plain -Doptimization=$level >"$build.log" 2>&1 || {
                cat "$build.log"
                exit 1
            }
        fi
        ninja -C "$build" cli/mobula >"$build.log" 2>&1 || {
            cat "$build.log"
            exit 1
        }
        traces "$build" >"$build.traces" || exit 1
        if [ -z "$first" ]; then
            first=$build
        elif ! diff "$first.traces" "$build.traces"; then
            echo "$first and $build give different traces" >&2
            exit 1
        fi
        echo "$compiler -O$level: $(wc -l <"$build.traces") runs, same traces"
    done
done

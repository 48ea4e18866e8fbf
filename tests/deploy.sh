#!/bin/sh
# What deployers are given (net/deploy/), checked as far as one machine can: the
# systemd units, the batch file for Slurm with stand-ins for its commands, the
# Kubernetes objects, the commands of the README.
# TAP on stdout.
#
#   tests/deploy.sh MOBULA SOURCE

mobula=$1
source=$2
# shellcheck source=tests/cli_shell.sh
. "$source/tests/cli_shell.sh"
deploy=$source/net/deploy
version=$(sed -n "s/^  version: '\(.*\)',/\1/p" "$source/meson.build")
unset MOBULA_ADDRESS MOBULA_TOKEN_FILE MOBULA_CERTS

# skipped TEXT WHY: that is not checked here.
skipped() {
    count=$((count + 1))
    echo "ok $count - $1 # SKIP $2"
}

# quiet COMMAND…: ends well and says nothing.
quiet() {
    said=$*
    "$@" >out 2>err </dev/null || problem "exit code $?"
    [ -s out ] || [ -s err ] && problem "it has something to say"
}

# --- systemd ---

mkdir units
for unit in mobula-head mobula-node; do
    # The same, but for where the command is.
    sed "s#^ExecStart=/usr/local/bin/mobula #ExecStart=$mobula #" "$deploy/systemd/$unit.service" >units/$unit.service
    if ! command -v systemd-analyze >/dev/null; then
        skipped "systemd takes $unit.service as it is" 'systemd-analyze is missing'
        skipped "$unit.service is exposed by 1.5 at most" 'systemd-analyze is missing'
        continue
    fi
    grep -q "^ExecStart=$mobula start " units/$unit.service || problem "$unit.service does not start /usr/local/bin/mobula"
    quiet systemd-analyze verify --man=no units/$unit.service
    ends "systemd takes $unit.service as it is"
    said="systemd-analyze security $unit.service"
    systemd-analyze security --offline=true --threshold=15 units/$unit.service >out 2>err </dev/null ||
        problem "it is exposed too much: $(tail -1 out)"
    grep -q 'Overall exposure level' out || problem "it does not say by how much"
    ends "$unit.service is exposed by 1.5 at most"
done

said="the units"
for unit in mobula-head mobula-node; do
    sed -n '/^StateDirectory=/,$p' units/$unit.service >units/$unit.rest
    [ -s units/$unit.rest ] || problem "$unit.service has no StateDirectory"
done
cmp -s units/mobula-head.rest units/mobula-node.rest || problem "what stands from StateDirectory on differs"
sed -n 's/^#*\([A-Z_]*\)=.*/\1/p' "$deploy/systemd/node.conf" | sort >names
grep -oE '[$][{]?[A-Z_]+' units/mobula-node.service | tr -d '{$' | sort -u >wanted
cmp -s names wanted || problem "node.conf sets $(tr '\n' ' ' <names)but the unit uses $(tr '\n' ' ' <wanted)"
grep -q '^LoadCredential=token:/etc/mobula/token$' units/mobula-node.service || problem "the token is not in /etc/mobula"
ends "both units are hardened alike, and node.conf sets what the other one uses"

if command -v systemd-sysusers >/dev/null; then
    mkdir -p root/etc
    said=mobula.sysusers
    systemd-sysusers --root="$work/root" "$deploy/systemd/mobula.sysusers" >out 2>err || problem "exit code $?"
    user=$(cut -d: -f1 root/etc/passwd)
    [ "$(grep -lx "User=$user" units/*.service | wc -l)" = 2 ] || problem "it makes the user \"$user\", which not both have"
    ends "the user of both units can be made"
else
    skipped "the user of both units can be made" 'systemd-sysusers is missing'
fi

# --- Slurm ---

script=$deploy/slurm/mobula.sbatch
quiet bash -n "$script"
ends "bash understands mobula.sbatch"
if command -v shellcheck >/dev/null; then
    quiet shellcheck "$script"
    ends "shellcheck has nothing to say about mobula.sbatch"
else
    skipped "shellcheck has nothing to say about mobula.sbatch" 'shellcheck is missing'
fi

# Its number is ours, so that two of these tests do not want the same port.
port=$((20000 + $$ % 10000))

# allocation: a fresh one of three nodes.
allocation() {
    rm -rf world
    mkdir -p world/home world/tmp/0 world/alive
    world=$work/world
}

# batch WORD…: begins the batch file as Slurm does.
batch() {
    said="mobula.sbatch $*"
    WORLD=$world HOME=$world/home TMPDIR=$world/tmp/0 PATH="$source/tests/deploy:$PATH" SLURM_JOB_ID=$$ \
        SLURM_JOB_NUM_NODES=3 SLURM_JOB_NODELIST='localhost,node[1-2]' SLURM_CPUS_ON_NODE=2 \
        SLURM_CPUS_PER_TASK=2 SLURM_MEM_PER_NODE=1000 bash "$script" "$@" >out 2>err </dev/null &
    batch=$!
}

# batch_ends CODE: and nothing is left of it.
batch_ends() {
    wait $batch
    code=$?
    [ $code = "$1" ] || problem "exit code $code instead of $1"
    left=$(grep -lzxF "WORLD=$world" /proc/[0-9]*/environ 2>/dev/null)
    [ -z "$left" ] || problem "these processes are left: $left"
    left=$(find world/home world/tmp -mindepth 1 ! -path 'world/tmp/[0-9]')
    [ -z "$left" ] || problem "this is left: $left"
}

# The command was told so, or has ended so.
was() {
    grep -qE -- "$1" world/said || problem "this was not so: $1; but $(cat world/said)"
}

all_ended() {
    for machine in first node1 node2; do
        was "^$machine ended$"
    done
}

allocation
batch wordcount.lua "a b.txt"
batch_ends 0
was "^first: start --head --block --listen 0.0.0.0 --port $port --host localhost .*--cpus 2 --store 300MiB\$"
was "^node1: start --address=localhost:$port --block .*--cpus 2 --name node1\$"
was '^first: job submit --follow -- wordcount.lua a b.txt$'
[ "$(tr '\n' ' ' <world/at_submit)" = "first node1 node2 " ] || problem "it did not wait for all: $(cat world/at_submit)"
all_ended
ends "a job begins when three nodes have joined, and all of it ends"

allocation
batch fails.lua
batch_ends 1
all_ended
ends "a job that fails is told by the exit code"

allocation
batch
batch_ends 2
says "which program?"
ends "without a program it says how it is called"

allocation
touch world/lonely
MOBULA_WAIT=2
export MOBULA_WAIT
batch wordcount.lua
batch_ends 1
unset MOBULA_WAIT
says "all 3 machines have joined: not within 2 s"
leaves_no world/at_submit
ends "a machine that never joins ends it in time"

allocation
touch world/brittle
batch wordcount.lua
batch_ends 1
says "a machine has ended before the head has begun"
ends "a head that cannot begin ends it at once"

allocation
batch slow.lua
for _ in $(seq 100); do
    [ -s world/at_submit ] && break
    sleep 0.1
done
kill -TERM $batch
batch_ends 143
all_ended
ends "when its time is up all of it ends"

cp "$source/scenarios/programs/wordcount.lua" .
echo "the cat and the dog" >a.txt
allocation
MOBULA=$mobula MOBULA_WAIT=20
export MOBULA MOBULA_WAIT
batch wordcount.lua a.txt
batch_ends 0
unset MOBULA MOBULA_WAIT
printf 'the\t2\nand\t1\ncat\t1\n' >wanted
cmp -s wanted out || problem "the job did not say what it counted"
says "3 machines have joined"
ends "the same with the real command"

# --- Kubernetes ---

objects=$deploy/kubernetes/mobula.yaml
validate=$source/build-schemas/bin/kubernetes-validate
[ -x "$validate" ] || validate=$(command -v kubernetes-validate)
if [ -n "$validate" ]; then
    quiet "$validate" --strict --quiet "$objects"
    ends "every object is as its schema says"
else
    skipped "every object is as its schema says" 'kubernetes-validate is missing; tests/schemas.sh gets it'
fi

python=
for place in python3 /usr/bin/python3 "$source/build-schemas/bin/python3"; do
    "$place" -c 'import yaml' 2>/dev/null && python=$place && break
done
if [ -n "$python" ]; then
    quiet "$python" "$source/tests/deploy/objects.py" "$objects" "mobula:$version"
    ends "what belongs together in mobula.yaml does so"
else
    skipped "what belongs together in mobula.yaml does so" 'python3-yaml is missing'
fi

said=Dockerfile
image=$deploy/kubernetes/Dockerfile
grep -q -- "-t mobula:$version " "$image" || problem "its image has another version"
sed -n 's/^COPY \([^-].*\) [^ ]*$/\1/p' "$image" | tr ' ' '\n' >copied
while read -r file; do
    [ -e "$source/$file" ] || problem "there is no $file"
done <copied
for file in meson.build meson_options.txt tests/packages.sh $(sed -n "s/^subdir('\(.*\)')/\1/p" "$source/meson.build"); do
    grep -qx "$file" copied || problem "it lacks $file"
done
ends "the Dockerfile copies what the command is built from"

# --- the README ---

said=README.md
# shellcheck disable=SC2016 # backquotes as they are
sed -n '/^```sh/,/^```/{/^```/d;p}' "$deploy/README.md" | sed 's/^[a-z]*\$ *//' >commands
[ "$(wc -l <commands)" -gt 20 ] || problem "it shows no commands"
bash -n commands 2>err || problem "bash does not understand it"
grep -oE '(net/deploy|scenarios)/[a-zA-Z./*-]*' commands | sort -u >files
while read -r file; do
    # shellcheck disable=SC2086 # a pattern
    ls "$source"/$file >/dev/null 2>&1 || problem "there is no $file"
done <files
secret=$(sed -n 's/.*create secret generic \([a-z-]*\) --from-file=token$/\1/p' commands)
grep -q "secretName: $secret," "$objects" || problem "mobula.yaml wants another Secret than \"$secret\""
# shellcheck disable=SC2016 # of this script
eval "$(sed -n 's/^mobula \(token new .*\)/"$mobula" \1/p' commands)" >out 2>err
[ "$(tr -d '\n' <token | wc -c) $(stat -c %a token)" = "43 600" ] || problem "what it makes is no token"
ends "the README names what there is, and bash understands it"

said="mobula help start"
"$mobula" help start >out 2>err
# shellcheck disable=SC2016 # the batch file expands it
{
    sed -n '/^ExecStart=/,/[^\\]$/p' units/*.service
    sed -n '/"$mobula" start/,/[^\\]$/p' "$script"
    grep 'mobula start' commands
    sed -n '/- start$/,/ env:/p' "$objects"
} | grep -oE '(^|[ "])--[a-z-]+' | tr -d ' "' | sort -u >options
[ "$(wc -l <options)" -ge 10 ] || problem "there are no options"
while read -r option; do
    grep -qE -- "^ *$option( |$)" out || problem "it does not know $option"
done <options
ends "the command knows every option that stands here"

cli_done

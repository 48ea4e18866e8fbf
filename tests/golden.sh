#!/bin/sh
# The transcript of every scenario, as a person sees it, is kept in
# tests/golden/ and must not change unseen. Real time is left out.
#
#   tests/golden.sh MOBULA SOURCE             compares, as TAP
#   UPDATE_GOLDEN=1 tests/golden.sh …         writes them anew

mobula=$1
source=$2
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
ln -s "$source/scenarios" scenarios
unset NO_COLOR LC_CTYPE LANG
export LC_ALL=C.UTF-8

# Program output and story in one, as on a terminal.
transcript() {
    "$mobula" run "$1" >"$work/raw" 2>&1 </dev/null
    code=$?
    sed 's/simulated in [0-9.]* m*s/simulated in … ms/' "$work/raw"
    echo "exit code $code"
}

count=0
bad=0
for file in scenarios/*.lua; do
    grep -q 'mobula.sim' "$file" || continue
    name=$(basename "$file" .lua)
    golden=$source/tests/golden/$name.txt
    count=$((count + 1))
    transcript "$file" >"$name.txt"
    if [ -n "$UPDATE_GOLDEN" ]; then
        mkdir -p "$source/tests/golden" && cp "$name.txt" "$golden"
        echo "ok $count - $name written"
    elif cmp -s "$golden" "$name.txt"; then
        echo "ok $count - $name"
    else
        bad=$((bad + 1))
        echo "not ok $count - $name"
        diff "$golden" "$name.txt" | head -40 | sed 's/^/# /'
    fi
done

# The README opens with the story of the first scenario.
count=$((count + 1))
sed '/^exit code/d' kill-task-2.txt >wanted
if [ -n "$UPDATE_GOLDEN" ]; then
    sed -i 's/simulated in … ms/simulated in 2 ms/' wanted
    awk 'FILENAME == "wanted" { story = story $0 "\n"; next }
        /^```/ { fence++ }
        fence == 3 { if (/^```/) printf "%s\n%s", $0, story; next }
        { print }' wanted "$source/README.md" >readme && cp readme "$source/README.md"
fi
awk '/^```/ { fence++; next } fence == 3' "$source/README.md" | sed 's/simulated in [0-9.]* m*s/simulated in … ms/' >story
sed -i 's/simulated in [0-9.]* m*s/simulated in … ms/' wanted
if cmp -s wanted story; then
    echo "ok $count - the README opens with the story"
else
    bad=$((bad + 1))
    echo "not ok $count - the README opens with the story"
    diff wanted story | sed 's/^/# /'
fi
# The questions of course/run-db.md, and their answers.
awk '/^```/ { fence = !fence; if (fence && /sql/) question = ++n; else if (fence) question = 0; next }
    fence { print > (question ? "question" n : "answer" n) }' "$source/course/run-db.md"
for question in question*; do
    number=${question#question}
    count=$((count + 1))
    sqlite3 runs/kill-task-2/0/run.db <"$question" >answer 2>&1
    if cmp -s answer "answer$number"; then
        echo "ok $count - question $number of course/run-db.md"
    else
        bad=$((bad + 1))
        echo "not ok $count - question $number of course/run-db.md"
        diff "answer$number" answer | sed 's/^/# /'
    fi
done
echo "1..$count"
[ "$count" -gt 0 ] && [ "$bad" = 0 ]

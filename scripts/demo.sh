#!/usr/bin/env bash
# Runs the demo project, runs it again, kills a run with SIGKILL in the middle, runs once more, and compares the tables.
# Exits 1 if a table differs. Usage: scripts/demo.sh [path of the twice binary]
set -euo pipefail

twice=$(realpath "${1:-bin/twice}")
tables=(staging.order_events orders mart.daily_revenue mart.customers)

work=$(mktemp -d "${TMPDIR:-/tmp}/twice-demo.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

say() { printf '\n%s\n' "$*"; }

# run ARGS: a run of which the first and the last windows are shown, and whatever is not a committed window
run() {
  "$twice" run --project shop "$@" 2>&1 | awk '
    /^committed / { if (++n <= 2) print; else held[n % 2] = $0; next }
    { flush(); print }
    END { flush() }
    function flush() {
      if (n > 4) print "  … " n - 4 " more windows"
      for (i = n > 4 ? n - 1 : 3; i <= n; i++) print held[i % 2]
      n = 0
    }'
}

# fingerprints NAME: remembers each table's fingerprint under a name
fingerprints() {
  for table in "${tables[@]}"; do
    "$twice" fingerprint "$table" --json --project shop >"$work/$1.$table.json"
  done
}

# field KEY FILE: the value of a key in one line of JSON
field() { sed -E "s/.*\"$1\": *\"?([^\",}]*).*/\1/" "$2"; }

# run_and_kill N: starts a run that rebuilds every table, and kills it once N windows are committed
run_and_kill() {
  mkfifo events
  "$twice" run --full-refresh --json --project shop >events 2>errors &
  local pid=$! committed=0 line
  exec 3<events # stays open until the run is dead, so that SIGKILL ends it and not a closed pipe
  while ((committed < $1)) && read -r line <&3; do
    case $line in *'"status":"committed"'*) committed=$((committed + 1)) ;; esac
  done
  kill -KILL "$pid" 2>/dev/null || true
  local status=0
  wait "$pid" 2>/dev/null || status=$?
  exec 3<&-
  if ((status != 128 + 9)); then
    cat errors >&2
    echo "the run ended by itself, with exit code $status, before it could be killed" >&2
    return 1
  fi
  echo "killed with SIGKILL after $committed windows were committed"
}

say '$ twice init shop --template demo'
"$twice" init shop --template demo

say '$ twice run                  # once'
run
fingerprints once

say '$ twice run --force          # again: every window, although all are up to date'
run --force
fingerprints again

say '$ twice run --full-refresh   # from nothing, and killed in the middle'
run_and_kill 80

say '$ twice run                  # once more: what is still missing'
run
fingerprints killed

say 'The fingerprint of each table:'
printf '%-22s %7s   %-16s  %-16s  %s\n' table rows 'run once' 'run again' 'killed, and run'
differ=0
for table in "${tables[@]}"; do
  once=$(field fingerprint "once.$table.json")
  again=$(field fingerprint "again.$table.json")
  killed=$(field fingerprint "killed.$table.json")
  verdict=equal
  if [[ $once != "$again" || $once != "$killed" ]]; then
    verdict=DIFFERENT differ=1
  fi
  printf '%-22s %7s   %-16s  %-16s  %-16s  %s\n' \
    "$table" "$(field rows "once.$table.json")" "$once" "$again" "$killed" "$verdict"
done
exit $differ

# Scenarios of a house under strain, for tests/bench/run, which sources this file.

# strained SCENARIO KIND REPETITION GENERATOR-OPTION…: everybody of the long log at its heads, 1,000 messages/s.
strained() {
  local scenario=$1 kind=$2 repetition=$3
  shift 3
  measure_server "$scenario" "$kind" "$repetition" --mode open --rate 1000 --from-head --warm-up "$warm_up" --seconds "$strain_seconds" "$@"
}

# What the limits on commands cost, by themselves: the server always has them, and their part of a run is less than runs differ by.
limits() {
  wanted limits || return 0
  local repetition
  for ((repetition = 1; repetition <= repetitions; ++repetition)); do
    taskset -c 0 "$limit_cost" | "$bench/report.py" tag scenario=limits kind=cost "repetition=$repetition" >>"$results"
  done
}

# Queued deliveries through one notifier to a webhook on the other core.
notifier() {
  wanted notifier || return 0
  local repetition
  for ((repetition = 1; repetition <= repetitions; ++repetition)); do
    say "notifier, repetition $repetition of $repetitions"
    rm -rf "$work/notifier"
    "$bench/notifier_rate.py" --careteam "$careteam" --work "$work" --deliveries "$queued_deliveries" >"$work/result" || failed=1
    "$bench/report.py" tag scenario=notifier kind=server "repetition=$repetition" <"$work/result" >>"$results"
  done
}

# store_cost NAME PROGRAM: what something costs in the store alone. The program repeats it by itself, and prints one JSON object.
store_cost() {
  local scenario=$1 program=$2
  wanted "$scenario" || return 0
  say "$scenario, on a store by itself"
  taskset -c 0 "$program" "$work" >"$work/result" || failed=1
  "$bench/report.py" tag "scenario=$scenario" kind=server repetition=1 <"$work/result" >>"$results"
}

# told_by NAME SCRIPT: a scenario that brings its own server and prints one JSON object.
told_by() {
  local scenario=$1 script=$2 repetition
  wanted "$scenario" || return 0
  for ((repetition = 1; repetition <= repetitions; ++repetition)); do
    say "$scenario, repetition $repetition of $repetitions"
    "$bench/$script" --careteam "$careteam" >"$work/result" || failed=1
    "$bench/report.py" tag "scenario=$scenario" kind=server "repetition=$repetition" <"$work/result" >>"$results"
  done
}

# One who never reads and one who floods, in one room of 200; with the limits that ship.
noisy() {
  wanted noisy || return 0
  local repetition
  for ((repetition = 1; repetition <= repetitions; ++repetition)); do
    say "noisy, repetition $repetition of $repetitions"
    use_store full
    CARETEAM_LIMITS_COMMANDS_PER_MINUTE=600 CARETEAM_LIMITS_COMMANDS_AT_ONCE=200 start_server
    strained noisy without "$repetition" || true
    strained noisy with "$repetition" --never-reading 1 --flooding 1 || true
    stop_server
  done
}

# Copies the store again and again until it is told to end; how long each copy took, in seconds, one a line. The copies stay until then: to
# remove a large file is a burden to the disk of its own, and nothing that a backup does.
keep_backing_up() {
  local copies=$1 started number=0
  while [[ ! -e $copies/enough ]]; do
    started=$EPOCHREALTIME
    taskset -c 1 "$careteam" backup --config "$work/careteam.toml" "$copies/$((++number)).db" >"$copies/log" 2>&1 || return 1
    awk -v from="$started" -v to="$EPOCHREALTIME" 'BEGIN { print to - from }' >>"$copies/seconds"
  done
}

# The copies are made on the generator's core, so that only the disk and the store are shared.
backup() {
  wanted backup || return 0
  local repetition copies=$work/copies copying
  for ((repetition = 1; repetition <= repetitions; ++repetition)); do
    say "backup, repetition $repetition of $repetitions"
    use_store full
    start_server
    strained backup without "$repetition" || true
    rm -rf "$copies" && mkdir "$copies"
    keep_backing_up "$copies" &
    copying=$!
    strained backup with "$repetition" || true
    touch "$copies/enough"
    wait "$copying" || { say "run: the backup failed: $(tail -n 3 "$copies/log")"; failed=1; }
    # The line that was written last is the one with the copies beside it.
    "$bench/report.py" tag "copy_seconds=$(sort -n "$copies/seconds" | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }')" \
      "copies=$(wc -l <"$copies/seconds")" <"$work/result" >"$work/tagged"
    sed -i '$d' "$results"
    cat "$work/tagged" >>"$results"
    stop_server
  done
}

crowd() { measure_server "$@" --rooms "$crowd_rooms" --warm-up "$idle_warm_up" --seconds "$idle_seconds"; }

# Three repetitions at most: nothing in them depends on the disk.
few() { echo $((repetitions < 3 ? repetitions : 3)); }

idle() {
  wanted idle || return 0
  local repetition
  for ((repetition = 1; repetition <= $(few); ++repetition)); do
    say "idle, repetition $repetition of $(few)"
    use_store crowd
    start_server
    crowd idle server "$repetition" --mode idle || true
    stop_server
  done
}

# The same over TLS 1.3, whose numbers have no aim.
idle_tls() {
  wanted idle_tls || return 0
  local repetition
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
    -keyout "$work/tls.key" -out "$work/tls.pem" 2>/dev/null
  for ((repetition = 1; repetition <= $(few); ++repetition)); do
    say "idle_tls, repetition $repetition of $(few)"
    use_store crowd
    CARETEAM_SERVER_TLS_CERTIFICATE_FILE=$work/tls.pem CARETEAM_SERVER_TLS_KEY_FILE=$work/tls.key start_server
    taskset -c 1 "$bench/tls_crowd.py" --port "$port" --tokens "$work/tokens" --certificate "$work/tls.pem" --server-pid "$server_pid" \
      --warm-up "$idle_warm_up" --seconds "$idle_seconds" >"$work/result" || failed=1
    "$bench/report.py" tag scenario=idle_tls kind=server "repetition=$repetition" <"$work/result" >>"$results"
    stop_server
  done
}

# A tenth of the people leaves or comes back every 30 s.
presence() {
  wanted presence || return 0
  local repetition
  for ((repetition = 1; repetition <= $(few); ++repetition)); do
    say "presence, repetition $repetition of $(few)"
    use_store crowd
    start_server
    crowd presence server "$repetition" --mode idle --changes "$(awk -v people="$((crowd_rooms * 10))" 'BEGIN { print people / 10 / 30 }')" || true
    stop_server
  done
}

# Everybody misses 20 entries in each of three streams when the server was killed and is back.
reconnect() {
  wanted reconnect || return 0
  local repetition stream generating
  use_store crowd
  start_server
  for stream in shared clinical support; do
    say "reconnect: filling $stream"
    measure_server reconnect fill 0 --mode fill --rooms "$crowd_rooms" --senders 1 --stream "$stream" --count $((crowd_rooms * 24)) --from-head || true
  done
  stop_server
  save_store_as missed
  for ((repetition = 1; repetition <= $(few); ++repetition)); do
    say "reconnect, repetition $repetition of $(few)"
    use_store missed
    start_server
    : >"$work/generator.log"
    measure_server reconnect server "$repetition" --mode reconnect --rooms "$crowd_rooms" --from-head --missing 20 2>"$work/generator.log" &
    generating=$!
    for ((i = 0; i < 1200; ++i)); do
      grep -q "now end the server" "$work/generator.log" && break
      kill -0 "$generating" 2>/dev/null || break
      sleep 0.1
    done
    kill -KILL "$server_pid"
    wait "$server_pid" 2>/dev/null || true
    launch_server
    wait "$generating" || { cat "$work/generator.log" >&2; failed=1; }
    stop_server
  done
}

#!/bin/sh
# xargs_curl.sh PYTHON FILE URL IN_FLIGHT: one curl a row, IN_FLIGHT at a time.
export URL="$3/billing/customers"
"$1" -m benchmarks.peers.lines "$2" "$3" | xargs -d '\n' -n 2 -P "$4" sh -c '
  exec curl --silent --show-error --fail --output /dev/null "$URL" \
    --header "Authorization: Bearer sk_test_benchmark" \
    --header "Content-Type: application/json" \
    --header "Idempotency-Key: $0" --data-raw "$1"'

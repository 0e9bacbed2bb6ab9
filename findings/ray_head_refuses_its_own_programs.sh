#!/usr/bin/env bash
# Ray 2.60.0 (Python 3.11): any ray.init() of a local cluster leaves a token in ~/.ray/auth_token, which
# all users of the machine may read (mode 644 under the usual umask). From then on `ray start --head`
# asks for the token. ray.init("auto") sends it. ray.init("host:port") does not, even on the head itself:
# after 20 seconds and as many lines it raises a ConnectionError that does not mention a token; only the
# error's cause does. RAY_AUTH_MODE=token, set before Ray is imported, is the way out; set later, it has
# no effect.
#
# Seen:
#   mode of the token 644
#   auto: joined
#   address: ConnectionError: Failed to connect to Ray cluster at ...; cause names the token: True
#   address, RAY_AUTH_MODE=token before the import: joined
#   address, RAY_AUTH_MODE=token after the import: ConnectionError: Failed to connect to Ray cluster ...
set -euo pipefail
umask 022
folder=$(mktemp -d)
head=
trap '[ -z "$head" ] || kill "$head" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ray==2.60.0
export PATH="$folder/venv/bin:$PATH" HOME="$folder"
unset RAY_AUTH_MODE RAY_AUTH_TOKEN RAY_AUTH_TOKEN_PATH RAY_ADDRESS
python -c 'import ray; ray.init(num_cpus=1, include_dashboard=False); ray.shutdown()' 2>/dev/null
mode=$(stat -c %a "$folder/.ray/auth_token")
echo "mode of the token $mode"
port=$(python -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])')
ray start --head --port "$port" --num-cpus 1 --include-dashboard false --disable-usage-stats \
  --temp-dir "$folder/r" --block >/dev/null 2>&1 &
head=$!
sleep 30

join() { # What joins, and how.
  python - "$@" <<'PYTHON' 2>/dev/null
import os
import sys

import ray

if "later" in sys.argv:
    os.environ["RAY_AUTH_MODE"] = "token"
try:
    ray.init(sys.argv[1], log_to_driver=False)
    print("joined")
except ConnectionError as error:
    named = "AuthenticationError" in str(error.__cause__)
    print(f"ConnectionError: {error}; cause names the token: {named}")
PYTHON
}

auto=$(join auto)
address=$(join "127.0.0.1:$port")
before=$(RAY_AUTH_MODE=token join "127.0.0.1:$port")
after=$(join "127.0.0.1:$port" later)
echo "auto: $auto"
echo "address: $address"
echo "address, RAY_AUTH_MODE=token before the import: $before"
echo "address, RAY_AUTH_MODE=token after the import: $after"
[ "$mode" = 644 ] && [ "$auto" = joined ] && [ "$before" = joined ]
[[ "$address" == ConnectionError*True && "$after" == ConnectionError*True ]]

# What the scripts of this folder share. To be sourced.
#
# Each script is a server, or a client, of others:
#   NAME install DIR                 once; by package name from the registries
#   NAME run DIR STATE PORT          serves 127.0.0.1:PORT with its files in STATE, prints `ready`, ends on SIGTERM
#   NAME VERB DIR STATE PORT ARG...  whatever else it can be told
# Its log is STATE/log.

# Prints `ready` as soon as something listens on the port, while the process that called this lives. Call it last
# before `exec`.
say_when_ready() {
  local port=$1
  (
    for _ in $(seq 600); do
      kill -0 $$ 2>/dev/null || exit
      if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
        echo ready
        exit
      fi
      # Half a minute and more for a machine that is busy.
      sleep 0.1
    done
  ) &
}

debian_packages() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

wrong_usage() {
  echo "usage: $(basename "$0") $1" >&2
  exit 2
}

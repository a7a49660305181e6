#!/usr/bin/env bash
# A Docker daemon of our own, for machines that have none (CI): its socket, its images, its bridge and its processes are
# apart from any other daemon, and `stop` takes away all of them but the images.
#
#   eval "$(docker/docker-daemon.sh start)"     installs docker.io when dockerd is missing; sets DOCKER_HOST
#   docker/docker-daemon.sh status              exit code 0: it runs
#   docker/docker-daemon.sh stop                ends it; `stop --purge` removes its images as well
#
# Debian, as root. It changes neither the firewall nor IP forwarding: containers are reached through published ports, which
# Docker's own user-space proxy serves, on loopback alone. The other way, from a container to the world, there is none.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
# One daemon a checkout. Short paths: a socket's name has at most 107 bytes.
id=$(printf %s "$root" | sha256sum | cut -c1-8)
run=/tmp/checkback-dockerd-$id
data=$root/.cache/docker/data
socket=$run/docker.sock
bridge=cb$id
cgroup=checkback-$id
export DOCKER_HOST=unix://$socket

say() { printf '[docker-daemon %s s] %s\n' "$SECONDS" "$*" >&2; }
fail() { say "$*"; exit 1; }

# Whether process $1 is ours: numbers are used again, a command line that names our folder is not.
is_ours() { [ -r "/proc/$1/cmdline" ] && tr '\0' ' ' <"/proc/$1/cmdline" 2>/dev/null | grep -qF -- "$run/"; }
is_up() { [ -S "$socket" ] && docker info >/dev/null 2>&1; }

install_docker() {
  command -v apt-get >/dev/null || fail 'dockerd is not installed and this is no Debian: install Docker, then run this again'
  say 'dockerd is missing: apt-get install docker.io'
  local guard=/usr/sbin/policy-rc.d made=
  # Debian's package would start a daemon for the whole machine.
  if [ ! -e "$guard" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$guard" && chmod +x "$guard" && made=yes
  fi
  local log code=0
  log=$(mktemp)
  {
    apt-get -o DPkg::Lock::Timeout=300 update &&
      # Since Debian 13 the client is a package of its own.
      DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends docker.io iproute2 iptables \
        $(apt-cache show docker-cli >/dev/null 2>&1 && echo docker-cli)
  } >"$log" 2>&1 </dev/null || code=$?
  [ -z "$made" ] || rm -f "$guard"
  [ "$code" = 0 ] || { tail -n 20 "$log" >&2; rm -f "$log"; fail 'apt-get could not install docker.io: see the lines above'; }
  rm -f "$log"
  say 'docker.io is installed'
}

# Networks that nothing here routes to; the first free one is ours.
free_network() {
  local third
  for third in $(seq 0 250); do
    ip -4 -o addr show | grep -q " 10\.213\.$third\." || { echo "10.213.$third.1/24"; return; }
  done
  fail 'no free network 10.213.x.0/24 for the containers'
}

start() {
  if is_up; then
    say "is up already ($DOCKER_HOST)"
  else
    [ "$(id -u)" = 0 ] || fail 'dockerd needs root: run this as root, or start Docker yourself and set DOCKER_HOST'
    [ ! -d "$run" ] || stop
    command -v dockerd >/dev/null && command -v docker >/dev/null || install_docker
    mkdir -p "$run" "$data"
    # What was not there before is taken away by `stop`.
    local trace
    for trace in /etc/docker/key.json /etc/docker /run/containerd/s /run/containerd /run/docker/plugins /run/docker; do
      [ -e "$trace" ] || echo "$trace" >>"$run/traces"
    done
    ip link add "$bridge" type bridge || fail "the kernel gives no network bridge ($bridge): Docker cannot run here"
    ip addr add "$(free_network)" dev "$bridge"
    ip link set "$bridge" up
    # The machine's own daemon.json is not for us.
    echo '{}' >"$run/daemon.json"
    # In a session of its own: Ctrl-C on the tests must not end the daemon under them.
    setsid dockerd --config-file "$run/daemon.json" --data-root "$data" --exec-root "$run/exec" --pidfile "$run/dockerd.pid" \
      --host "$DOCKER_HOST" --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "$cgroup" \
      --bridge "$bridge" --ip 127.0.0.1 --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false >"$run/dockerd.log" 2>&1 </dev/null &
    local pid=$! tries
    for tries in $(seq 150); do
      if is_up; then break; fi
      if [ "$tries" = 150 ] || ! kill -0 "$pid" 2>/dev/null; then
        grep -E 'level=(error|fatal)|^failed' "$run/dockerd.log" | tail -n 5 >&2 || true
        cp "$run/dockerd.log" "$root/.cache/docker/dockerd.log"
        stop
        fail 'dockerd did not start: the lines above are its last words, all of them are in .cache/docker/dockerd.log'
      fi
      sleep 0.2
    done
    say "is up: dockerd $(docker version --format '{{.Server.Version}}'), storage $(docker info --format '{{.Driver}}'), $DOCKER_HOST"
  fi
  echo "export DOCKER_HOST='$DOCKER_HOST'"
}

# The daemon, its containerd, the shims, and what runs in containers, which outlives a killed daemon and is known by its
# control group. The proxies of published ports end with the daemon.
our_processes() {
  local pid
  for pid in $(pgrep --full -- "$run/" || true); do
    case "$(cat "/proc/$pid/comm" 2>/dev/null)" in dockerd | containerd*) if is_ours "$pid"; then echo "$pid"; fi ;; esac
  done
  find /sys/fs/cgroup -path "*/$cgroup/*" -name cgroup.procs -exec cat {} + 2>/dev/null | sort -un
}
wait_for_none() {
  local tries
  for tries in $(seq "$1"); do
    [ -n "$(our_processes)" ] || return 0
    sleep 0.1
  done
  return 1
}

stop() {
  [ -d "$run" ] || { say 'was not up'; purge "$@"; return 0; }
  [ "$(id -u)" = 0 ] || fail 'this daemon was started by root: stop it as root'
  # Containers first: theirs are the mounts and network devices. All of them are ours.
  if is_up; then docker ps --all --quiet | xargs --no-run-if-empty docker rm --force --volumes >/dev/null 2>&1 || true; fi
  local pid
  pid=$(cat "$run/dockerd.pid" 2>/dev/null || true)
  local patience=1
  if [ -n "$pid" ] && is_ours "$pid" && kill -TERM "$pid" 2>/dev/null; then patience=200; fi
  if ! wait_for_none "$patience"; then
    say 'some of it does not end by itself: killing it'
    our_processes | xargs --no-run-if-empty kill -KILL 2>/dev/null || true
    wait_for_none 50 || fail "these processes of ours do not end: $(our_processes | tr '\n' ' ')"
  fi
  # Deepest first.
  awk -v run="$run/" -v data="$data" '{ if (index($2, run) == 1 || index($2, data) == 1) print $2 }' /proc/mounts | sort -r | while read -r mount; do umount "$mount" 2>/dev/null || umount --lazy "$mount"; done
  if ip link show "$bridge" >/dev/null 2>&1; then ip link delete "$bridge"; fi
  find /sys/fs/cgroup -depth -type d -path "*/$cgroup*" -exec rmdir {} + 2>/dev/null || true
  # Sockets of shims that were killed; one that somebody listens on is in this list.
  local stale
  for stale in /run/containerd/s/*; do
    if [ -S "$stale" ] && ! grep -qF -- "$stale" /proc/net/unix; then rm -f "$stale"; fi
  done
  if [ -f "$run/traces" ]; then
    while read -r trace; do
      if [ -d "$trace" ]; then rmdir "$trace" 2>/dev/null || true; else rm -f "$trace"; fi
    done <"$run/traces"
  fi
  rm -rf "$run"
  say 'is down'
  purge "$@"
}

purge() {
  [ "${1:-}" = --purge ] || return 0
  rm -rf "$root/.cache/docker"
  say 'its images are gone'
}

case "${1:-}" in
  start) start ;;
  stop) shift; stop "$@" ;;
  status) if is_up; then say "is up ($DOCKER_HOST)"; else say 'is not up'; exit 1; fi ;;
  *) echo 'usage: docker/docker-daemon.sh start | status | stop [--purge]' >&2; exit 2 ;;
esac

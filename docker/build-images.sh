#!/usr/bin/env bash
# Builds checkback/rocketmq:5.4.0 and checkback/mysql:<version> without any image registry: base systems from debootstrap,
# RocketMQ from Maven, MySQL from Debian sid. Needs Docker (see docker-daemon.sh), Debian, root and Maven.
#
#   eval "$(docker/build-images.sh)"     sets CHECKBACK_ROCKETMQ_IMAGE and CHECKBACK_MYSQL_IMAGE
#
# From nothing it takes minutes and says where it is; what did not change is not built again. `--rebuild` takes fresh
# packages. Packages come from the mirror this machine's own apt uses, or from CHECKBACK_DEBIAN_MIRROR.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
work=$root/.cache/docker/build
rocketmq_version=$(sed -n 's|.*<rocketmq.version>\(.*\)</rocketmq.version>.*|\1|p' "$here/rocketmq/pom.xml")
rebuild=
case "${1:-}" in
  '') ;;
  --rebuild) rebuild=yes ;;
  *) echo 'usage: docker/build-images.sh [--rebuild]' >&2; exit 2 ;;
esac

say() { printf '[images %3d s] %s\n' "$SECONDS" "$*" >&2; }
fail() { say "$*"; exit 1; }

# Runs a step with its output in a log; on failure its last lines and one sentence.
step() {
  local name=$1 log=$work/$2.log
  shift 2
  say "$name …"
  local since=$SECONDS
  if "$@" >"$log" 2>&1 </dev/null; then
    say "$name: done in $((SECONDS - since)) s"
  else
    tail -n 15 "$log" >&2
    fail "$name failed: its last lines are above, all of them in ${log#"$root"/}"
  fi
}

# The mirror apt uses for Debian itself, whatever the form of its source lists.
debian_mirror() {
  apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' 2>/dev/null | head -n 1
}

# A Debian of suite $1 as the image checkback/debian:$1, unless it is there.
make_base() {
  local suite=$1 folder=$scratch/$1
  if [ -z "$rebuild" ] && docker image inspect "checkback/debian:$suite" >/dev/null 2>&1; then return; fi
  mkdir "$folder"
  # It checks the signature of the release file, and no date.
  step "debootstrap $suite" "debootstrap-$suite" debootstrap --variant=minbase "$suite" "$folder" "$mirror"
  step "import $suite" "import-$suite" import_base "$folder" "$suite"
  remove_tree "$folder"
}
import_base() {
  tar --directory "$1" --numeric-owner --one-file-system --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' --exclude='./var/log/*' \
    --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' --exclude='./usr/share/info/*' --create . |
    docker import --change "LABEL $label=base" --change 'CMD ["bash"]' - "checkback/debian:$2"
}
remove_tree() {
  # debootstrap mounts /proc in there, and leaves it when it is interrupted.
  awk -v folder="$1/" 'index($2, folder) == 1 { print $2 }' /proc/mounts | sort -r | xargs --no-run-if-empty umount
  rm -rf --one-file-system "$1"
}

# build <name> <tag> <base suite> <context>: the folder <context> has been filled by the caller.
build() {
  local name=$1 tag=$2 suite=$3 context=$4
  # Through the host's network: our daemon gives containers none. Mirrors that lag behind have release files past their date.
  local options=(--network host --build-arg "BASE=checkback/debian:$suite" --build-arg 'APT_OPTIONS=-o Acquire::Check-Valid-Until=false -o Acquire::Check-Date=false' \
    --label "$label=$(recipe "$name")" --tag "$tag")
  [ -z "${http_proxy:-}" ] || options+=(--build-arg "http_proxy=$http_proxy")
  [ -z "$rebuild" ] || options+=(--no-cache)
  # The classic builder where BuildKit has no client; both read these files.
  local buildkit=1
  docker buildx version >/dev/null 2>&1 || buildkit=0
  step "docker build $name" "build-$name" env DOCKER_BUILDKIT="$buildkit" docker build "${options[@]}" "$context"
}

label=org.checkback.recipe
# What image $1 is made from: another recipe, another image.
recipe() { cat "$here/build-images.sh" $(find "$here/$1" -type f ! -name README.md | LC_ALL=C sort) | sha256sum | cut -c1-16; }
# The tag of image $1 if it is there in this recipe.
built() { docker images --filter "label=$label=$(recipe "$1")" --format '{{.Repository}}:{{.Tag}}' "checkback/$1" | grep -v ':building$' | head -n 1; }

make_rocketmq() {
  local context=$work/rocketmq
  rm -rf "$context"
  mkdir -p "$context"
  cp -r "$here"/rocketmq/. "$context"
  # Beside debootstrap, which is busy elsewhere. Maven keeps what it fetched in its own cache.
  step "RocketMQ $rocketmq_version from Maven" maven mvn -B -f "$context/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
    -DincludeScope=runtime "-DoutputDirectory=$context/lib" &
  local maven=$!
  make_base bookworm
  wait "$maven" || fail 'RocketMQ could not be fetched with Maven'
  build rocketmq "checkback/rocketmq:$rocketmq_version" bookworm "$context"
  rm -rf "$context"
}

make_mysql() {
  local version
  make_base sid
  build mysql checkback/mysql:building sid "$here/mysql"
  version=$(docker run --rm --network none --entrypoint mysqld checkback/mysql:building --no-defaults --version | sed -n 's/.*Ver \([0-9.]*\).*/\1/p')
  [ -n "$version" ] || fail 'the MySQL image was built, but its server does not start (mysqld --version)'
  docker tag checkback/mysql:building "checkback/mysql:$version"
  docker rmi checkback/mysql:building >/dev/null
}

scratch=
children=()
cleanup() {
  local child
  for child in "${children[@]}"; do kill -TERM -- "-$child" 2>/dev/null || true; done
  wait
  [ -z "$scratch" ] || remove_tree "$scratch"
}
# Where debootstrap unpacks: in memory if it may hold device files and programs there, because dpkg waits for the disk at every file.
scratch_folder() {
  local parent=/tmp
  if awk '$2 == "/dev/shm" && $4 !~ /noexec|nodev/ { found = 1 } END { exit !found }' /proc/mounts &&
    [ "$(df --output=avail /dev/shm | tail -n 1)" -gt 2000000 ]; then parent=/dev/shm; fi
  mktemp -d "$parent/checkback-base-XXXXXX"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

docker info >/dev/null 2>&1 || fail "Docker does not answer (docker info): start it, or eval \"\$(docker/docker-daemon.sh start)\""
missing=()
for name in rocketmq mysql; do
  if [ -n "$rebuild" ] || [ -z "$(built "$name")" ]; then missing+=("$name"); fi
done

if [ "${#missing[@]}" -gt 0 ]; then
  command -v apt-get >/dev/null || fail 'images are built from Debian packages, and this machine is no Debian: use the official images'
  [ "$(id -u)" = 0 ] || fail 'debootstrap needs root: run this as root, or use the official images'
  mkdir -p "$work"
  if ! command -v debootstrap >/dev/null; then
    step 'apt-get update' apt-update apt-get -o DPkg::Lock::Timeout=300 update
    step 'apt-get install debootstrap' apt-install env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends debootstrap
  fi
  case " ${missing[*]} " in *' rocketmq '*) command -v mvn >/dev/null || fail 'Maven (mvn) is not installed: RocketMQ comes through it (Debian: apt install maven)' ;; esac
  mirror=${CHECKBACK_DEBIAN_MIRROR:-$(debian_mirror)}
  [ -n "$mirror" ] || fail "this machine's apt names no Debian mirror: set CHECKBACK_DEBIAN_MIRROR to one"
  # debootstrap does not read apt's settings.
  eval "$(apt-config shell proxy Acquire::http::Proxy)"
  if [ -n "${proxy:-}" ] && [ "$proxy" != DIRECT ]; then export http_proxy=$proxy; fi
  scratch=$(scratch_folder)
  # Side by side: downloading and unpacking take turns well. Each in a process group of its own, to be ended as one.
  set -m
  for name in "${missing[@]}"; do
    "make_$name" &
    children+=($!)
  done
  set +m
  for child in "${children[@]}"; do wait "$child" || failed=yes; done
  children=()
  [ -z "${failed:-}" ] || fail 'not all images could be built'
fi

for name in rocketmq mysql; do
  tag=$(built "$name")
  say "$tag, $(docker image inspect --format '{{.Size}}' "$tag" | awk '{ printf "%d MB", $1 / 1e6 }')"
  echo "export CHECKBACK_${name^^}_IMAGE='$tag'"
done

#!/bin/sh
# Makes the database at the first start, then becomes the server. Variables as in the official image:
#   MYSQL_ROOT_PASSWORD or MYSQL_ROOT_PASSWORD_FILE, or MYSQL_ALLOW_EMPTY_PASSWORD=yes; MYSQL_ROOT_HOST (default %, "localhost"
#   for none from outside); MYSQL_DATABASE
set -eu
data=/var/lib/mysql

case "${1:-}" in
  '' | -*) set -- mysqld "$@" ;;
esac
if [ "$1" != mysqld ] || [ -n "$(ls -A "$data")" ]; then exec "$@"; fi

password=${MYSQL_ROOT_PASSWORD:-}
if [ -n "${MYSQL_ROOT_PASSWORD_FILE:-}" ]; then password=$(cat "$MYSQL_ROOT_PASSWORD_FILE"); fi
if [ -z "$password" ] && [ -z "${MYSQL_ALLOW_EMPTY_PASSWORD:-}" ]; then
  echo 'The root user needs a password: set MYSQL_ROOT_PASSWORD or MYSQL_ROOT_PASSWORD_FILE, or MYSQL_ALLOW_EMPTY_PASSWORD=yes.' >&2
  exit 1
fi

# In single quotes, inside a file with one statement a line.
quoted() { printf "'%s'" "$(printf %s "$1" | sed -e 's/\\/\\\\/g' -e "s/'/''/g")"; }

umask 077
init=$(mktemp)
# An attempt that was interrupted must not look like a database at the next start.
trap 'rm -f "$init"; find "$data" -mindepth 1 -delete' EXIT
trap 'exit 143' TERM INT
{
  printf "ALTER USER root@localhost IDENTIFIED BY %s;\n" "$(quoted "$password")"
  if [ "${MYSQL_ROOT_HOST:-%}" != localhost ]; then
    printf "CREATE USER root@%s IDENTIFIED BY %s;\n" "$(quoted "${MYSQL_ROOT_HOST:-%}")" "$(quoted "$password")"
    printf "GRANT ALL ON *.* TO root@%s WITH GRANT OPTION;\n" "$(quoted "${MYSQL_ROOT_HOST:-%}")"
  fi
  if [ -n "${MYSQL_DATABASE:-}" ]; then
    printf 'CREATE DATABASE `%s`;\n' "$(printf %s "$MYSQL_DATABASE" | sed 's/`/``/g')"
  fi
} >"$init"
echo 'Making the database …'
# In the background: a shell that waits in the foreground hears SIGTERM only afterwards.
mysqld --initialize-insecure --init-file="$init" &
making=$!
trap 'kill "$making" 2>/dev/null; wait "$making" || true; exit 143' TERM INT
wait "$making"
rm -f "$init"
trap - EXIT TERM INT
umask 022
# The password is not for everybody who may look at the environment of the process.
unset MYSQL_ROOT_PASSWORD
exec "$@"

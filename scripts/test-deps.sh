#!/bin/sh
# Installs what the tests need from the machine's packages: a PostgreSQL server (14 or later). It does nothing, quickly,
# when it is there, and changes nothing when it may not install: the tests then say that they skip.
set -eu

has_postgres() {
	command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1
}

has_postgres && exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
	echo "PostgreSQL is missing; install it (Debian: apt-get install postgresql) to run its tests" >&2
	exit 0
fi

# Debian would start a cluster of its own at once; the tests start theirs.
mkdir -p /etc/postgresql-common
[ -e /etc/postgresql-common/createcluster.conf ] ||
	echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
export DEBIAN_FRONTEND=noninteractive
apt-get install -y -qq --no-install-recommends postgresql >/dev/null 2>&1 || {
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends postgresql >/dev/null
}
has_postgres

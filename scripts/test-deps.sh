#!/bin/sh
# Installs what the tests need: a PostgreSQL server (14 or later) and a MariaDB server and Chromium from the machine's packages, and
# Apache Kafka's jars from Maven Central into the user's cache. It does nothing, quickly, when they are there, and changes nothing when it
# may not install: the tests then say that they skip.
set -eu

has_postgres() {
	command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1
}

postgres() {
	has_postgres && return 0
	if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
		echo "PostgreSQL is missing; install it (Debian: apt-get install postgresql) to run its tests" >&2
		return 0
	fi
	# Debian would start a cluster of its own at once; the tests start theirs.
	mkdir -p /etc/postgresql-common
	[ -e /etc/postgresql-common/createcluster.conf ] ||
		echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
	install postgresql
	has_postgres
}

install() {
	export DEBIAN_FRONTEND=noninteractive
	apt-get install -y -qq --no-install-recommends "$1" >/dev/null 2>&1 || {
		apt-get update -qq
		apt-get install -y -qq --no-install-recommends "$1" >/dev/null
	}
}

mariadb() {
	[ -x /usr/sbin/mariadbd ] && return 0
	if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
		echo "MariaDB is missing; install it (Debian: apt-get install mariadb-server) to run its tests" >&2
		return 0
	fi
	# Debian would start a server of its own at once; the tests start theirs.
	denied=""
	if [ ! -e /usr/sbin/policy-rc.d ]; then
		printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
		chmod +x /usr/sbin/policy-rc.d
		denied=yes
	fi
	install mariadb-server || echo "MariaDB cannot be installed; its tests will skip" >&2
	[ -z "$denied" ] || rm -f /usr/sbin/policy-rc.d
}

browser() { # not named like the program, which "command -v" would take it for
	command -v chromium >/dev/null 2>&1 && return 0
	if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
		echo "Chromium is missing; install it (Debian: apt-get install chromium) to run the test that looks at a report" >&2
		return 0
	fi
	install chromium || echo "Chromium cannot be installed; the test that looks at a report will skip" >&2
}

# kafka leaves its jars in a folder that stream/kafkatest looks for; it is there completely or not at all.
kafka() {
	jars="${XDG_CACHE_HOME:-$HOME/.cache}/twice-test/kafka-3.9.1"
	[ -d "$jars" ] && return 0
	if ! command -v java >/dev/null 2>&1 || ! command -v mvn >/dev/null 2>&1; then
		echo "java or mvn is missing; install them (Debian: apt-get install maven default-jre-headless) to run the tests against Kafka" >&2
		return 0
	fi
	rm -rf "$jars.part"
	mvn -B -q -f "$(dirname "$0")/kafka/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
		-DoutputDirectory="$jars.part" >/dev/null || {
		echo "Maven cannot fetch Kafka; the tests against it will skip" >&2
		return 0
	}
	mv "$jars.part" "$jars"
}

postgres
mariadb
browser
kafka

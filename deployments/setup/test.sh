#!/usr/bin/env bash
# Installs the servers and programs of the tests, unless they are installed
# already.
set -euo pipefail

# One line per program: its path (a pattern if the path contains a version), and
# its Debian package.
needs=(
	'/usr/bin/chromium chromium' # the browser of frontend/e2e and pkg/signalr/signalrtest
	'/usr/lib/rabbitmq/bin/rabbitmq-server rabbitmq-server' # this and the next two: pkg/testenv
	'/usr/lib/postgresql/*/bin/initdb postgresql'
	'/usr/bin/redis-server redis-server'
)

missing=()
for need in "${needs[@]}"; do
	read -r program package <<<"$need"
	compgen -G "$program" >/dev/null || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
	exit 0
fi

echo "Missing packages for the tests: ${missing[*]}"
if ! command -v apt-get >/dev/null; then
	echo "apt-get is not available. Install the packages another way, so that these programs exist:" >&2
	printf '  %s\n' "${needs[@]%% *}" >&2
	exit 1
fi
if ((EUID != 0)); then
	echo "Only root may install packages. Run this command first:" >&2
	echo "  sudo apt-get update && sudo apt-get install --no-install-recommends -y ${missing[*]}" >&2
	exit 1
fi

echo "Installing with apt-get: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive

# The tests start servers of their own. A package's own server must not run beside
# them: policy-rc.d prevents a start now (an existing file is kept and decides), and
# disabling the service, below, prevents a start at the next boot.
services=("${missing[@]}")
[[ -e /usr/bin/epmd ]] || services+=(epmd.socket epmd.service) # installed with Erlang, for RabbitMQ
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
	trap 'rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
fi

apt-get update -q </dev/null
apt-get install -q -y --no-install-recommends -o Acquire::Retries=3 "${missing[@]}" </dev/null
for service in "${services[@]}"; do
	if [[ -e /etc/init.d/$service ]]; then
		update-rc.d "$service" disable
	elif command -v systemctl >/dev/null && [[ -e /lib/systemd/system/$service ]]; then
		systemctl disable "$service"
	fi
done
echo "Installed: ${missing[*]}. Their services were not started and are disabled."

#!/usr/bin/env bash
# Installs the servers and programs that the tests use and this machine lacks.
# What is there already is left alone.
set -euo pipefail

# One line per need: the program that shows it is there (a pattern where the path
# holds a version), and its Debian package.
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

echo "The tests need what this machine does not have: ${missing[*]}"
if ! command -v apt-get >/dev/null; then
	echo "There is no apt-get here. Install them in your system's way, so that these exist:" >&2
	printf '  %s\n' "${needs[@]%% *}" >&2
	exit 1
fi
if ((EUID != 0)); then
	echo "Only root may install packages. Run this, then try again:" >&2
	echo "  sudo apt-get update && sudo apt-get install --no-install-recommends -y ${missing[*]}" >&2
	exit 1
fi

echo "Installing with apt-get: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive

# The tests start servers of their own. What a package brings must not run beside
# them: neither now (a policy-rc.d that forbids it, unless the machine has one,
# which is then left to decide) nor after the next boot (disabled, below).
services=("${missing[@]}")
[[ -e /usr/bin/epmd ]] || services+=(epmd.socket epmd.service) # come with Erlang, for RabbitMQ
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
echo "Installed: ${missing[*]}. Services that came with them were not started, and are switched off."

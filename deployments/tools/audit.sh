#!/usr/bin/env bash
# Asks govulncheck about each module named as an argument. Exit status 3: there
# are vulnerabilities; 1: something could not be asked, so nothing is known.
set -euo pipefail

govulncheck=$(GOWORK=off go -C "$(dirname "$0")" tool -n govulncheck)
worst=0
for module in "$@"; do
	echo "== $module"
	status=0
	# A module is audited as its go.mod has it, so outside the workspace.
	answer=$(cd "$module" && GOWORK=off "$govulncheck" ./... 2>&1) || status=$?
	echo "$answer"
	case $status in
	0) ;;
	3) worst=3 ;;
	*)
		if [[ $answer == *'fetching vulnerabilities'* ]]; then
			echo "The vulnerability database did not answer. Nothing is known about $module." >&2
		else
			echo "govulncheck could not read $module. Nothing is known about it." >&2
		fi
		((worst == 3)) || worst=1
		;;
	esac
done
exit "$worst"

#!/usr/bin/env bash
# Runs govulncheck in each module given as an argument. Exit status 3: a
# vulnerability was found; 1: a module could not be checked.
set -euo pipefail

govulncheck=$(GOWORK=off go -C "$(dirname "$0")" tool -n govulncheck)
worst=0
for module in "$@"; do
	echo "== $module"
	status=0
	# Outside the workspace, so that the module's own go.mod selects the versions.
	answer=$(cd "$module" && GOWORK=off "$govulncheck" ./... 2>&1) || status=$?
	echo "$answer"
	case $status in
	0) ;;
	3) worst=3 ;;
	*)
		if [[ $answer == *'fetching vulnerabilities'* ]]; then
			echo "The vulnerability database is not available: $module was not checked." >&2
		else
			echo "govulncheck failed: $module was not checked." >&2
		fi
		((worst == 3)) || worst=1
		;;
	esac
done
exit "$worst"

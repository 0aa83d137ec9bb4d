# Waits until the test binary, which holds the other end of standard input, has
# ended, then ends all processes with a working directory in the folder $1 and
# removes the folder.
trap '' HUP INT TERM
read -r _

processes() {
	find /proc/[0-9]*/cwd -maxdepth 0 -lname "$1/*" 2>/dev/null | cut -d/ -f3
}

signal() {
	for pid in $(processes "$2"); do kill -s "$1" "$pid" 2>/dev/null; done
}

# On a clean shutdown a server releases its shared memory.
signal CONT "$1"
signal QUIT "$1"
for _ in 1 2 3 4 5 6 7 8 9 10; do
	[ -n "$(processes "$1")" ] || break
	sleep 0.1
done
for _ in 1 2 3 4 5 6 7 8 9 10; do
	[ -n "$(processes "$1")" ] || break
	signal KILL "$1"
	sleep 0.1
done
rm -rf -- "$1"

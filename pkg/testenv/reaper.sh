# Waits until the test binary, which holds the other end of standard input, is
# gone, ends all that works in the folder $1, and removes it.
trap '' HUP INT TERM
read -r _

living() {
	find /proc/[0-9]*/cwd -maxdepth 0 -lname "$1/*" 2>/dev/null | cut -d/ -f3
}

tell() {
	for pid in $(living "$2"); do kill -s "$1" "$pid" 2>/dev/null; done
}

# A server that can, gives back what the system holds for it.
tell CONT "$1"
tell QUIT "$1"
for _ in 1 2 3 4 5 6 7 8 9 10; do
	[ -n "$(living "$1")" ] || break
	sleep 0.1
done
for _ in 1 2 3 4 5 6 7 8 9 10; do
	[ -n "$(living "$1")" ] || break
	tell KILL "$1"
	sleep 0.1
done
rm -rf -- "$1"

# shellcheck shell=bash
# Where a cluster in a box lives, and how to tell whether it is alive. A box belongs to one checkout and one cache;
# NBREWIND_BOX names another one beside it.

BOX=$CACHE/box-$(echo "$CHECKOUT ${NBREWIND_BOX:-}" | digest)
# shellcheck disable=SC2034  # read by hpc/box
readonly BOX

# The box's first process holds a lock on this file as long as it lives: no process number to go stale.
box_alive() { [[ -f $1/alive ]] && ! flock --shared --nonblock "$1/alive" true; }

# box_pid BOX: the process whose end ends every process of the box, because they share its process namespace.
box_pid() {
    [[ $(<"$1/origin") == "$(process_namespace)" ]] ||
        die "the box in $1 was started from another container or environment; use hpc/box there"
    grep -o '"child-pid": *[0-9]*' "$1/info.json" | grep -o '[0-9]*'
}

process_namespace() { readlink /proc/self/ns/pid; }

box_stop() {
    local box=$1 pid
    if box_alive "$box"; then
        pid=$(box_pid "$box") || exit
        kill -KILL "$pid"
        flock --shared --timeout 20 "$box/alive" true || die "the box does not stop; see ps -ef | grep $box"
    fi
    remove_tree "$box"
}

box_stop_all() {
    local box
    for box in "$CACHE"/box-*/; do
        [[ -d $box ]] && box_stop "${box%/}"
    done
    return 0
}

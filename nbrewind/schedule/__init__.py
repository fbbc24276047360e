"""Cells that run beside each other, with the outcome of running them in order.

The notebook's own process is the *spine*: it holds the state that the cells so far have left. A *lane* is a fork of it
that runs cells of further down and sends back what each of them read and left. When a cell's turn comes, what it read
is compared with what is really there; if anything differs, it runs again on the spine.

In reading order: `access` and `mutations` (what a cell is expected to read and write), `outlook` (which cells must wait
for which), `tokens` (who runs what), `descriptors` and `gate` (a lane acts on nothing outside), `parcel` (how values
travel), `messages`, `lane` and `handle` (both ends of a lane). Imports `plan`, `cells`, `state`, `record`, and nothing
above.
"""

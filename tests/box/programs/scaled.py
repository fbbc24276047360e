"""Writes a notebook that scales numbers on workers of any site; the parameter `last` changes one task."""

import sys

import nbformat

CELLS = {
    "parameters": "last = 1",
    "manager": """\
import ndcctools.taskvine as vine
m = vine.Manager(port=0)
factory = vine.Factory("slurm", manager_host_port=f"nowhere:{m.port}")
factory.cores, factory.max_workers = 1, 2
factory.batch_options = "--partition=only-at-home"
factory.start()""",
    "work": """\
def scale(number, by):
    import os, socket
    return number * by, socket.gethostname(), os.environ.get("SECRET_TOKEN", "")
for number in range(4):
    m.submit(vine.PythonTask(scale, number, last if number == 3 else 1))
found = []
while not m.empty():
    if task := m.wait(5):
        found.append(task.output)""",
    "shown": """\
print(sorted(number for number, _, _ in found), m.using_ssl, any(secret for *_, secret in found))
sorted({host for _, host, _ in found})""",
}

cells = []
for name, source in CELLS.items():
    cell = nbformat.v4.new_code_cell(source, id=name)
    cell.metadata["tags"] = ["parameters"] if name == "parameters" else []
    cells.append(cell)
nbformat.write(nbformat.v4.new_notebook(cells=cells), sys.argv[1])

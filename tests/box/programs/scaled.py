"""Writes a notebook that scales numbers on workers of any site; the parameter `last` changes one task.

``scaled.py FILE [taskvine|work_queue] [factory|commands|job]``: whose workers, and how the notebook starts them.
"""

import sys

import nbformat

ENGINES = {
    "taskvine": "import ndcctools.taskvine as engine\nm = engine.Manager(port=0)",
    "work_queue": "import ndcctools.work_queue as engine\nm = engine.WorkQueue(port=0)",
}
WORKERS = {"taskvine": "vine", "work_queue": "work_queue"}
LAUNCHES = {
    "factory": """\
factory = engine.Factory("slurm", manager_host_port=f"nowhere:{m.port}")
factory.cores, factory.max_workers = 1, 2
factory.batch_options = "--partition=only-at-home"
factory.start()""",
    "commands": """\
import socket, subprocess
command = ["PREFIX_factory", "-T", "slurm", "--cores=1", "--memory=300", "--disk=400", "-w1", "-W2", "--parent-death",
           "--scratch-dir=" + str(__import__("pathlib").Path.home() / "by-hand"), socket.gethostname(), str(m.port)]
factory = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)""",
    "job": """\
import pathlib, socket, sys
script = f'''#!/bin/sh
#SBATCH --array=1-2 --mem=400M --tmp=500 --output=/dev/null
PATH={pathlib.Path(sys.executable).parent}:$PATH
PREFIX_worker --cores 1 --memory 300 --disk 400 --timeout 60 {socket.gethostname()} {m.port}
'''
pathlib.Path("worker.job").write_text(script)
!sbatch worker.job""",
}
WORK = """\
def scale(number, by):
    import os, socket
    return number * by, socket.gethostname(), os.environ.get("SECRET_TOKEN", "")
for number in range(4):
    m.submit(engine.PythonTask(scale, number, last if number == 3 else 1))
found = []
while not m.empty():
    if task := m.wait(5):
        found.append(task.output)"""
SHOWN = """\
print(sorted(number for number, _, _ in found), getattr(m, "using_ssl", None), any(secret for *_, secret in found))
sorted({host for _, host, _ in found})"""

path, engine, launch, *_ = [*sys.argv[1:], *("taskvine", "factory")[len(sys.argv) - 2 :]]
cells = {
    "parameters": "last = 1",
    "manager": ENGINES[engine],
    "launch": LAUNCHES[launch].replace("PREFIX", WORKERS[engine]),
    "work": WORK,
    "shown": SHOWN,
}
made = []
for name, source in cells.items():
    cell = nbformat.v4.new_code_cell(source, id=name)
    cell.metadata["tags"] = ["parameters"] if name == "parameters" else []
    made.append(cell)
nbformat.write(nbformat.v4.new_notebook(cells=made), path)

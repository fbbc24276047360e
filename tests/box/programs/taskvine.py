"""Ten PythonTasks on workers that ``vine_factory -T slurm`` starts; prints their sum and where they ran."""

import sys

import ndcctools.taskvine as vine


def where_and_what(number):
    import socket

    return socket.gethostname(), number * number


manager = vine.Manager(port=0, name="boxed" if "named" in sys.argv else None)
address = {"manager": manager} if manager.name else {"manager_host_port": f"a-login:{manager.port}"}
factory = vine.Factory("slurm", **address)
factory.min_workers = factory.max_workers = 2
factory.cores, factory.memory, factory.disk = 1, 200, 500
for number in range(10):
    manager.submit(vine.PythonTask(where_and_what, number))
manager.wait(
    2
)  # the catalog hears of a manager when it first waits; a factory that asks before then sleeps 30 s
results = []
with factory:
    while not manager.empty():
        if task := manager.wait(5):
            results.append(task.output)
print(sum(square for _, square in results), sorted({host for host, _ in results}))

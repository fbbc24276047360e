"""Four PythonTasks on a Work Queue worker that ``work_queue_factory -T slurm`` starts; prints their sum."""

import ndcctools.work_queue as wq


def square(number):
    return number * number


manager = wq.WorkQueue(port=0)
factory = wq.Factory("slurm", manager_host_port=f"a-login:{manager.port}")
factory.min_workers = factory.max_workers = 1
factory.cores, factory.memory, factory.disk = 1, 200, 500
for number in range(4):
    manager.submit(wq.PythonTask(square, number))
total = 0
with factory:
    while not manager.empty():
        if task := manager.wait(5):
            total += task.output
print(total)

x = lambda task: task._followed

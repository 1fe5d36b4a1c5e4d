"""From cells to the rows of a log: typed, worked out, filled and converted, then judged one by one."""

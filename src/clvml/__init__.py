"""Customer lifetime value and churn from purchase histories.

From Python: `clvml.config.read_config`, then `clvml.workflows` (prepare, train, backtest, score). Nothing is
imported here, so that the command line answers at once.
"""

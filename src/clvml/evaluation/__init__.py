"""How good predictions are: metrics, simple rules to beat, a leaderboard with verdicts.

The plots are in `clvml.evaluation.plots`, so that nobody else loads matplotlib.
"""

"""What a page says of the test: the measures that the terminal shows, no more."""

from tests.evaluation.test_leaderboard import MODELS, board, simulate

from clvml.evaluation.backtest import Backtest
from clvml.evaluation.evidence import build_evidence
from clvml.evaluation.leaderboard import CHURN_SHOWN, SPEND_SHOWN


def test_a_page_counts_the_measures_that_the_terminal_shows():
    frame = simulate()
    frame = frame.assign(low=0.0, high=frame["actual_spend"] + 1)
    found = build_evidence(Backtest(frame, MODELS, board()), [], 0.3)
    assert list(found["verdicts"]) == [*SPEND_SHOWN, *CHURN_SHOWN]
    best = board().best_others().set_index("metric")["verdict"]
    assert all(best[metric] == verdict for metric, verdict in found["verdicts"].items())
    assert found["coverage"] == 1.0

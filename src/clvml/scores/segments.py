"""What to do about a customer, as rules over what is known of them: the first that fits decides."""

from __future__ import annotations

# Columns are those of the features and of the scored file (docs/data-dictionary.md); `big_spend_365d` is the spend of
# the last year from which a customer was among the top fifth of spenders at training.
# Between two orders, where the usual gap is longer than the horizon, which then says nothing of who stays away.
_BETWEEN_ORDERS = (
    "(purchase_days > 2 and gap_mean > horizon_days and gap_current_ratio <= 1 + gap_variation"
    " and gap_current_ratio <= 1.25)"
)
SEGMENTS = {
    # Predicted from the average of one-time buyers.
    "not enough history": "purchase_days = 0",
    "first buyer to win back": "purchase_days = 1 and p_churn >= 0.5",
    "first buyer to turn into a regular": "purchase_days = 1",
    # Likelier than not to stay away, or overdue twice over.
    "valuable and drifting away": "(value_tier in ('platinum', 'gold') or spend_sum_365d >= big_spend_365d)"
    f" and ((p_churn >= 0.5 and not {_BETWEEN_ORDERS}) or (p_churn >= 1 / 3 and gap_current_ratio >= 2))",
    "future VIP": "value_tier in ('platinum', 'gold') and T <= 180",
    "VIP": "value_tier = 'platinum'",
    "regular": f"p_churn < 0.5 or {_BETWEEN_ORDERS}",
    "lapsing": "p_churn < 0.85",
    "lost": "true",
}

"""What to do about a customer, as rules over what is known of them: the first that fits decides."""

from __future__ import annotations

# Columns are those of the features and of the scored file (docs/data-dictionary.md); `big_spend_365d` is the spend of
# the last year from which a customer was among the top fifth of spenders at training.
SEGMENTS = {
    # Predicted from the average of one-time buyers.
    "not enough history": "purchase_days = 0",
    "first buyer to win back": "purchase_days = 1 and p_churn >= 0.5",
    "first buyer to turn into a regular": "purchase_days = 1",
    # Likelier than not to stay away, or overdue twice over.
    "valuable and drifting away": "(value_tier in ('platinum', 'gold') or spend_sum_365d >= big_spend_365d)"
    " and (p_churn >= 0.5 or (p_churn >= 1 / 3 and gap_current_ratio >= 2))",
    "future VIP": "value_tier in ('platinum', 'gold') and T <= 180",
    "VIP": "value_tier = 'platinum'",
    "regular": "p_churn < 0.5",
    "lapsing": "p_churn < 0.85",
    "lost": "true",
}

"""What happened in the target window."""

from __future__ import annotations


def labels_query(future: str) -> str:
    """Return SQL of the labels: one row per customer with at least one line in the target window.

    ``future`` is SQL of the customer days in that window (`clvml.customers.windows.future`). The columns are
    ``customer_id, purchases`` [purchase days] and ``actual_spend`` [currency, net of refunds]. A customer who is absent
    bought nothing: no purchase, no spend.
    """
    return f"""\
select
  customer_id,
  count(purchase_amount) as purchases,
  round(sum(amount), 6) as actual_spend
from ({future}) as future
group by customer_id"""

"""What MLflow's page of an experiment shows first: a saved view with the metrics that matter in front.

The page itself shows no metric until somebody picks columns. A saved view is a tag of the experiment, in the form
that the page's own *Save view* writes; it stands in the menu *Views* and has an address of its own.
"""

from __future__ import annotations

import base64
import json
import time
import zlib
from typing import Any

from clvml.evaluation.leaderboard import METRICS
from clvml.storage.addresses import hide_password
from clvml.tracking.description import LONGEST_NOTE
from clvml.tracking.session import Store

VIEW_ID = "clvml"
VIEW_TAG = f"mlflow.sharedViewState.{VIEW_ID}"
# In the order of the columns.
VIEW_METRICS = ("wape", "total_bias", "spearman", "gini", "roc_auc", "log_loss", "brier")
LOCAL_PAGE = "http://127.0.0.1:5000"


def view_path(experiment: str) -> str:
    """Return the address of the view below MLflow's.

    >>> view_path("3")
    '#/experiments/3/runs?viewStateShareKey=clvml&workflowType=machine_learning'
    """
    # Without the second, the page opens as it is for chatbots.
    return f"#/experiments/{experiment}/runs?viewStateShareKey={VIEW_ID}&workflowType=machine_learning"


def view_address(uri: str, experiment: str) -> str:
    """Return where the view can be opened: on the server, or on the page that ``mlflow ui`` serves.

    Empty for a server that is named by a profile (``databricks``), whose address only MLflow knows.

    >>> view_address("sqlite:///mlflow.db", "1")
    'http://127.0.0.1:5000/#/experiments/1/runs?viewStateShareKey=clvml&workflowType=machine_learning'
    >>> view_address("databricks", "1")
    ''
    """
    if "://" not in uri:
        return ""
    server = hide_password(uri).rstrip("/") if uri.startswith("http") else LOCAL_PAGE
    return f"{server}/{view_path(experiment)}"


def save_view(store: Store, experiment: str, note: str, best_by: str = "") -> None:
    """Save the view with an experiment, and describe it.

    Parameters
    ----------
    experiment : str
        Its id.
    note : str
        What the page says on top, after a link to the view.
    best_by : str
        The metric of an experiment's answer: it comes first, with its value at the last test date, and sorts the
        runs. Without, the newest run comes first.
    """
    now = int(time.time() * 1000)
    # Packed, as MLflow does it: a tag of 5,000 characters is the most that it keeps.
    packed = base64.b64encode(zlib.compress(json.dumps(_state(best_by)).encode()))
    name = "Best first" if best_by and METRICS[best_by].better != "zero" else "Metrics"
    view = {"name": name, "createdAt": now, "updatedAt": now, "state": f"deflate;{packed.decode()}"}
    store.client.set_experiment_tag(experiment, VIEW_TAG, json.dumps(view))
    text = f"**[Show metrics]({view_path(experiment)})** {note}"
    store.client.set_experiment_tag(experiment, "mlflow.note.content", text[:LONGEST_NOTE])


def _state(best_by: str) -> dict[str, Any]:
    first = [best_by, f"last_fold.{best_by}"] if best_by else []
    # MLflow sorts by the sign: of a bias, the best would stand in the middle.
    ordered = bool(best_by) and METRICS[best_by].better != "zero"
    metrics = list(dict.fromkeys([*first, *VIEW_METRICS]))
    attributes = {"attributes.`Models`": 170, "attributes.`Dataset`": 220}
    widths = {f"metrics.`{metric}`": 96 for metric in metrics} | attributes
    return {
        "selectedColumns": list(widths),
        "columnOrder": list(widths),
        "columnWidths": widths,
        # By a metric, MLflow shows the runs side by side; else below their parent, folded.
        "orderByKey": f"metrics.`{best_by}`" if ordered else "attributes.start_time",
        "orderByAsc": ordered and METRICS[best_by].better != "higher",
        # MLflow adds the charts of all other metrics below, as long as these keep their order.
        "isAccordionReordered": True,
        "compareRunSections": [
            {"uuid": VIEW_ID, "name": "First of all", "display": True, "isReordered": False}
        ],
        "compareRunCharts": [
            {
                "type": "BAR",
                "uuid": f"{VIEW_ID}-{metric}",
                "metricSectionId": VIEW_ID,
                "metricKey": metric,
                "displayName": metric,
                "runsCountToCompare": 20,
                "deleted": False,
                "isGenerated": True,
            }
            for metric in metrics
        ],
    }

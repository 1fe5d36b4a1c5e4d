"""What the words of the dashboard mean, beside those of the report."""

from __future__ import annotations

from clvml.dashboard.store import Snapshot
from clvml.report.language import Language
from clvml.report.sections.glossary import Entries, control_group, glossary
from clvml.scores.tiers import TIER_SHARES


def all_words(snapshot: Snapshot, say: Language, has_models: bool) -> Entries:
    """Return the words of all pages; those of models where a tracking store is asked."""
    found = glossary(snapshot.facts, say)
    top, two, three = TIER_SHARES
    found += [
        (
            say.text("Value tier"),
            say.text(
                "By lifetime value, as it was when the model was trained: platinum the top {top}, gold the next {next},"
                " silver the next {third}, bronze the other half.",
                top=say.percent(top),
                next=say.percent(two - top),
                third=say.percent(three - two),
            ),
        ),
        (
            say.text("Save rate"),
            say.text("Of those who would leave, the share that a contact keeps."),
        ),
        control_group(say),
        (
            say.text("Playbook"),
            say.text(
                "A file of what can be done, what it costs and what it keeps, from which <code>clvml plan</code> makes"
                " a plan."
            ),
        ),
    ]
    if has_models:
        found += [
            (say.text("Champion"), say.text("The model in use.")),
            (say.text("Challenger"), say.text("A newer model, which may take its place.")),
        ]
    return found

"""What the words of the dashboard mean, beside those of the report."""

from __future__ import annotations

from clvml.dashboard.store import Snapshot
from clvml.report.language import Language
from clvml.report.sections.glossary import CONTROL_GROUP, Entries, explained, glossary
from clvml.report.vocabulary import N_
from clvml.scores.tiers import TIER_SHARES

_WORDS = {
    N_("Value tier"): N_(
        "By lifetime value, as it was when the model was trained: platinum the top {top}, gold the next {next},"
        " silver the next {third}, bronze the other half."
    ),
    N_("Save rate"): N_("Of those who would leave, the share that a contact keeps."),
    **CONTROL_GROUP,
    N_("Playbook"): N_(
        "A file of what can be done, what it costs and what it keeps, from which <code>clvml plan</code> makes"
        " a plan."
    ),
}
_OF_MODELS = {
    N_("Champion"): N_("The model in use."),
    N_("Challenger"): N_("A newer model, which may take its place."),
}


def all_words(snapshot: Snapshot, say: Language, has_models: bool) -> Entries:
    """Return the words of all pages; those of models where a tracking store is asked."""
    top, two, three = TIER_SHARES
    shares = {"top": top, "next": two - top, "third": three - two}
    found = glossary(snapshot.facts, say)
    found += explained(_WORDS, say, **{name: say.percent(share) for name, share in shares.items()})
    return found + explained(_OF_MODELS, say) if has_models else found

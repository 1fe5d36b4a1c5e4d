"""The playbook: what can be done for customers, what it costs, whom it may go to and what it is believed to do."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, field_validator, model_validator

from clvml.config import Section, assign, parse_keys, read_keys
from clvml.scores.rules import parse_rule
from clvml.storage.files import replacing

Share = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(ge=-1, le=1)]
Money = Annotated[float, Field(ge=0)]
_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"


class Effect(Section):
    """A save rate: the share of the customers who would have left and whom the action keeps."""

    mean: Rate = Field(description="expected value; negative where the action drives customers away")
    sd: Annotated[float, Field(ge=0, le=1)] = Field(description="standard deviation of what is believed")


class EffectOf(Effect):
    """A save rate of some of the customers."""

    where: str = Field(description="condition on columns of the scored file that says whose it is")

    @field_validator("where")
    @classmethod
    def _is_rule(cls, rule: str) -> str:
        return parse_rule(rule).text


class SaveRate(Effect):
    """The save rate of an action, and how it is known."""

    source: Literal["assumed", "learnt"] = Field(
        "assumed", description="assumed, or learnt from a campaign with a control group"
    )
    campaign: str | None = Field(None, description="the campaign that it was learnt from")
    by: list[EffectOf] = Field(
        default_factory=list,
        description="save rates of groups of customers, the first that fits counts; the others have `mean` and `sd`",
    )

    @model_validator(mode="after")
    def _learnt_somewhere(self) -> SaveRate:
        if self.source == "learnt" and not self.campaign:
            raise ValueError("a learnt save rate needs 'campaign', the campaign it was learnt from")
        if self.source == "assumed" and self.campaign:
            raise ValueError(
                "an assumed save rate has no 'campaign'; say source: learnt, or leave the campaign out"
            )
        return self


class Action(Section):
    """One thing that can be done for a customer."""

    contact_cost: Money = Field(description="paid for everybody who is treated [currency]")
    incentive_cost: Money = Field(
        0.0, description="paid where the offer is taken up, also by who would have bought anyway [currency]"
    )
    redeem_rate: Share = Field(1.0, description="share of those who buy that take the offer up")
    save_rate: SaveRate = Field(description="share of those who would have left that the action keeps")
    segments: list[str] | None = Field(None, description="segments it may go to; all where left out")
    where: str | None = Field(
        None,
        description="condition on columns of the scored file: whom it may go to, such as `p_churn < 0.85`",
    )
    cap: int | None = Field(None, ge=0, description="customers at most")
    rest_days: Annotated[int, Field(ge=0, le=3650)] = Field(
        0, description="days since the last contact of any kind that must be over"
    )
    channel: str = Field(
        "email", min_length=1, description="how it reaches the customer: email, phone, post, ..."
    )

    @field_validator("where")
    @classmethod
    def _is_rule(cls, rule: str | None) -> str | None:
        return rule if rule is None else parse_rule(rule).text

    @model_validator(mode="after")
    def _costs_something(self) -> Action:
        if self.contact_cost + self.incentive_cost * self.redeem_rate == 0:
            raise ValueError(
                "the action costs nothing, so that a budget does not limit it; give contact_cost, were it a penny"
            )
        return self


class ControlGroup(Section):
    """Planned customers whom chance leaves untreated, so that the effect can be measured."""

    share: Annotated[float, Field(ge=0, le=0.9)] = Field(
        0.1, description="share of the planned customers; 0 holds out nobody, and nothing can be measured"
    )
    unit: str = Field(
        "customer_id", description="column whose customers stay together, such as a household or an account"
    )


class Playbook(Section):
    """All that can be done, by name."""

    campaign: Annotated[str, Field(pattern=_NAME, max_length=100)] = Field(
        description="name of the campaign; another name draws another control group"
    )
    currency: str | None = Field(None, description="currency of the costs, for what is printed")
    actions: dict[Annotated[str, Field(pattern=_NAME, max_length=100)], Action] = Field(
        description="what can be done, by name", min_length=1
    )
    control: ControlGroup = Field(default_factory=ControlGroup)
    opt_outs: str | None = Field(
        None,
        description="file of customers who are not to be contacted: `customer_id`, and `channel` where only that is"
        " refused",
    )
    past_contacts: str | None = Field(
        None, description="file of past contacts: `customer_id`, `contact_date`; for `rest_days`"
    )

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that change with anything in the playbook."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def read_playbook(path: str | Path, overrides: list[str] | None = None) -> Playbook:
    """Read and check a playbook.

    Parameters
    ----------
    path : str or Path
        The YAML file.
    overrides : list of str, optional
        ``a.b=c`` assignments applied over the file.

    Raises
    ------
    InputError
        The file is missing or not YAML, a key is unknown (the nearest known one is named), or a value is of the
        wrong type or range.
    """
    raw = read_keys(path, "playbook", "give --playbook", "configs/playbook.yaml")
    for assignment in overrides or []:
        assign(raw, assignment)
    return parse_playbook(raw, f"playbook '{path}'{' with --set' if overrides else ''}")


def parse_playbook(raw: dict[str, Any], origin: str = "playbook") -> Playbook:
    """Check a playbook given as nested dictionaries; ``origin`` names it in errors.

    >>> parse_playbook({"campaign": "spring", "actions": {"mail": {"contact_cost": 0.5,
    ...     "save_rate": {"mean": 0.02, "sd": 0.01}}}}).actions["mail"].save_rate.source
    'assumed'
    """
    return parse_keys(Playbook, raw, origin)


def write_playbook(playbook: Playbook, path: Path) -> None:
    """Write a playbook as YAML, whole or not at all."""
    with replacing(path) as draft:
        draft.write_text(playbook_text(playbook), encoding="utf-8")


def playbook_text(playbook: Playbook) -> str:
    """Return a playbook as YAML, without what is the default."""
    raw = playbook.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    return str(yaml.safe_dump(raw, sort_keys=False, allow_unicode=True))

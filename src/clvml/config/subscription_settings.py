"""The configuration of `mode: subscription`: a table of subscriptions in the place of a purchase log."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from clvml.config.base_section import ColumnNames, Section
from clvml.config.settings import (
    Config,
    EvaluationConfig,
    TrackingConfig,
    TreesConfig,
    ValueConfig,
    WindowsConfig,
)

# Names of reasons and of what trees read.
_PLAIN_NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)


class SubscriptionColumns(ColumnNames):
    """Names of the input's columns of a table of subscriptions."""

    customer_id: str = Field(description="who is subscribed")
    start: str = Field(description="first day of the subscription")
    end: str = Field(description="first day without it; empty while it runs")
    price: str = Field(description="money per billing period")
    period: str | None = Field(
        None, description="billing period, in words such as monthly, 3 months or jährlich, or in days"
    )
    plan: str | None = Field(None, description="what is subscribed to, where there are several plans")


class PaymentColumns(ColumnNames):
    """Names of the input's columns of a table of recurring payments."""

    customer_id: str = Field(description="who pays")
    date: str = Field(description="day of the payment")
    amount: str = Field(description="money paid")
    plan: str | None = Field(None, description="what is paid for, where customers have several")


class SubscriptionData(Section):
    """Where the table of subscriptions, or of the payments for them, is, and how it is read."""

    source: str = Field(description="file or database table of the subscriptions, or of payments")
    columns: SubscriptionColumns | None = Field(
        None, description="input columns of a table of subscriptions, by our names"
    )
    payments: PaymentColumns | None = Field(
        None, description="instead of `columns`: input columns of a table of recurring payments, by our names"
    )
    period: str | None = Field(
        None, description="billing period of all subscriptions, where no column says it, such as month"
    )
    grace_days: Annotated[int, Field(ge=0, le=365)] = Field(
        0,
        description="who subscribes anew within so many days after the horizon has not churned; so late may a payment"
        " be",
    )
    early: list[str] = Field(
        default_factory=list,
        description="columns of numbers that are known some days after a start, such as failed payments of the first"
        " month; missing until then",
    )
    early_days: Annotated[int, Field(ge=0, le=3650)] = Field(30, description="after how many days")
    currency: str | None = Field(None, description="currency of the prices, for what is shown")

    @field_validator("early")
    @classmethod
    def _have_plain_names(cls, early: list[str]) -> list[str]:
        for name in early:
            if not _PLAIN_NAME.fullmatch(name) or early.count(name) > 1:
                raise ValueError(f"'{name}' is not a name of letters, digits and _, or stands there twice")
        return early

    @field_validator("period", mode="before")
    @classmethod
    def _days_too(cls, period: Any) -> Any:
        return str(period) if isinstance(period, int | float) and not isinstance(period, bool) else period

    @model_validator(mode="after")
    def _one_kind(self) -> SubscriptionData:
        if (self.columns is None) == (self.payments is None):
            raise ValueError(
                "give either columns, of a table of subscriptions, or payments, of one of payments"
            )
        if self.columns is not None and (self.columns.period is None) == (self.period is None):
            raise ValueError(
                "give the billing period once: its column in columns.period, or period: month for all of them"
            )
        if self.payments is not None and self.period is not None:
            raise ValueError("the billing period is found in payments; leave out period")
        if self.payments is not None and self.early:
            raise ValueError("early numbers stand in a table of subscriptions; leave them out with payments")
        return self

    def mapped(self) -> dict[str, str]:
        """Return ``{our name: input column}`` of the table."""
        return {} if (known := self.columns or self.payments) is None else known.mapped()

    @property
    def numbers(self) -> tuple[str, ...]:
        """The input columns that hold numbers."""
        named = self.mapped()
        return (*(named[name] for name in ("price", "amount") if name in named), *self.early)

    @property
    def sources(self) -> dict[str, SubscriptionData]:
        """Nothing: a table of subscriptions is one file."""
        return {}

    @property
    def early_columns(self) -> dict[str, str]:
        """The columns of `early`, by names that nothing else has."""
        return {f"early_{name}": name for name in self.early}


class ContractTreesConfig(TreesConfig):
    """What XGBoost takes."""

    n_estimators: Annotated[int, Field(gt=0, le=100_000)] = Field(200, description="boosting rounds")
    max_depth: Annotated[int, Field(gt=0, le=16)] = Field(4, description="depth of a tree")


class SubscriptionConfig(Section):
    """A complete configuration of `mode: subscription`."""

    mode: Literal["subscription"] = Field(description="says that customers subscribe")
    data: SubscriptionData
    windows: WindowsConfig
    model: ContractTreesConfig = Field(default_factory=ContractTreesConfig)
    value: ValueConfig = Field(default_factory=ValueConfig)
    evaluation: EvaluationConfig = Field(default_factory=EvaluationConfig)
    tracking: TrackingConfig = Field(default_factory=TrackingConfig)
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(0, description="seed of everything random")

    @field_validator("value")
    @classmethod
    def _margin_of_all(cls, value: ValueConfig) -> ValueConfig:
        if value.has_own_margins:
            raise ValueError("cost and margins are for purchase logs; give one margin")
        return value

    def with_source(self, source: str) -> SubscriptionConfig:
        """Return the configuration for the same kind of table at another place."""
        return self.model_copy(update={"data": self.data.model_copy(update={"source": source})})


AnyConfig = Config | SubscriptionConfig
